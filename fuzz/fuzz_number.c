/*
 * One value of the table, from its text to the field: "v = TEXT;" for a key of every type
 * that holds a number. Whatever is accepted is what this file reads in 128 bits, and
 * within the key's range; a plain number within its range is always accepted. The first
 * byte picks the key.
 */
#include <string.h>

#include "base/mem.h"
#include "base/opt.h"
#include "conf/table.h"
#include "conf/value.h"
#include "fuzz.h"
#include "oracle.h"

struct values {
    unsigned small, any;
    int level;
    uint64_t size;
    int64_t time;
    unsigned mode;
};

static const struct usher_option keys[] = {
    USHER_OPTION_UINT(struct values, small, NULL, 1, 65535, NULL, "A small number."),
    USHER_OPTION_UINT(struct values, any, NULL, 0, UINT32_MAX, NULL, "Any number."),
    USHER_OPTION_INT(struct values, level, NULL, INT32_MIN, INT32_MAX, NULL, "A number."),
    USHER_OPTION_SIZE(struct values, size, NULL, 0, INT64_MAX, "A size."),
    USHER_OPTION_DURATION(struct values, time, NULL, 0, INT64_MAX, "A time."),
    {"mode", USHER_TYPE_MODE, USHER_FIELD(struct values, mode, unsigned), NULL, 0, 07777,
     NULL, NULL, "A mode."},
};

static __int128 value_of(const struct values *values, const struct usher_option *key)
{
    switch (key->type) {
    case USHER_TYPE_UINT:
    case USHER_TYPE_MODE:
        return *(const unsigned *)(const void *)((const char *)values + key->offset);
    case USHER_TYPE_INT:
        return values->level;
    case USHER_TYPE_SIZE:
        return values->size;
    default:
        return values->time;
    }
}

/* ---- the other reader
 * ------------------------------------------------------------------ */

#define NOT_READ ((__int128)1 << 100)

static int digit_of(char c)
{
    const char *all = "0123456789abcdef", *at = c == '\0' ? NULL : strchr(all, c | 32);

    return c >= '0' && c <= '9' ? c - '0' : at != NULL && c > '9' ? (int)(at - all) : 16;
}

/* Digits to *text's end or the first that is none; beyond 100 bits it stays there. */
static __int128 digits(const char **text, int base)
{
    __int128 value = 0;

    if (digit_of(**text) >= base)
        return NOT_READ;
    for (; digit_of(**text) < base; ++*text)
        if (value < NOT_READ)
            value = value * base + digit_of(**text);
    return value;
}

static __int128 plain_number(const char *text)
{
    int sign = *text == '-' ? -1 : 1;
    __int128 value;

    text += *text == '-' || *text == '+';
    if (text[0] == '0' && (text[1] | 32) == 'x') {
        text += 2;
        value = digits(&text, 16);
    } else {
        value = digits(&text, 10);
    }
    while (*text == 'L')
        text++;
    return *text == '\0' && value < NOT_READ ? sign * value : NOT_READ;
}

static __int128 unit_of(const char *unit, enum usher_type type)
{
    static const struct {
        const char *name;
        enum usher_type type;
        __int128 factor;
    } units[] = {
        {"", USHER_TYPE_SIZE, 1},          {"k", USHER_TYPE_SIZE, 1 << 10},
        {"M", USHER_TYPE_SIZE, 1 << 20},   {"G", USHER_TYPE_SIZE, 1 << 30},
        {"ms", USHER_TYPE_DURATION, 1},    {"s", USHER_TYPE_DURATION, 1000},
        {"m", USHER_TYPE_DURATION, 60000}, {"h", USHER_TYPE_DURATION, 3600000},
    };

    for (size_t i = 0; i < ARRAY_LEN(units); i++)
        if (units[i].type == type && strcmp(units[i].name, unit) == 0)
            return units[i].factor;
    return 0;
}

/* Between quotes, no escapes. */
static __int128 text_number(const char *text, enum usher_type type)
{
    __int128 value, unit;

    if (strcmp(text, "none") == 0)
        return type == USHER_TYPE_DURATION ? -1 : (__int128)USHER_SIZE_NONE;
    if (strcmp(text, "unlimited") == 0 && type == USHER_TYPE_SIZE)
        return USHER_SIZE_UNLIMITED;
    value = digits(&text, type == USHER_TYPE_MODE ? 8 : 10);
    unit = type == USHER_TYPE_MODE ? 1 : unit_of(text, type);
    return value < NOT_READ && unit > 0 ? value * unit : NOT_READ;
}

static __int128 other_reader(const char *text, enum usher_type type)
{
    size_t length = strlen(text);
    char *inner;
    __int128 value;

    if (text[0] != '"' || length < 2 || text[length - 1] != '"')
        return plain_number(text);
    inner = mem_bytes(text + 1, length - 2);
    value = text_number(inner, type);
    mem_free(&inner);
    return value;
}

/* ---- the two, side by side
 * ------------------------------------------------------------- */

/* Letters, digits, quotes and signs: comments, escapes and more values are
 * fuzz_table's. */
static bool is_one_value(const char *text, size_t count)
{
    size_t length = strspn(text, "0123456789abcdefghijklmnopqrstuvwxyz"
                                 "ABCDEFGHIJKLMNOPQRSTUVWXYZ+-.\"");

    return length == count && count > 0 && count < 64
           && memchr(text + 1, '"', count > 2 ? count - 2 : 0) == NULL;
}

static bool accepts(const char *text, const struct usher_option *key,
                    struct values *values)
{
    struct mistakes mistakes = { 0 };
    struct table table = { .row_count = 0 };
    struct source_file file = {.name = mem_text("t"),
                               .bytes = mem_print("v = %s;", text)};
    const struct table_entry *entry;
    bool is_accepted = false;

    file.length = strlen(file.bytes);
    source_scan(&file, &mistakes);
    if (!file.is_bad && table_add(&table, &file, true, &mistakes) == 0) {
        entry = table_find(&table.globals, "v");
        is_accepted = entry != NULL && value_set(entry, key, values, &mistakes) == 0;
    }
    is_accepted = is_accepted && mistakes.count == 0;
    table_free(&table);
    mistakes_free(&mistakes);
    mem_free(&file.name);
    mem_free(&file.bytes);
    return is_accepted;
}

/* What nobody could call ambiguous. */
static bool is_plain(const char *text)
{
    return text[0] >= '1' && text[0] <= '9' &&
           strspn(text, "0123456789") == strlen(text) && strlen(text) <= 10;
}

static void compare(const char *text, const struct usher_option *key)
{
    __int128 want = other_reader(text, key->type);
    struct values values = { 0 };

    if (accepts(text, key, &values)) {
        must(want != NOT_READ);
        must(value_of(&values, key) == want);
        must(key->type == USHER_TYPE_SIZE || key->type == USHER_TYPE_DURATION ||
             (want >= key->min && want <= key->max));
    } else if (is_plain(text) && want <= INT32_MAX && want >= key->min &&
               want <= key->max) {
        must(key->type == USHER_TYPE_DURATION || key->type == USHER_TYPE_MODE);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    char *text;

    if (count < 2)
        return 0;
    text = mem_bytes((const char *)bytes + 1, count - 1);
    if (is_one_value(text, count - 1))
        compare(text, &keys[bytes[0] % ARRAY_LEN(keys)]);
    mem_free(&text);
    return 0;
}
