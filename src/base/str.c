#include "base/str.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

#define NEAREST_WORD 64 /* longer words have no neighbours */

/* ---- building -------------------------------------------------------------------------
 */

void str_init(struct str *s, char *buffer, size_t room)
{
    s->at = buffer;
    s->room = room;
    s->length = 0;
    s->is_cut = false;
    buffer[0] = '\0';
}

void str_add(struct str *s, const char *format, ...)
{
    size_t left = s->room - s->length;
    va_list args;
    int length;

    va_start(args, format);
    length = vsnprintf(s->at + s->length, left, format, args);
    va_end(args);
    if (length < 0) {
        s->at[s->length] = '\0';
        s->is_cut = true;
    } else if ((size_t)length >= left) {
        s->length = s->room - 1;
        s->is_cut = true;
    } else {
        s->length += (size_t)length;
    }
}

void str_add_bytes(struct str *s, const char *bytes, size_t count)
{
    size_t left = s->room - s->length - 1;

    if (count > left) {
        count = left;
        s->is_cut = true;
    }
    if (count > 0)
        memcpy(s->at + s->length, bytes, count);
    s->length += count;
    s->at[s->length] = '\0';
}

bool str_copy(char *out, size_t room, const char *text)
{
    size_t length = strlen(text);
    bool fits = length < room;

    if (room == 0)
        return false;
    if (!fits)
        length = room - 1;
    memmove(out, text, length);
    out[length] = '\0';
    return fits;
}

bool str_starts(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool str_is_printable(const char *text)
{
    for (; *text != '\0'; text++)
        if (*text < 0x20 || *text > 0x7e)
            return false;
    return true;
}

/* How many bytes the first character of text has; 0: it is none, or a control
 * character. */
static size_t readable_length(const unsigned char *text)
{
    static const struct {
        unsigned char first, last, least, most; /* of the first byte, and of the second */
        size_t length;
    } forms[] = {
        {0x20, 0x7e, 0x00, 0xff, 1}, {0xc2, 0xc2, 0xa0, 0xbf, 2},
        {0xc3, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3},
        {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4},
        {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };
    size_t i = 0;

    while (i < ARRAY_LEN(forms) && (text[0] < forms[i].first || text[0] > forms[i].last))
        i++;
    if (i == ARRAY_LEN(forms) || text[1] < forms[i].least || text[1] > forms[i].most)
        return 0;
    for (size_t at = 2; at < forms[i].length; at++)
        if (text[at] < 0x80 || text[at] > 0xbf)
            return 0;
    return forms[i].length;
}

bool str_is_readable(const char *text)
{
    size_t length = 1;

    for (; *text != '\0' && length > 0; text += length)
        length = readable_length((const unsigned char *)text);
    return length > 0;
}

/* ---- numbers --------------------------------------------------------------------------
 */

/* Decimal digits without a leading zero. Returns where they end; NULL: none, or too
 * large. */
static const char *read_digits(const char *text, uint64_t *out)
{
    uint64_t value = 0;
    const char *at = text;

    for (; *at >= '0' && *at <= '9'; at++) {
        unsigned digit = (unsigned)(*at - '0');

        if (value > (UINT64_MAX - digit) / 10)
            return NULL;
        value = value * 10 + digit;
    }
    if (at == text || (*text == '0' && at != text + 1))
        return NULL;
    *out = value;
    return at;
}

int str_to_int(const char *text, int64_t min, int64_t max, int64_t *out)
{
    bool is_negative = *text == '-' && min < 0;
    uint64_t magnitude;
    const char *end = read_digits(text + is_negative, &magnitude);
    int64_t value;

    if (end == NULL || *end != '\0' || (is_negative && magnitude == 0))
        return -1;
    if (is_negative) {
        if (magnitude > (uint64_t)INT64_MAX + 1)
            return -1;
        value = -(int64_t)(magnitude - 1) - 1;
    } else {
        if (magnitude > INT64_MAX)
            return -1;
        value = (int64_t)magnitude;
    }
    if (value < min || value > max)
        return -1;
    *out = value;
    return 0;
}

struct unit {
    const char *name;
    uint64_t factor;
};

/* Largest first: the first one that divides a value gives the shortest text. */
static const struct unit sizes[] = {
    {"G", UINT64_C(1) << 30},
    {"M", UINT64_C(1) << 20},
    {"k", UINT64_C(1) << 10},
    {"", 1},
};
static const struct unit durations[] = {
    {"h", 3600000},
    {"m", 60000},
    {"s", 1000},
    {"ms", 1},
};

static int read_with_unit(const char *text, const struct unit *units, size_t count,
                          uint64_t *out)
{
    uint64_t value;
    const char *end = read_digits(text, &value);

    if (end == NULL)
        return -1;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(end, units[i].name) != 0)
            continue;
        if (value > UINT64_MAX / units[i].factor)
            return -1;
        *out = value * units[i].factor;
        return 0;
    }
    return -1;
}

int str_to_size(const char *text, uint64_t *out)
{
    return read_with_unit(text, sizes, ARRAY_LEN(sizes), out);
}

int str_to_duration(const char *text, int64_t *ms_out)
{
    uint64_t ms;

    if (strcmp(text, "none") == 0) {
        *ms_out = -1;
        return 0;
    }
    if (read_with_unit(text, durations, ARRAY_LEN(durations), &ms) == -1 ||
        ms > INT64_MAX)
        return -1;
    *ms_out = (int64_t)ms;
    return 0;
}

int str_to_mode(const char *text, unsigned *out)
{
    unsigned value = 0;
    size_t length = strlen(text);

    /* The length alone keeps it at or below 07777. */
    if (text[0] != '0' || length > sizeof "07777" - 1)
        return -1;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '7')
            return -1;
        value = value * 8 + (unsigned)(*text - '0');
    }
    *out = value;
    return 0;
}

char *str_size(char *out, size_t room, uint64_t bytes)
{
    size_t i = 0;

    while (i < ARRAY_LEN(sizes) - 1 && (bytes == 0 || bytes % sizes[i].factor != 0))
        i++;
    snprintf(out, room, "%llu%s", (unsigned long long)(bytes / sizes[i].factor),
             sizes[i].name);
    return out;
}

char *str_duration(char *out, size_t room, int64_t ms)
{
    uint64_t value = (uint64_t)ms;
    size_t i = 0;

    if (ms < 0) {
        str_copy(out, room, "none");
        return out;
    }
    if (ms == 0) {
        str_copy(out, room, "0s");
        return out;
    }
    while (value % durations[i].factor != 0)
        i++;
    snprintf(out, room, "%llu%s", (unsigned long long)(value / durations[i].factor),
             durations[i].name);
    return out;
}

/* ---- the nearest word -----------------------------------------------------------------
 */

static size_t least(size_t a, size_t b, size_t c)
{
    size_t ab = a < b ? a : b;

    return ab < c ? ab : c;
}

/* How many letters must be put in, taken out or changed. b is at most NEAREST_WORD
 * long. */
static size_t distance(const char *a, const char *b)
{
    size_t row[NEAREST_WORD + 1];
    size_t length = strlen(b);

    for (size_t j = 0; j <= length; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1] != '\0'; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= length; j++) {
            size_t above = row[j];

            row[j] = least(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
            diagonal = above;
        }
    }
    return row[length];
}

const char *str_nearest(const char *word, const char *const *candidates)
{
    size_t best = 2 + strlen(word) / 3;
    const char *nearest = NULL;

    if (strlen(word) > NEAREST_WORD)
        return NULL;
    for (; *candidates != NULL; candidates++) {
        size_t differs;

        if (strlen(*candidates) > NEAREST_WORD)
            continue;
        differs = distance(word, *candidates);
        if (differs < best) {
            best = differs;
            nearest = *candidates;
        }
    }
    return nearest;
}
