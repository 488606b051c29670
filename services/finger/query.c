#include "query.h"

#include <string.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_letter_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool is_name(const char *at, size_t count)
{
    if (count == 0 || count > FINGER_NAME_MAX)
        return false;
    if (!is_letter_or_digit(at[0]) && at[0] != '_')
        return false; /* "-x" could be an option, ".." a path */
    for (size_t i = 1; i < count; i++)
        if (!is_letter_or_digit(at[i]) && memchr("_-.", at[i], 3) == NULL)
            return false;
    return true;
}

/* A line without its end. */
static void parse_line(const char *at, size_t count, struct finger_query *out)
{
    while (count > 0 && is_blank(at[count - 1]))
        count--;
    while (count > 0 && is_blank(at[0]))
        at++, count--;
    if (count >= 2 && at[0] == '/' && (at[1] == 'W' || at[1] == 'w') &&
        (count == 2 || is_blank(at[2]))) {
        out->is_long = true;
        at += 2, count -= 2;
    }
    while (count > 0 && is_blank(at[0]))
        at++, count--;

    if (count == 0) {
        out->kind = FINGER_EVERYBODY;
    } else if (memchr(at, '@', count) != NULL) {
        out->kind = FINGER_ELSEWHERE;
    } else if (is_name(at, count)) {
        out->kind = FINGER_PERSON;
        memcpy(out->name, at, count);
    }
}

bool finger_query_parse(const char *bytes, size_t count, struct finger_query *out)
{
    size_t look = count < FINGER_QUERY_MAX ? count : FINGER_QUERY_MAX;
    const char *end = memchr(bytes, '\n', look);
    size_t length;

    *out = (struct finger_query){ .kind = FINGER_NOBODY };
    if (end == NULL) {
        out->kind = FINGER_ENDLESS;
        return count >= FINGER_QUERY_MAX;
    }
    length = (size_t)(end - bytes);
    if (length > 0 && bytes[length - 1] == '\r')
        length--;
    parse_line(bytes, length, out);
    return true;
}
