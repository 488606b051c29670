#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <unistd.h>

#define USHER_BUILTIN daytime
#include "../../services/daytime/daytime.c"
#include "support/mock_host.h"

static bool has_zones(void)
{
    return access(ZONE_FILES "Europe/Rome", R_OK) == 0;
}

static void print_at(char *to, size_t room, const struct daytime_conf *conf, time_t when)
{
    struct mock mock;
    struct tm tm;

    assert_int_equal(mock_start(&mock, &usher_service_daytime, conf), 0);
    tm = zone_split(&((struct daytime *)mock.instance.state)->zone, when);
    to[print_time(to, room, conf->format, &tm)] = '\0';
    mock_stop(&mock);
}

static void formats_are_as_documented(void **state)
{
    static const struct {
        const char *format;
        time_t when;
        const char *want;
    } cases[] = {
        { "classic", 1795221720, "Sat Nov 21 00:42:00 2026" },
        { "classic", 1793491200, "Sun Nov  1 00:00:00 2026" },
        { "iso8601", 1795221720, "2026-11-21T00:42:00+00:00" },
        { "%d.%m.%y %Z", 1795221720, "21.11.26 UTC" },
        { "%s%%", 1795221720, "1795221720%" },
    };
    char text[LINE_SIZE];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct daytime_conf conf = { .format = cases[i].format, .timezone = "UTC" };

        setenv("TZ", "UTC", 1);
        print_at(text, sizeof(text), &conf, cases[i].when);
        assert_string_equal(text, cases[i].want);
    }
}

static void agree_at(const struct daytime *daytime, const char *zone, time_t at)
{
    struct tm mine = zone_split(&daytime->zone, at), theirs;

    localtime_r(&at, &theirs);
    if (mine.tm_hour != theirs.tm_hour || mine.tm_min != theirs.tm_min
        || mine.tm_mday != theirs.tm_mday || mine.tm_gmtoff != theirs.tm_gmtoff
        || strcmp(mine.tm_zone, theirs.tm_zone) != 0)
        fail_msg("%s differs at %lld", zone, (long long)at);
}

/* All day long, and in the seconds around every change. */
static void zones_agree_with_the_library(void **state)
{
    static const char *const zones[] = { "UTC",           "Europe/Rome",
                                         "Asia/Kolkata",  "America/New_York",
                                         "Pacific/Apia",  "Africa/Casablanca",
                                         "Europe/Dublin", "Australia/Lord_Howe" };

    (void)state;
    if (!has_zones())
        skip();
    for (size_t i = 0; i < sizeof(zones) / sizeof(zones[0]); i++) {
        struct daytime_conf conf = { .format = "iso8601", .timezone = zones[i] };
        time_t start = time(NULL), end = start + (time_t)39 * 365 * 86400;
        const struct daytime *daytime;
        struct mock mock;

        assert_int_equal(mock_start(&mock, &usher_service_daytime, &conf), 0);
        daytime = mock.instance.state;
        setenv("TZ", zones[i], 1);
        tzset();
        for (time_t at = start; at < end; at += 6 * 3600 - 1)
            agree_at(daytime, zones[i], at);
        for (size_t n = 1; n < daytime->zone.count; n++) {
            agree_at(daytime, zones[i], daytime->zone.offsets[n].since - 1);
            agree_at(daytime, zones[i], daytime->zone.offsets[n].since);
        }
        mock_stop(&mock);
    }
}

static void two_rows_keep_two_zones(void **state)
{
    struct daytime_conf rome = { .format = "%H:%M %Z", .timezone = "Europe/Rome" };
    struct daytime_conf tokyo = { .format = "%H:%M %Z", .timezone = "Asia/Tokyo" };
    struct mock first, second;
    struct tm tm;
    char text[64];

    (void)state;
    if (!has_zones())
        skip();
    setenv("TZ", "America/New_York", 1);
    assert_int_equal(mock_start(&first, &usher_service_daytime, &rome), 0);
    assert_int_equal(mock_start(&second, &usher_service_daytime, &tokyo), 0);
    assert_string_equal(getenv("TZ"), "America/New_York");
    tm = zone_split(&((struct daytime *)first.instance.state)->zone, 1800000000);
    print_time(text, sizeof(text), rome.format, &tm);
    assert_string_equal(text, "09:00 CET");
    tm = zone_split(&((struct daytime *)second.instance.state)->zone, 1800000000);
    print_time(text, sizeof(text), tokyo.format, &tm);
    assert_string_equal(text, "17:00 JST");
    mock_stop(&first);
    mock_stop(&second);
}

static void seconds_count_from_the_epoch_in_every_zone(void **state)
{
    static const char *const zones[] = { NULL, "UTC", "Europe/Rome", "Asia/Kathmandu",
                                         "America/New_York" };
    static const struct {
        const char *format, *want;
    } cases[] = {
        { "%s", "1800000000" },   { "%s%%s%s", "1800000000%s1800000000" },
        { "%Es s", "1800000000 s" }, { "%5s", "1800000000" },
        { "%%%s", "%1800000000" }, { "%Y%s%", "20271800000000%" },
    };
    char text[LINE_SIZE];

    (void)state;
    if (!has_zones())
        skip();
    for (size_t i = 0; i < sizeof(zones) / sizeof(zones[0]); i++)
        for (size_t n = 0; n < sizeof(cases) / sizeof(cases[0]); n++) {
            struct daytime_conf conf = { .format = cases[n].format,
                                         .timezone = zones[i] };

            setenv("TZ", "Asia/Tokyo", 1);
            print_at(text, sizeof(text), &conf, 1800000000);
            assert_string_equal(text, cases[n].want);
        }
}

static void a13_a_caller_gets_one_line_and_the_end(void **state)
{
    struct daytime_conf conf = { .format = "classic" };
    struct mock mock;

    (void)state;
    assert_int_equal(mock_start(&mock, &usher_service_daytime, &conf), 0);
    mock_connect(&mock);
    assert_true(mock_is_gone(&mock));
    assert_int_equal(mock.reason, USHER_GONE_ENDED);
    assert_int_equal(mock.out.count, 26);
    assert_string_equal(mock.out.at + 24, "\r\n");
    mock_datagram(&mock, "", 0);
    assert_int_equal(mock.replies, 1);
    assert_int_equal(mock.reply_count, 26);
    mock_stop(&mock);
}

static void check_says_what_is_wrong(void **state)
{
    static const struct {
        struct daytime_conf conf;
        const char *want; /* NULL: good */
    } cases[] = {
        { { "classic", NULL }, NULL },
        { { "iso8601", "UTC" }, NULL },
        { { "%p", NULL }, NULL },
        { { "classic", "Europe/Nowhere" },
          "timezone: there is no \"Europe/Nowhere\" in /usr/share/zoneinfo/" },
        { { "classic", "Europe" },
          "timezone: there is no \"Europe\" in /usr/share/zoneinfo/" },
        { { "classic", "zone.tab" },
          "timezone: there is no \"zone.tab\" in /usr/share/zoneinfo/" },
        { { "classic", "Europe/" },
          "timezone: there is no \"Europe/\" in /usr/share/zoneinfo/" },
        { { "classic", "../../../etc/passwd" },
          "timezone: there is no \"../../../etc/passwd\" in /usr/share/zoneinfo/" },
        { { "classic", "/etc/localtime" },
          "timezone: there is no \"/etc/localtime\" in /usr/share/zoneinfo/" },
        { { "%c%c%c%c%c%c%c%c%c%c", NULL },
          "format: gives no text, or more than 127 bytes" },
        { { "%n%n%", NULL }, NULL },
    };
    char error[128];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int result = daytime_check(&cases[i].conf, error, sizeof(error));

        assert_int_equal(result, cases[i].want == NULL ? 0 : -1);
        if (cases[i].want != NULL)
            assert_string_equal(error, cases[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats_are_as_documented),
        cmocka_unit_test(seconds_count_from_the_epoch_in_every_zone),
        cmocka_unit_test(zones_agree_with_the_library),
        cmocka_unit_test(two_rows_keep_two_zones),
        cmocka_unit_test(a13_a_caller_gets_one_line_and_the_end),
        cmocka_unit_test(check_says_what_is_wrong),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
