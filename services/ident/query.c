#include "query.h"

#include <stdio.h>

#define DIGITS_MAX 9 /* more are no number to us; fewer cannot wrap */

struct rest {
    const char *at, *end;
};

static void skip_blanks(struct rest *rest)
{
    while (rest->at < rest->end && (*rest->at == ' ' || *rest->at == '\t'))
        rest->at++;
}

/* Digits, nothing else: no sign, no point. 0: there are none, or too many. */
static unsigned take_number(struct rest *rest)
{
    unsigned value = 0;
    int digits = 0;

    while (rest->at < rest->end && *rest->at >= '0' && *rest->at <= '9') {
        if (++digits <= DIGITS_MAX)
            value = value * 10 + (unsigned)(*rest->at - '0');
        rest->at++;
    }
    return digits <= DIGITS_MAX ? value : 0;
}

static bool is_port(unsigned value)
{
    return value >= 1 && value <= 65535;
}

void ident_query_parse(const char *line, size_t count, struct ident_query *out)
{
    struct rest rest = {line, line + count};

    *out = (struct ident_query){0};
    skip_blanks(&rest);
    out->here = take_number(&rest);
    skip_blanks(&rest);
    if (rest.at == rest.end || *rest.at != ',')
        return;
    rest.at++;
    skip_blanks(&rest);
    out->there = take_number(&rest);
    skip_blanks(&rest);
    out->is_good = rest.at == rest.end && is_port(out->here) && is_port(out->there);
}

size_t ident_error(const struct ident_query *query, const char *error, char *to)
{
    return (size_t)snprintf(to, IDENT_REPLY_MAX, "%u , %u : ERROR : %s\r\n", query->here,
                            query->there, error);
}

size_t ident_user(const struct ident_query *query, const char *system, const char *who,
                  char *to)
{
    char kept[IDENT_NAME_MAX + 1];
    size_t count = 0;

    for (const char *at = who; *at != '\0' && count < IDENT_NAME_MAX; at++)
        if (*at > ' ' && *at < 0x7f && *at != ':')
            kept[count++] = *at;
    kept[count] = '\0';
    /* All that follows the colon is the name, a blank would be a part of it. */
    return (size_t)snprintf(to, IDENT_REPLY_MAX, "%u , %u : USERID : %s :%s\r\n",
                            query->here, query->there, system, kept);
}
