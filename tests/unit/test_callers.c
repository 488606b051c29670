/* The keys of admission in a table: what they become, which rows may have them, and that
 * no lost character opens a service. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "support/build_plan.h"
#include "support/slow.h"

#include "base/addr.h"
#include "base/mem.h"
#include "conf/planwire.h"
#include "flow/access.h"

/* ---- tables ---------------------------------------------------------------------- */

static struct plan *carry(const struct plan *plan)
{
    struct record_out out = RECORD_OUT_EMPTY;
    struct err err = ERR_EMPTY;
    struct plan *copy;

    planwire_print(&out, plan);
    copy = planwire_parse(out.bytes, out.length, &err);
    record_out_free(&out);
    if (copy == NULL)
        fail_msg("%s", err.text);
    return copy;
}

/* ---- what becomes of them -------------------------------------------------------- */

static void rules_are_canonical_and_travel(void **state)
{
    struct plan *plan = build_good_plan(
        "services: { s: { plugin = \"echo\"; listen = [ \"tcp://:7\", \"unix:///x\" ];\n"
        "  allow = [ \"::FFFF:10.0.0.0/104\", \"uid:root\", \"2001:DB8:0::/32\" ];\n"
        "  deny = \"gid:root\"; rate = \"5/s:9\"; rate_per_source = \"1/m\";\n"
        "  on_limit = \"refuse\"; max_load = \"8.0\"; hours = \"08:00-18:00\";\n"
        "  max_per_source = 3; banner = \"hello\\r\\n\"; banner_busy = \"\\xff\"; }; };");
    struct plan *copy = carry(plan);
    const struct plan_service *service = &copy->services[0];

    (void)state;
    assert_int_equal(service->allow.count, 3);
    assert_string_equal(service->allow.at[0], "10.0.0.0/8");
    assert_string_equal(service->allow.at[1], "uid:0");
    assert_string_equal(service->allow.at[2], "2001:db8::/32");
    assert_int_equal(service->deny.count, 1);
    assert_string_equal(service->deny.at[0], "gid:0");
    assert_string_equal(service->rate, "5/s:9");
    assert_string_equal(service->rate_per_source, "1/m");
    assert_int_equal(service->on_limit, PLAN_ON_LIMIT_REFUSE);
    assert_string_equal(service->max_load, "8.0");
    assert_string_equal(service->hours.at[0], "08:00-18:00");
    assert_int_equal(service->max_per_source, 3);
    assert_string_equal(service->banner, "hello\r\n");
    assert_null(service->banner_denied);
    assert_string_equal(service->banner_busy, "\xff");
    plan_free(&plan);
    plan_free(&copy);
}

/* As many as a table has room for; a record of a row alone would hold a thousand. */
static void a_table_full_of_rules_becomes_a_plan(void **state)
{
    /* libconfig lengthens its list one by one. */
    const unsigned rules = slow_count(70000);
    size_t room = 1024 * 1024, used;
    char *bytes = mem_new(room);
    struct plan *plan, *copy;

    (void)state;
    used = (size_t)snprintf(bytes, room,
                            "services: { s: { plugin = \"echo\"; "
                            "listen = \"tcp://:7\"; deny = [");
    for (unsigned i = 0; i < rules; i++)
        used += (size_t)snprintf(bytes + used, room - used, "%s\"1.%u.%u.%u\"",
                                 i > 0 ? "," : "", i >> 14 & 127, i >> 7 & 127, i & 127);
    used += (size_t)snprintf(bytes + used, room - used, "]; }; };");
    assert_true(used < room);
    plan = build_good_plan(bytes);
    copy = carry(plan);
    assert_int_equal(copy->services[0].deny.count, rules);
    assert_string_equal(copy->services[0].deny.at[rules - 1],
                        plan->services[0].deny.at[rules - 1]);
    plan_free(&plan);
    plan_free(&copy);
    mem_free(&bytes);
}

/* Nothing that the reader says is believed. */
static void a_plan_with_bad_texts_is_refused(void **state)
{
    static const struct {
        const char *was, *is, *want;
    } table[] = {
        {"rule=10.0.0.0/8", "rule=10.0.0.1/8", "bits behind its prefix"},
        {"rule=10.0.0.0/8", "rule=uid:root", "names no user"},
        {"rule=10.0.0.0/8", "role=10.0.0.0/8", "unknown field role"},
        {"list=allow", "list=other", "list: none of ours"},
        {"list=allow", "list=name", "list: none of ours"},
        {"rate=5/s", "rate=5/d", "is not a rate"},
        {"max_load=8.0", "max_load=x.0", "is not a load"},
        {"hours=08:00-18:00", "hours=08:00-28:00", "is not a time of the day"},
        {"max_per_source=3", "allow=10.0.0.0/8", "allow: not expected here"},
    };
    struct plan *plan = build_good_plan("services: { s: { plugin = \"echo\"; listen = "
                                   "\"tcp://:7\"; allow = \"10.0.0.0/8\";\n"
                                   "  rate = \"5/s\"; max_load = \"8.0\"; hours = "
                                   "\"08:00-18:00\"; max_per_source = 3;\n"
                                   "}; };");
    struct record_out out = RECORD_OUT_EMPTY;

    (void)state;
    planwire_print(&out, plan);
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        const char *at = strstr(out.bytes, table[i].was);
        struct err err = ERR_EMPTY;
        char *text;

        assert_non_null(at);
        text = mem_print("%.*s%s%s", (int)(at - out.bytes), out.bytes, table[i].is,
                         at + strlen(table[i].was));
        assert_null(planwire_parse(text, strlen(text), &err));
        if (strstr(err.text, table[i].want) == NULL)
            fail_msg("want: %s; got: %s", table[i].want, err.text);
        mem_free(&text);
    }
    record_out_free(&out);
    plan_free(&plan);
}

/* ---- D6: rows that cannot keep what the table says ------------------------------- */

static void d6_what_nobody_could_enforce_is_refused(void **state)
{
    static const char *const keys[] = {
        "allow = \"10.0.0.0/8\"", "deny = \"10.0.0.0/8\"",     "max_per_source = 3",
        "rate = \"5/s\"",         "rate_per_source = \"5/s\"", "on_limit = \"refuse\"",
        "max_load = \"8.0\"",     "hours = \"08:00-18:00\"",   "banner = \"x\"",
        "banner_busy = \"x\"",    "banner_denied = \"x\"",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        struct mistakes mistakes = { 0 };
        char text[256], want[64];

        snprintf(
            text, sizeof(text),
            "services: { s: { exec = \"/bin/cat\"; wait = true; listen = \"tcp://:7\";\n"
            "%s; }; };",
            keys[i]);
        snprintf(want, sizeof(want), "t.conf:2: %.*s: is not for wait rows",
                 (int)strcspn(keys[i], " "), keys[i]);
        assert_null(build_plan(text, &mistakes));
        assert_int_equal(mistakes.count, 1);
        if (strncmp(mistakes.at[0], want, strlen(want)) != 0)
            fail_msg("want: %s; got: %s", want, mistakes.at[0]);
        mistakes_free(&mistakes);
    }
}

static void d6_defaults_that_do_not_hold_are_warned_of(void **state)
{
    struct mistakes mistakes = { 0 };
    struct plan *plan =
        build_plan("defaults: { allow = \"10.0.0.0/8\"; hours = \"08:00-18:00\"; rate = "
              "\"5/s\"; };\n"
              "services: {\n"
              "  w: { exec = \"/bin/cat\"; wait = true; listen = \"tcp://:7\"; };\n"
              "  s: { plugin = \"echo\"; listen = \"tcp://:9\"; };\n"
              "};",
              &mistakes);

    (void)state;
    assert_non_null(plan);
    assert_int_equal(plan_find(plan, "w")->allow.count, 0);
    assert_null(plan_find(plan, "w")->rate);
    assert_int_equal(plan_find(plan, "s")->allow.count, 1);
    assert_string_equal(plan_find(plan, "s")->rate, "5/s");
    assert_int_equal(mistakes.warning_count, 2);
    assert_string_equal(
        mistakes.warnings[0],
        "t.conf:1: allow: does not hold for service w, a wait row, which takes "
        "its callers itself");
    plan_free(&plan);
    mistakes_free(&mistakes);
}

/* ---- D5 -------------------------------------------------------------------------- */

static bool lets_in(const struct plan *plan, const char *host)
{
    const struct plan_service *service = &plan->services[0];
    struct usher_address addr;
    struct access *access;
    struct peer peer;
    bool may;

    if (plan->service_count == 0 || !service->enabled)
        return false;
    assert_int_equal(access_new(&service->allow, &service->deny, &access, NULL), 0);
    assert_int_equal(addr_parse_host(host, &addr, NULL), 0);
    peer_set(&peer, &addr.storage, addr.length);
    may = access_allows(access, &(struct access_caller){ .peer = &peer }, NULL);
    access_free(&access);
    return may;
}

/* Whoever it is that comes from none of the networks, and from none that a lost digit
 * makes. */
static void d5_no_character_that_is_lost_opens_the_service(void **state)
{
    static const char table[] =
        "services: { s: { plugin = \"echo\"; listen = [ \"tcp://:7\", \"unix:///x\" ];\n"
        "  allow = [ \"10.0.0.0/8\", \"192.168.17.0/24\", \"local\", \"uid:42\",\n"
        "            \"2001:db8::/32\", \"198.51.100.77\" ];\n"
        "  deny = ( \"10.9.0.0/16\" ); }; };";
    static const char *const strangers[] = {"8.8.8.8",      "203.0.113.9", "172.16.5.5",
                                            "2a00::1",      "fe80::1",     "192.168.18.1",
                                            "198.51.100.9", "::",          "2001:db9::"};
    unsigned refused = 0;

    (void)state;
    for (size_t at = 0; at < sizeof(table) - 1; at++) {
        struct mistakes mistakes = { 0 };
        char text[sizeof(table)];
        struct plan *plan;

        memcpy(text, table, at);
        memcpy(text + at, table + at + 1, sizeof(table) - at - 1);
        plan = build_plan(text, &mistakes);
        refused += plan == NULL;
        for (size_t i = 0; plan != NULL && i < ARRAY_LEN(strangers); i++)
            if (lets_in(plan, strangers[i]))
                fail_msg("without byte %zu %s may come in: %s", at, strangers[i], text);
        plan_free(&plan);
        mistakes_free(&mistakes);
    }
    assert_true(refused > sizeof(table) / 2);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_are_canonical_and_travel),
        cmocka_unit_test(a_table_full_of_rules_becomes_a_plan),
        cmocka_unit_test(a_plan_with_bad_texts_is_refused),
        cmocka_unit_test(d6_what_nobody_could_enforce_is_refused),
        cmocka_unit_test(d6_defaults_that_do_not_hold_are_warned_of),
        cmocka_unit_test(d5_no_character_that_is_lost_opens_the_service),
    };

    return cmocka_run_group_tests_name("callers", tests, NULL, NULL);
}
