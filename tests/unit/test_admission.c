/* The texts of admission: what they mean, and what is refused, with which words. */
#include "conf/admission.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"

/* ---- rates, hours, load ---------------------------------------------------------- */

static void a_rate_is_a_count_in_a_time(void **state)
{
    static const struct {
        const char *text;
        uint64_t count;
        int64_t per_ms;
        uint64_t burst;
    } good[] = {
        {NULL, 0, 0, 0},
        {"50/s", 50, 1000, 50},
        {"600/m", 600, 60000, 600},
        {"1/h", 1, 3600000, 1},
        {"50/s:100", 50, 1000, 100},
        {"50/s:1", 50, 1000, 1},
        {"1000000/s:1000000", 1000000, 1000, 1000000},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        struct admission_rate rate;

        assert_int_equal(admission_rate(good[i].text, &rate, NULL), 0);
        assert_int_equal(rate.count, good[i].count);
        if (rate.count > 0)
            assert_int_equal(rate.per_ms, good[i].per_ms);
        assert_int_equal(rate.burst, good[i].burst);
    }
}

struct refusal {
    const char *text, *why;
};

static void a_rate_that_is_none_is_refused(void **state)
{
#define NO_RATE " is not a rate (50/s, 600/m, 1000/h, 50/s:100)"
    static const struct refusal bad[] = {
        {"", "\"\"" NO_RATE},
        {"50", "\"50\"" NO_RATE},
        {"/s", "\"/s\"" NO_RATE},
        {"50/", "\"50/\"" NO_RATE},
        {"50/d", "\"50/d\"" NO_RATE},
        {"50/sec", "\"50/sec\"" NO_RATE},
        {"50/s:", "\"50/s:\"" NO_RATE},
        {"50/s:x", "\"50/s:x\"" NO_RATE},
        {"50/s:1 ", "\"50/s:1 \"" NO_RATE},
        {"050/s", "\"050/s\"" NO_RATE},
        {"-5/s", "\"-5/s\"" NO_RATE},
        {"5.5/s", "\"5.5/s\"" NO_RATE},
        {"50 /s", "\"50 /s\"" NO_RATE},
        {"99999999999999999999999999/s", "\"99999999999999999999999999/s\"" NO_RATE},
        {"0/s", "\"0/s\" would let nobody in"},
        {"5/s:0", "\"5/s:0\" would let nobody in"},
        {"1000001/s", "1000001 is above 1000000"},
        {"1/s:1000001", "1000001 is above 1000000"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct admission_rate rate;
        struct err err = ERR_EMPTY;

        assert_int_equal(admission_rate(bad[i].text, &rate, &err), -1);
        assert_string_equal(err.text, bad[i].why);
    }
}

static void hours_are_minutes_of_the_day(void **state)
{
    static const struct {
        const char *text;
        unsigned from, to;
        unsigned in, out;
    } good[] = {
        {"08:00-18:00", 480, 1080, 480, 1080}, {"08:00-18:00", 480, 1080, 1079, 479},
        {"00:00-24:00", 0, 1440, 1439, 1440},  {"22:00-06:00", 1320, 360, 1320, 1319},
        {"22:00-06:00", 1320, 360, 359, 360},  {"22:00-06:00", 1320, 360, 0, 720},
        {"23:59-00:00", 1439, 0, 1439, 0},     {"00:00-00:01", 0, 1, 0, 1},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        struct admission_hours hours;

        assert_int_equal(admission_hours(good[i].text, &hours, NULL), 0);
        assert_int_equal(hours.from, good[i].from);
        assert_int_equal(hours.to, good[i].to);
        assert_true(admission_hours_have(&hours, good[i].in));
        assert_false(admission_hours_have(&hours, good[i].out));
    }
}

static void hours_that_are_none_are_refused(void **state)
{
#define NO_HOURS " is not a time of the day (08:00-18:00, 22:00-06:00)"
    static const struct refusal bad[] = {
        {"", "\"\"" NO_HOURS},
        {"8:00-18:00", "\"8:00-18:00\"" NO_HOURS},
        {"08:00", "\"08:00\"" NO_HOURS},
        {"08:00-18:0", "\"08:00-18:0\"" NO_HOURS},
        {"08:00-18:60", "\"08:00-18:60\"" NO_HOURS},
        {"08:00-24:01", "\"08:00-24:01\"" NO_HOURS},
        {"24:00-08:00", "\"24:00-08:00\"" NO_HOURS},
        {"25:00-26:00", "\"25:00-26:00\"" NO_HOURS},
        {"08:00 18:00", "\"08:00 18:00\"" NO_HOURS},
        {"08:00-18:00 ", "\"08:00-18:00 \"" NO_HOURS},
        {"08.00-18.00", "\"08.00-18.00\"" NO_HOURS},
        {"08:00-08:00",
         "\"08:00-08:00\" is no time at all; the whole day is 00:00-24:00"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct admission_hours hours;
        struct err err = ERR_EMPTY;

        assert_int_equal(admission_hours(bad[i].text, &hours, &err), -1);
        assert_string_equal(err.text, bad[i].why);
    }
}

static void a_load_is_kept_in_hundredths(void **state)
{
    static const struct {
        const char *text;
        unsigned want;
    } good[] = {{NULL, 0},   {"8.0", 800}, {"8", 800},         {"0.75", 75},
                {"0.01", 1}, {"0.1", 10},  {"10000", 1000000}, {"16.50", 1650}};
#define NO_LOAD " is not a load (8.0, 0.75)"
    static const struct refusal bad[] = {
        {"", "\"\"" NO_LOAD},
        {"x", "\"x\"" NO_LOAD},
        {".5", "\".5\"" NO_LOAD},
        {"8.", "\"8.\"" NO_LOAD},
        {"8.001", "\"8.001\"" NO_LOAD},
        {"08.0", "\"08.0\"" NO_LOAD},
        {"-1", "\"-1\"" NO_LOAD},
        {"1e3", "\"1e3\"" NO_LOAD},
        {"8,0", "\"8,0\"" NO_LOAD},
        {"0", "\"0\" would let nobody in"},
        {"0.00", "\"0.00\" would let nobody in"},
        {"10001", "10001 is above 10000"},
    };
    unsigned load;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        assert_int_equal(admission_load(good[i].text, &load, NULL), 0);
        assert_int_equal(load, good[i].want);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct err err = ERR_EMPTY;

        assert_int_equal(admission_load(bad[i].text, &load, &err), -1);
        assert_string_equal(err.text, bad[i].why);
    }
}

/* ---- rules ----------------------------------------------------------------------- */

static void a_rule_has_one_canonical_text(void **state)
{
    static const struct {
        const char *text, *canonical;
    } good[] = {
        {"10.0.0.0/8", "10.0.0.0/8"},
        {"192.0.2.1", "192.0.2.1"},
        {"192.0.2.1/32", "192.0.2.1"},
        {"0.0.0.0/0", "0.0.0.0/0"},
        {"::1", "::1"},
        {"::1/128", "::1"},
        {"::/0", "::/0"},
        {"2001:DB8::/32", "2001:db8::/32"},
        {"2001:0db8:0:0:0:0:0:0/32", "2001:db8::/32"},
        {"fe80::/10", "fe80::/10"},
        {"::ffff:192.0.2.1", "192.0.2.1"},
        {"::ffff:c000:201", "192.0.2.1"},
        {"::ffff:10.0.0.0/104", "10.0.0.0/8"},
        {"::ffff:0:0/96", "0.0.0.0/0"},
        {"all", "all"},
        {"local", "local"},
        {"uid:0", "uid:0"},
        {"gid:4294967294", "gid:4294967294"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        char text[ADMISSION_RULE_TEXT], again[ADMISSION_RULE_TEXT];
        struct admission_rule rule;

        assert_int_equal(admission_rule(good[i].text, &rule, NULL), 0);
        assert_string_equal(admission_rule_print(&rule, text), good[i].canonical);
        assert_int_equal(admission_rule(text, &rule, NULL), 0);
        assert_string_equal(admission_rule_print(&rule, again), text);
    }
}

/* D1, D2, D7: a name is never a rule, however much it looks like an address. */
static void d1_d2_d7_names_are_never_asked_for(void **state)
{
#define NO_NAME                                                                          \
    " is neither a network, \"local\", \"all\", \"uid:\" nor \"gid:\": names of hosts "  \
    "are never asked for"
#define NO_NET " is not a network (10.0.0.0/8, 192.0.2.1, 2001:db8::/32)"
    static const struct refusal bad[] = {
        {"localhost", "\"localhost\"" NO_NAME},
        {"www.example.com", "\"www.example.com\"" NO_NAME},
        {".example.com", "\".example.com\"" NO_NAME},
        {"*", "\"*\"" NO_NAME},
        {"127.0.0.1.example.com", "\"127.0.0.1.example.com\"" NO_NAME},
        {"@netgroup", "\"@netgroup\"" NO_NAME},
        {"dead.beef", "\"dead.beef\"" NO_NET},
        {"", "\"\"" NO_NET},
        {"10.0.0.", "\"10.0.0.\"" NO_NET},
        {"10.0.0.1.", "\"10.0.0.1.\"" NO_NET},
        {"10", "\"10\"" NO_NET},
        {"10.0.0.0/8 ", "\"10.0.0.0/8 \" needs a prefix from 0 to 32"},
        {" 10.0.0.0/8", "\" 10.0.0.0/8\"" NO_NAME},
        {"127.0.01", "\"127.0.01\"" NO_NET},
        {"127.000.0.1", "\"127.000.0.1\"" NO_NET},
        {"010.0.0.0/8", "\"010.0.0.0/8\"" NO_NET},
        {"256.0.0.1", "\"256.0.0.1\"" NO_NET},
        {"10.0.0.0-10.0.0.9", "\"10.0.0.0-10.0.0.9\"" NO_NAME},
        {"10.0.0.0/255.0.0.0", "\"10.0.0.0/255.0.0.0\" needs a prefix from 0 to 32"},
        {"[::1]", "\"[::1]\"" NO_NAME},
        {"fe80::1%eth0", "\"fe80::1%eth0\": an interface has no place in a rule"},
        {"Local", "\"Local\" is not a network; did you mean \"local\"?"},
        {"any", "\"any\" is not a network; did you mean \"all\"?"},
        {"al", "\"al\" is not a network; did you mean \"all\"?"},
        {"uid:", "\"uid:\" names no user"},
        {"uid:root", "\"uid:root\" names no user"},
        {"uid:-1", "\"uid:-1\" names no user"},
        {"uid:4294967295", "\"uid:4294967295\" names no user"},
        {"gid:0x1", "\"gid:0x1\" names no group"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct admission_rule rule;
        struct err err = ERR_EMPTY;

        assert_int_equal(admission_rule(bad[i].text, &rule, &err), -1);
        assert_string_equal(err.text, bad[i].why);
    }
}

/* Of an address with all bits set, as many as the prefix says. */
static void ones(unsigned prefix, unsigned bytes, unsigned char *out)
{
    for (unsigned i = 0; i < bytes; i++)
        for (unsigned bit = 0; bit < 8; bit++)
            if (i * 8 + bit < prefix)
                out[i] |= (unsigned char)(0x80u >> bit);
}

static void check_prefix(bool is_ipv4, unsigned prefix)
{
    unsigned char ip[16] = { 0 };
    size_t at;
    char text[64];
    struct admission_rule rule;

    ones(prefix, is_ipv4 ? 4 : 16, ip);
    if (is_ipv4)
        snprintf(text, sizeof(text), "%u.%u.%u.%u/%u", ip[0], ip[1], ip[2], ip[3],
                 prefix);
    else
        snprintf(text, sizeof(text), "%x:%x:%x:%x:%x:%x:%x:%x/%u", ip[0] << 8 | ip[1],
                 ip[2] << 8 | ip[3], ip[4] << 8 | ip[5], ip[6] << 8 | ip[7],
                 ip[8] << 8 | ip[9], ip[10] << 8 | ip[11], ip[12] << 8 | ip[13],
                 ip[14] << 8 | ip[15], prefix);
    assert_int_equal(admission_rule(text, &rule, NULL), 0);
    assert_int_equal(rule.prefix, prefix);
    assert_int_equal(rule.is_ipv4, is_ipv4);
    assert_memory_equal(rule.ip, ip, 16);
    if (prefix == 0)
        return;
    /* One bit fewer, and the last one is behind the prefix. */
    at = strlen(text) - strlen(strrchr(text, '/'));
    snprintf(text + at, sizeof(text) - at, "/%u", prefix - 1);
    assert_int_equal(admission_rule(text, &rule, NULL), -1);
}

static void d4_every_prefix_length_is_read_to_the_bit(void **state)
{
    static const struct refusal bad[] = {
        {"0.0.0.0/33", "\"0.0.0.0/33\" needs a prefix from 0 to 32"},
        {"0.0.0.0/-1", "\"0.0.0.0/-1\" needs a prefix from 0 to 32"},
        {"0.0.0.0/", "\"0.0.0.0/\" needs a prefix from 0 to 32"},
        {"0.0.0.0/00", "\"0.0.0.0/00\" needs a prefix from 0 to 32"},
        {"0.0.0.0/4294967296", "\"0.0.0.0/4294967296\" needs a prefix from 0 to 32"},
        {"::/129", "\"::/129\" needs a prefix from 0 to 128"},
        {"::/-1", "\"::/-1\" needs a prefix from 0 to 128"},
        {"::ffff:10.0.0.0/129", "\"::ffff:10.0.0.0/129\" needs a prefix from 0 to 128"},
        {"10.0.0.1/8", "\"10.0.0.1/8\" has bits behind its prefix; the network is "
                       "\"10.0.0.0/8\""},
        {"2001:db8::1/32",
         "\"2001:db8::1/32\" has bits behind its prefix; the network is "
         "\"2001:db8::/32\""},
        {"::ffff:10.0.0.0/95", "\"::ffff:10.0.0.0/95\" has bits behind its prefix; the "
                               "network is \"::fffe:0:0/95\""},
    };

    (void)state;
    for (unsigned prefix = 0; prefix <= 32; prefix++)
        check_prefix(true, prefix);
    for (unsigned prefix = 0; prefix <= 128; prefix++)
        check_prefix(false, prefix);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct admission_rule rule;
        struct err err = ERR_EMPTY;

        assert_int_equal(admission_rule(bad[i].text, &rule, &err), -1);
        assert_string_equal(err.text, bad[i].why);
    }
}

/* How many addresses a rule takes in, as a power of two. */
static unsigned width(const struct admission_rule *rule)
{
    return (rule->is_ipv4 ? 32u : 128u) - rule->prefix;
}

static void without(const char *text, size_t at, char *out)
{
    memcpy(out, text, at);
    memcpy(out + at, text + at + 1, strlen(text) - at);
}

/*
 * A digit that an address loses is another address, which no syntax could show. But a
 * rule never gets wider: a prefix that loses a digit has bits behind it, unless the
 * address has none there at all (10.0.0.0/28); and a word, a dot or a colon that loses
 * something is nothing.
 */
static void d5_a_character_that_is_lost_never_widens_a_rule(void **state)
{
    static const char *const texts[] = {
        "10.0.0.0/8",       "127.0.0.1",        "127.0.0.0/8",     "172.16.0.0/12",
        "192.168.0.0/16",   "192.168.17.0/24",  "192.0.2.1/32",    "198.51.100.128/25",
        "10.11.12.13",      "100.64.0.0/10",    "169.254.0.0/16",  "::1",
        "::1/128",          "2001:db8::/32",    "2001:db8:7::/48", "fe80::/10",
        "fc00::/7",         "2001:db8::53/128", "64:ff9b::/96",    "::ffff:10.0.0.0/104",
        "2001:db8:0:1::/64"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        for (size_t at = 0; texts[i][at] != '\0'; at++) {
            struct admission_rule rule, less;
            char text[64];

            assert_int_equal(admission_rule(texts[i], &rule, NULL), 0);
            without(texts[i], at, text);
            if (admission_rule(text, &less, NULL) == -1)
                continue;
            if (less.whom != ADMISSION_NET || less.is_everybody ||
                width(&less) > width(&rule))
                fail_msg("%s lost a character and became %s", texts[i], text);
            if (strchr(".", texts[i][at]) != NULL && strchr(texts[i], ':') == NULL)
                fail_msg("%s lost a dot and became %s", texts[i], text);
        }
}

static void d5_words_that_lose_a_character_are_refused(void **state)
{
    static const char *const words[] = {"local", "all", "uid:0", "gid:7"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        for (size_t at = 0; words[i][at] != '\0'; at++) {
            struct admission_rule rule;
            char text[16];

            without(words[i], at, text);
            assert_int_equal(admission_rule(text, &rule, NULL), -1);
        }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rate_is_a_count_in_a_time),
        cmocka_unit_test(a_rate_that_is_none_is_refused),
        cmocka_unit_test(hours_are_minutes_of_the_day),
        cmocka_unit_test(hours_that_are_none_are_refused),
        cmocka_unit_test(a_load_is_kept_in_hundredths),
        cmocka_unit_test(a_rule_has_one_canonical_text),
        cmocka_unit_test(d1_d2_d7_names_are_never_asked_for),
        cmocka_unit_test(d4_every_prefix_length_is_read_to_the_bit),
        cmocka_unit_test(d5_a_character_that_is_lost_never_widens_a_rule),
        cmocka_unit_test(d5_words_that_lose_a_character_are_refused),
    };

    return cmocka_run_group_tests_name("admission", tests, NULL, NULL);
}
