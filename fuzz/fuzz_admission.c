/*
 * The texts of admission, read twice: what is taken for a rule is exactly what a second
 * reader, bit by bit, takes for one; what is taken for a rate, a time or a load gives its
 * own text back. A rule that loses a character is refused, or takes in no more than
 * before, unless it is its prefix that lost a digit (reliability.md D5).
 */
#include <arpa/inet.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/admission.h"
#include "fuzz.h"
#include "oracle.h"

#define TEXT 100 /* no rule is longer */

/* ---- the second reader ----------------------------------------------------------- */

/* Decimal as it would be printed. */
static bool read_number(const char *text, unsigned long long most,
                        unsigned long long *out)
{
    char again[32];

    if (text[0] < '0' || text[0] > '9' || strlen(text) > 19)
        return false;
    *out = strtoull(text, NULL, 10);
    snprintf(again, sizeof(again), "%llu", *out);
    return strcmp(again, text) == 0 && *out <= most;
}

static bool bit(const unsigned char *ip, unsigned number)
{
    return ((ip[number / 8] >> (7 - number % 8)) & 1) != 0;
}

/* All are IPv6 here, IPv4 as ::ffff:a.b.c.d. */
static bool read_net(const char *text, unsigned char ip[16], unsigned *prefix)
{
    const char *slash = strchr(text, '/');
    char host[TEXT + 1];
    unsigned long long number;
    bool is_four;

    snprintf(host, sizeof(host), "%.*s", (int)strcspn(text, "/"), text);
    memset(ip, 0, 16);
    ip[10] = ip[11] = 0xff;
    is_four = inet_pton(AF_INET, host, ip + 12) == 1;
    if (!is_four && inet_pton(AF_INET6, host, ip) != 1)
        return false;
    *prefix = 128;
    if (slash != NULL) {
        if (!read_number(slash + 1, is_four ? 32 : 128, &number))
            return false;
        *prefix = (unsigned)number + (is_four ? 96 : 0);
    }
    for (unsigned i = *prefix; i < 128; i++)
        if (bit(ip, i))
            return false;
    return true;
}

static bool is_id(const char *text)
{
    unsigned long long id;

    return (strncmp(text, "uid:", 4) == 0 || strncmp(text, "gid:", 4) == 0) &&
           read_number(text + 4, 4294967294, &id);
}

/* ---- rules ----------------------------------------------------------------------- */

static void same_net(const struct admission_rule *rule, const unsigned char ip[16],
                     unsigned prefix)
{
    must(rule->whom == ADMISSION_NET && !rule->is_everybody);
    if (rule->is_ipv4)
        must(rule->prefix + 96 == prefix && memcmp(rule->ip, ip + 12, 4) == 0);
    else
        must(rule->prefix == prefix && memcmp(rule->ip, ip, 16) == 0);
}

static void check_print(const struct admission_rule *rule)
{
    char text[ADMISSION_RULE_TEXT], again[ADMISSION_RULE_TEXT];
    struct admission_rule parsed;

    must(strlen(admission_rule_print(rule, text)) < sizeof(text) - 1);
    must(admission_rule(text, &parsed, NULL) == 0);
    must(strcmp(admission_rule_print(&parsed, again), text) == 0);
    must(parsed.whom == rule->whom && parsed.prefix == rule->prefix &&
         parsed.id == rule->id && memcmp(parsed.ip, rule->ip, 16) == 0);
}

static bool is_width_known(const struct admission_rule *rule)
{
    return rule->whom == ADMISSION_NET && !rule->is_everybody;
}

/* How many addresses, as a power of two. */
static unsigned width(const struct admission_rule *rule)
{
    return (rule->is_ipv4 ? 32u : 128u) - rule->prefix;
}

static void check_losses(const char *text, const struct admission_rule *rule)
{
    size_t length = strlen(text), slash = strcspn(text, "/");

    for (size_t at = 0; at < length; at++) {
        struct admission_rule less;
        char rest[TEXT + 1];

        snprintf(rest, sizeof(rest), "%.*s%s", (int)at, text, text + at + 1);
        if (admission_rule(rest, &less, NULL) == -1)
            continue;
        if (is_width_known(rule))
            must(is_width_known(&less) && (at > slash || width(&less) <= width(rule)));
        else
            must(less.whom == rule->whom && !less.is_everybody && rule->id != less.id);
    }
}

static void check_rule(const char *text)
{
    struct admission_rule rule;
    struct err err = ERR_EMPTY;
    unsigned char ip[16];
    unsigned prefix;
    bool is_net = read_net(text, ip, &prefix);
    bool is_rule = admission_rule(text, &rule, &err) == 0;

    must(is_rule == (is_net || is_id(text) || strcmp(text, "all") == 0 ||
                     strcmp(text, "local") == 0));
    must(is_rule == (err.text[0] == '\0'));
    if (!is_rule)
        return;
    if (is_net)
        same_net(&rule, ip, prefix);
    check_print(&rule);
    check_losses(text, &rule);
}

/* ---- the others ------------------------------------------------------------------ */

static void check_rate(const char *text)
{
    struct admission_rate rate;
    char again[TEXT + 1];
    size_t length;

    if (admission_rate(text, &rate, NULL) == -1)
        return;
    must(rate.count >= 1 && rate.count <= ADMISSION_RATE_MAX);
    must(rate.burst >= 1 && rate.burst <= ADMISSION_RATE_MAX);
    length =
        (size_t)snprintf(again, sizeof(again), "%llu/%s", (unsigned long long)rate.count,
                         rate.per_ms == 1000    ? "s"
                         : rate.per_ms == 60000 ? "m"
                                                : "h");
    if (text[length] != '\0')
        snprintf(again + length, sizeof(again) - length, ":%llu",
                 (unsigned long long)rate.burst);
    must(strcmp(again, text) == 0);
}

static void check_hours(const char *text)
{
    struct admission_hours hours;
    char again[TEXT + 1];
    unsigned minutes = 0, most = 24 * 60;

    if (admission_hours(text, &hours, NULL) == -1)
        return;
    snprintf(again, sizeof(again), "%02u:%02u-%02u:%02u", hours.from / 60,
             hours.from % 60, hours.to / 60, hours.to % 60);
    must(strcmp(again, text) == 0 && hours.from < most && hours.to <= most);
    for (unsigned minute = 0; minute < most; minute++)
        minutes += admission_hours_have(&hours, minute);
    must(minutes > 0 && minutes % most == (hours.to + most - hours.from) % most);
}

static void check_load(const char *text)
{
    unsigned load;

    if (admission_load(text, &load, NULL) == -1)
        return;
    must(load > 0 && load <= 1000099 && strspn(text, "0123456789.") == strlen(text));
    must(load == (unsigned)lround(strtod(text, NULL) * 100));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    char text[TEXT + 1];

    if (count > TEXT)
        count = TEXT;
    if (count > 0)
        memcpy(text, bytes, count);
    text[count] = '\0';
    check_rule(text);
    check_rate(text);
    check_hours(text);
    check_load(text);
    return 0;
}
