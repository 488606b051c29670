#include "wire/record.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

#define SHOWN     64   /* how much of a bad text a message repeats */
#define OUT_FIRST 256u /* a new buffer's room */

static const char digits[] = "0123456789abcdef";

static bool is_name(const char *text, size_t count)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789_.-";

    for (size_t i = 0; i < count; i++)
        if (text[i] == '\0' || strchr(letters, text[i]) == NULL)
            return false;
    return count > 0;
}

/* Whether a byte of a value stands for itself. */
static bool is_plain(unsigned char byte)
{
    return byte >= 0x21 && byte <= 0x7e && byte != '\\';
}

/* ---- reading --------------------------------------------------------------------------
 */

static int refuse(struct err *err, const char *what, const char *text, size_t count)
{
    char shown[SHOWN];

    return err_set(err, "bad %s \"%s\"", what,
                   log_escape(shown, sizeof shown, text, count));
}

static int digit(char c)
{
    const char *at = c == '\0' ? NULL : strchr(digits, c);

    return at == NULL ? -1 : (int)(at - digits);
}

/* The byte of "\xHH", or -1. Only bytes that need it may be written so, and no value
 * holds a NUL: then every record has one text. */
static int read_escape(const char *at, const char *end)
{
    int high, low;

    if (end - at < 4 || at[1] != 'x')
        return -1;
    high = digit(at[2]);
    low = digit(at[3]);
    if (high == -1 || low == -1 || (high == 0 && low == 0))
        return -1;
    return is_plain((unsigned char)(high * 16 + low)) ? -1 : high * 16 + low;
}

/* Unescapes in place: the text only gets shorter, and its NUL has room. */
static int read_value(char *value, char *end, struct err *err)
{
    char *to = value;

    for (char *at = value; at < end; at++) {
        int byte = (unsigned char)*at;

        if (byte == '\\') {
            byte = read_escape(at, end);
            if (byte == -1)
                return refuse(err, "escape", at, end - at < 4 ? (size_t)(end - at) : 4);
            at += 3;
        } else if (!is_plain((unsigned char)byte)) {
            return refuse(err, "byte", at, 1);
        }
        *to++ = (char)byte;
    }
    *to = '\0';
    return 0;
}

static int read_field(struct record *record, char *at, char *end, struct err *err)
{
    char *equals = memchr(at, '=', (size_t)(end - at));
    struct record_field *field;

    if (equals == NULL)
        return refuse(err, "field", at, (size_t)(end - at));
    if (!is_name(at, (size_t)(equals - at)))
        return refuse(err, "key", at, (size_t)(equals - at));
    if (record->count == RECORD_FIELDS)
        return err_set(err, "more than %d fields", RECORD_FIELDS);
    *equals = '\0';
    if (read_value(equals + 1, end, err) == -1)
        return -1;
    field = MEM_PUSH(record->fields, record->count);
    field->key = at;
    field->value = equals + 1;
    return 0;
}

/* The word, then fields, one blank before each. */
static int read_line(struct record *record, size_t count, struct err *err)
{
    char *end = record->line + count;
    char *stop = memchr(record->line, ' ', count);

    if (stop == NULL)
        stop = end;
    if (!is_name(record->line, (size_t)(stop - record->line)))
        return refuse(err, "word", record->line, (size_t)(stop - record->line));
    record->word = record->line;
    while (stop < end) {
        char *at = stop + 1;

        *stop = '\0';
        stop = memchr(at, ' ', (size_t)(end - at));
        if (stop == NULL)
            stop = end;
        if (read_field(record, at, stop, err) == -1)
            return -1;
    }
    return 0;
}

int record_parse(struct record *record, const char *line, size_t count, struct err *err)
{
    *record = (struct record)RECORD_EMPTY;
    if (count > RECORD_MAX)
        return err_set(err, "a line of %zu bytes is above %d", count, RECORD_MAX);
    record->line = mem_bytes(line, count);
    if (read_line(record, count, err) == 0)
        return 0;
    record_free(record);
    return -1;
}

void record_free(struct record *record)
{
    mem_free(&record->line);
    mem_free(&record->fields);
    *record = (struct record)RECORD_EMPTY;
}

bool record_is(const struct record *record, const char *word)
{
    return record->word != NULL && strcmp(record->word, word) == 0;
}

const char *record_get(const struct record *record, const char *key)
{
    return record_item(record, key, 0);
}

const char *record_item(const struct record *record, const char *key, size_t n)
{
    for (size_t i = 0; i < record->count; i++)
        if (strcmp(record->fields[i].key, key) == 0 && n-- == 0)
            return record->fields[i].value;
    return NULL;
}

int record_number(const struct record *record, const char *key, int64_t min, int64_t max,
                  int64_t *out, struct err *err)
{
    const char *value = record_get(record, key);
    char shown[SHOWN];

    if (value == NULL)
        return err_set(err, "%s is missing", key);
    if (str_to_int(value, min, max, out) == 0)
        return 0;
    return err_set(err, "%s: \"%s\" is not a number from %" PRId64 " to %" PRId64, key,
                   log_escape(shown, sizeof shown, value, strlen(value)), min, max);
}

int record_each(const char *text, size_t count, record_fn *each, void *context,
                struct err *err)
{
    const char *end = text + count;

    for (size_t number = 1; text < end; number++) {
        const char *stop = memchr(text, '\n', (size_t)(end - text));
        struct record record;
        int result;

        if (stop == NULL)
            return err_set(err, "line %zu: cut off", number);
        if (record_parse(&record, text, (size_t)(stop - text), err) == -1)
            return err_prefix(err, "line %zu", number);
        result = each(&record, context, err);
        record_free(&record);
        if (result == -1)
            return -1;
        text = stop + 1;
    }
    return 0;
}

/* ---- writing --------------------------------------------------------------------------
 */

/* Room for that many bytes more, and the NUL. */
static char *reserve(struct record_out *out, size_t count)
{
    size_t room = out->room > 0 ? out->room : OUT_FIRST;

    while (room - out->length <= count)
        room *= 2;
    if (room != out->room) {
        out->bytes = mem_grow(out->bytes, room, 1);
        out->room = room;
    }
    return out->bytes + out->length;
}

static void put(struct record_out *out, const char *bytes, size_t count)
{
    char *to = reserve(out, count);

    memcpy(to, bytes, count);
    to[count] = '\0';
    out->length += count;
}

static void put_name(struct record_out *out, const char *name)
{
    size_t length = strlen(name);

    if (!is_name(name, length))
        log_panic("record", "fail reason=\"bad name\" name=%s", name);
    put(out, name, length);
}

void record_begin(struct record_out *out, const char *word)
{
    put_name(out, word);
}

void record_add(struct record_out *out, const char *key, const char *value)
{
    if (value == NULL)
        return;
    put(out, " ", 1);
    put_name(out, key);
    put(out, "=", 1);
    while (*value != '\0') {
        size_t plain = 0;

        while (is_plain((unsigned char)value[plain]))
            plain++;
        put(out, value, plain);
        value += plain;
        if (*value != '\0') {
            unsigned char byte = (unsigned char)*value++;
            char escape[] = {'\\', 'x', digits[byte >> 4], digits[byte & 15]};

            put(out, escape, sizeof escape);
        }
    }
}

void record_add_number(struct record_out *out, const char *key, int64_t value)
{
    char text[24];

    snprintf(text, sizeof text, "%" PRId64, value);
    record_add(out, key, text);
}

void record_add_print(struct record_out *out, const char *key, const char *format, ...)
{
    va_list args;
    char *text;
    int length;

    va_start(args, format);
    length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length < 0)
        log_panic("record", "fail reason=\"bad format\" key=%s", key);
    text = mem_array((size_t)length + 1, 1);
    va_start(args, format);
    vsnprintf(text, (size_t)length + 1, format, args);
    va_end(args);
    record_add(out, key, text);
    mem_free(&text);
}

void record_end(struct record_out *out)
{
    put(out, "\n", 1);
}

void record_out_free(struct record_out *out)
{
    mem_free(&out->bytes);
    *out = (struct record_out)RECORD_OUT_EMPTY;
}
