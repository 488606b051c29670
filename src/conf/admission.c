#include "conf/admission.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

#define SHOWN    64 /* how much of a bad text a message repeats */
#define LOAD_MAX 10000
#define DAY      (24 * 60)

static int refuse(struct err *err, const char *text, const char *why)
{
    char shown[SHOWN];

    return err_set(err, "\"%s\" %s", log_escape(shown, sizeof(shown), text, strlen(text)),
                   why);
}

/* ---- rates ----------------------------------------------------------------------- */

static int per_ms(char unit, int64_t *out)
{
    switch (unit) {
    case 's':
        *out = 1000;
        return 0;
    case 'm':
        *out = 60 * 1000;
        return 0;
    case 'h':
        *out = 60 * 60 * 1000;
        return 0;
    default:
        return -1;
    }
}

/* The digits of a part of a text; too many of them are no number. */
static int read_count(const char *text, size_t length, int64_t *out)
{
    char part[24];

    if (length == 0 || length >= sizeof(part))
        return -1;
    memcpy(part, text, length);
    part[length] = '\0';
    return str_to_int(part, 0, INT64_MAX, out);
}

static int check_count(const char *text, int64_t count, struct err *err)
{
    if (count == 0)
        return refuse(err, text, "would let nobody in");
    if (count > ADMISSION_RATE_MAX)
        return err_set(err, "%lld is above %d", (long long)count, ADMISSION_RATE_MAX);
    return 0;
}

int admission_rate(const char *text, struct admission_rate *out, struct err *err)
{
    static const char wrong[] = "is not a rate (50/s, 600/m, 1000/h, 50/s:100)";
    size_t digits = text != NULL ? strspn(text, "0123456789") : 0;
    int64_t count, burst;
    const char *rest;

    memset(out, 0, sizeof(*out));
    if (text == NULL)
        return 0;
    rest = text + digits;
    if (read_count(text, digits, &count) == -1 || rest[0] != '/' ||
        per_ms(rest[1], &out->per_ms) == -1 || (rest[2] != '\0' && rest[2] != ':'))
        return refuse(err, text, wrong);
    burst = count;
    if (rest[2] == ':' && read_count(rest + 3, strlen(rest + 3), &burst) == -1)
        return refuse(err, text, wrong);
    if (check_count(text, count, err) == -1 || check_count(text, burst, err) == -1)
        return -1;
    out->count = (uint64_t)count;
    out->burst = (uint64_t)burst;
    return 0;
}

/* ---- hours ----------------------------------------------------------------------- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* "08:30", to the minute; always two digits, so that one that is lost is a mistake. */
static int read_time(const char *text, unsigned *out)
{
    unsigned hour, minute;

    if (!is_digit(text[0]) || !is_digit(text[1]) || text[2] != ':' ||
        !is_digit(text[3]) || !is_digit(text[4]))
        return -1;
    hour = (unsigned)(text[0] - '0') * 10 + (unsigned)(text[1] - '0');
    minute = (unsigned)(text[3] - '0') * 10 + (unsigned)(text[4] - '0');
    *out = hour * 60 + minute;
    return minute > 59 || *out > DAY ? -1 : 0;
}

int admission_hours(const char *text, struct admission_hours *out, struct err *err)
{
    if (strlen(text) != strlen("00:00-24:00") || text[5] != '-' ||
        read_time(text, &out->from) == -1 || read_time(text + 6, &out->to) == -1 ||
        out->from == DAY)
        return refuse(err, text, "is not a time of the day (08:00-18:00, 22:00-06:00)");
    if (out->from == out->to)
        return refuse(err, text, "is no time at all; the whole day is 00:00-24:00");
    return 0;
}

bool admission_hours_have(const struct admission_hours *hours, unsigned minute)
{
    if (hours->from < hours->to)
        return minute >= hours->from && minute < hours->to;
    return minute >= hours->from || minute < hours->to;
}

/* ---- load ------------------------------------------------------------------------ */

int admission_load(const char *text, unsigned *out, struct err *err)
{
    static const char wrong[] = "is not a load (8.0, 0.75)";
    size_t whole, part;
    int64_t number;

    *out = 0;
    if (text == NULL)
        return 0;
    whole = strspn(text, "0123456789");
    part = text[whole] == '.' ? strspn(text + whole + 1, "0123456789") : 0;
    if (read_count(text, whole, &number) == -1 || part > 2 ||
        (text[whole] == '.' && part == 0) ||
        text[whole + part + (text[whole] == '.')] != '\0')
        return refuse(err, text, wrong);
    if (number > LOAD_MAX)
        return err_set(err, "%lld is above %d", (long long)number, LOAD_MAX);
    *out = (unsigned)number * 100;
    if (part > 0)
        *out += (unsigned)(text[whole + 1] - '0') * 10;
    if (part > 1)
        *out += (unsigned)(text[whole + 2] - '0');
    return *out > 0 ? 0 : refuse(err, text, "would let nobody in");
}

/* ---- rules ----------------------------------------------------------------------- */

static int name_refused(struct err *err, const char *text)
{
    static const char *const words[] = {"all", "local", NULL};
    const char *nearest = str_nearest(text, words);
    char shown[SHOWN];

    log_escape(shown, sizeof(shown), text, strlen(text));
    if (nearest != NULL && strlen(text) <= strlen(nearest) + 1)
        return err_set(err, "\"%s\" is not a network; did you mean \"%s\"?", shown,
                       nearest);
    if (strspn(text, "0123456789abcdefABCDEF.:/") == strlen(text))
        return err_set(
            err, "\"%s\" is not a network (10.0.0.0/8, 192.0.2.1, 2001:db8::/32)", shown);
    if (strchr(text, '%') != NULL)
        return err_set(err, "\"%s\": an interface has no place in a rule", shown);
    return err_set(err,
                   "\"%s\" is neither a network, \"local\", \"all\", \"uid:\" nor "
                   "\"gid:\": names of hosts are never asked for",
                   shown);
}

static int read_id(const char *text, struct admission_rule *out, struct err *err)
{
    bool is_user = str_starts(text, "uid:");
    int64_t id;

    if (str_to_int(text + 4, 0, (int64_t)UINT32_MAX - 1, &id) == -1)
        return refuse(err, text, is_user ? "names no user" : "names no group");
    out->whom = is_user ? ADMISSION_UID : ADMISSION_GID;
    out->id = (uint32_t)id;
    return 0;
}

/* The address before the slash. */
static int read_ip(const char *text, size_t length, struct admission_rule *out)
{
    char host[INET6_ADDRSTRLEN];

    if (length >= sizeof(host))
        return -1;
    memcpy(host, text, length);
    host[length] = '\0';
    out->is_ipv4 = inet_pton(AF_INET, host, out->ip) == 1;
    return out->is_ipv4 || inet_pton(AF_INET6, host, out->ip) == 1 ? 0 : -1;
}

/* What follows the slash, if there is one. */
static int read_prefix(const char *text, struct admission_rule *out, struct err *err)
{
    const char *slash = strchr(text, '/');
    int64_t prefix = out->is_ipv4 ? 32 : 128;

    if (slash != NULL && str_to_int(slash + 1, 0, prefix, &prefix) == -1)
        return refuse(err, text,
                      out->is_ipv4 ? "needs a prefix from 0 to 32"
                                   : "needs a prefix from 0 to 128");
    out->prefix = (unsigned)prefix;
    return 0;
}

/* IPv4 mapped into IPv6 is IPv4. */
static void normalize(struct admission_rule *rule)
{
    static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};

    if (rule->is_ipv4 || rule->prefix < 96 ||
        memcmp(rule->ip, mapped, sizeof(mapped)) != 0)
        return;
    memmove(rule->ip, rule->ip + 12, 4);
    memset(rule->ip + 4, 0, 12);
    rule->is_ipv4 = true;
    rule->prefix -= 96;
}

/* Clears what is behind the prefix; whether something was there. */
static bool clear_rest(struct admission_rule *rule)
{
    unsigned count = rule->is_ipv4 ? 4 : 16;
    bool was_set = false;

    for (unsigned i = 0; i < count; i++) {
        unsigned kept = rule->prefix > i * 8 ? rule->prefix - i * 8 : 0;
        unsigned char mask = (unsigned char)(kept >= 8 ? 0xffu : 0xff00u >> kept);

        was_set = was_set || (rule->ip[i] & ~mask & 0xff) != 0;
        rule->ip[i] = (unsigned char)(rule->ip[i] & mask);
    }
    return was_set;
}

static int read_net(const char *text, struct admission_rule *out, struct err *err)
{
    const char *slash = strchr(text, '/');
    size_t length = slash != NULL ? (size_t)(slash - text) : strlen(text);
    char right[ADMISSION_RULE_TEXT];

    out->whom = ADMISSION_NET;
    if (read_ip(text, length, out) == -1)
        return name_refused(err, text);
    if (read_prefix(text, out, err) == -1)
        return -1;
    normalize(out);
    if (clear_rest(out))
        return err_set(err, "\"%s\" has bits behind its prefix; the network is \"%s\"",
                       text, admission_rule_print(out, right));
    return 0;
}

int admission_rule(const char *text, struct admission_rule *out, struct err *err)
{
    memset(out, 0, sizeof(*out));
    if (strcmp(text, "local") == 0) {
        out->whom = ADMISSION_LOCAL;
        return 0;
    }
    if (strcmp(text, "all") == 0) {
        out->is_everybody = true;
        return 0;
    }
    if (str_starts(text, "uid:") || str_starts(text, "gid:"))
        return read_id(text, out, err);
    return read_net(text, out, err);
}

char *admission_rule_print(const struct admission_rule *rule, char *out)
{
    char host[INET6_ADDRSTRLEN] = "";
    struct str text;

    str_init(&text, out, ADMISSION_RULE_TEXT);
    if (rule->whom == ADMISSION_LOCAL) {
        str_add(&text, "local");
    } else if (rule->whom != ADMISSION_NET) {
        str_add(&text, "%s:%lu", rule->whom == ADMISSION_UID ? "uid" : "gid",
                (unsigned long)rule->id);
    } else if (rule->is_everybody) {
        str_add(&text, "all");
    } else {
        inet_ntop(rule->is_ipv4 ? AF_INET : AF_INET6, rule->ip, host, sizeof(host));
        str_add(&text, "%s", host);
        if (rule->prefix < (rule->is_ipv4 ? 32u : 128u))
            str_add(&text, "/%u", rule->prefix);
    }
    return out;
}
