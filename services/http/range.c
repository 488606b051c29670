#include "range.h"

#include <string.h>
#include <strings.h>

/* Digits only; more than fit count as the largest number. */
static bool read_number(const char **at, uint64_t *out)
{
    const char *begin = *at;

    for (*out = 0; **at >= '0' && **at <= '9'; ++*at) {
        uint64_t digit = (uint64_t)(**at - '0');

        *out = *out > (UINT64_MAX - digit) / 10 ? UINT64_MAX : *out * 10 + digit;
    }
    return *at != begin;
}

enum range_kind http_range(const char *text, uint64_t size, uint64_t *first,
                           uint64_t *count)
{
    static const char unit[] = "bytes=";
    uint64_t last = UINT64_MAX;
    bool has_first, has_last;

    if (strncasecmp(text, unit, sizeof(unit) - 1) != 0)
        return RANGE_NONE;
    text += sizeof(unit) - 1;
    has_first = read_number(&text, first);
    if (*text++ != '-')
        return RANGE_NONE;
    has_last = read_number(&text, &last);
    text += strspn(text, " \t");
    if (*text != '\0' || (!has_first && !has_last))
        return RANGE_NONE;

    if (!has_first) { /* the last so many */
        *count = last < size ? last : size;
        *first = size - *count;
        return *count > 0 ? RANGE_PART : RANGE_BEYOND;
    }
    if (has_last && last < *first)
        return RANGE_NONE;
    if (*first >= size)
        return RANGE_BEYOND;
    if (!has_last || last >= size)
        last = size - 1;
    *count = last - *first + 1;
    return RANGE_PART;
}

void http_date(time_t at, char out[HTTP_DATE])
{
    struct tm tm;

    if (gmtime_r(&at, &tm) == NULL ||
        strftime(out, HTTP_DATE, "%a, %d %b %Y %H:%M:%S GMT", &tm) == 0)
        out[0] = '\0';
}

/* Years have two digits in one of the older forms: 69 to 99 are those of the last
 * century. */
bool http_date_read(const char *text, time_t *out)
{
    static const char *const forms[] = { "%a, %d %b %Y %H:%M:%S GMT",
                                         "%A, %d-%b-%y %H:%M:%S GMT",
                                         "%a %b %e %H:%M:%S %Y" };

    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        struct tm tm;
        const char *rest;

        memset(&tm, 0, sizeof(tm));
        rest = strptime(text, forms[i], &tm);
        if (rest == NULL || rest[strspn(rest, " \t")] != '\0')
            continue;
        *out = timegm(&tm);
        return true;
    }
    return false;
}
