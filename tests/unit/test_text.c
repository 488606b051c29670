#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "ctl/text.h"

static const struct {
    int64_t number;
    const char *count, *bytes;
} numbers[] = {
    { 0, "0", "0" },
    { 999, "999", "999" },
    { 1000, "1000", "1.0k" },
    { 99999, "99999", "97.7k" },
    { 100000, "100k", "97.7k" },
    { 1048576, "1.0M", "1.0M" },
    { 999999999, "1.0G", "954M" },
    { INT64_MAX, "9.2E", "8.0E" },
};

static void numbers_have_five_columns(void **state)
{
    char text[32];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        assert_string_equal(text_count(text, sizeof(text), numbers[i].number),
                            numbers[i].count);
        assert_string_equal(text_bytes(text, sizeof(text), numbers[i].number),
                            numbers[i].bytes);
    }
}

static const struct {
    int64_t ms;
    const char *text;
} times[] = {
    { 0, "0.0s" },          { 249, "0.2s" },        { 9999, "9.9s" },
    { 10000, "10s" },       { 59999, "59s" },       { 60000, "1m 0s" },
    { 3599999, "59m 59s" }, { 3600000, "1h 0m" },   { 86399999, "23h 59m" },
    { 86400000, "1d 0h" },  { 1000LL * 86400 * 400 + 3 * 3600000, "400d 3h" },
};

static void times_have_two_units(void **state)
{
    char text[32];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(times); i++)
        assert_string_equal(text_time(text, sizeof(text), times[i].ms), times[i].text);
}

static void e12_texts_of_others_are_escaped(void **state)
{
    char text[TEXT_ROOM], small[12];

    (void)state;
    assert_string_equal(text_safe(text, "a\033[2J\nb\\\xff"), "a\\x1b[2J\\x0ab\\\\\\xff");
    assert_string_equal(text_safe(text, NULL), "");
    assert_string_equal(text_safe_in(small, sizeof(small), "a long, long text"),
                        "a long, ...");
}

static void programs_get_utc(void **state)
{
    char text[TEXT_DATE];

    (void)state;
    assert_string_equal(text_date(text, 1795266000, true), "2026-11-21T13:00:00Z");
    assert_string_equal(text_date(text, INT64_MAX, true), "?");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_have_five_columns),
        cmocka_unit_test(times_have_two_units),
        cmocka_unit_test(e12_texts_of_others_are_escaped),
        cmocka_unit_test(programs_get_utc),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
