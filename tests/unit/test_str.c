/* Texts and numbers: what is read, what is refused, and that printing is its mirror. */
#include "base/str.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"

/* The same numbers every time. */
static uint64_t random_state = 88172645463325252u;

static uint64_t random_number(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static void e3_building_stops_at_the_room(void **state)
{
    char buffer[8];
    struct str text;

    (void)state;
    str_init(&text, buffer, sizeof buffer);
    assert_string_equal(text.at, "");
    str_add(&text, "%s%d", "ab", 1);
    str_add_bytes(&text, "cdefg", 2);
    assert_string_equal(buffer, "ab1cd");
    assert_int_equal(text.length, 5);
    assert_false(text.is_cut);
    str_add(&text, "%s", "12");
    assert_false(text.is_cut);
    str_add(&text, "%s", "3");
    assert_true(text.is_cut);
    assert_string_equal(buffer, "ab1cd12");
    str_add_bytes(&text, "x", 1);
    str_add_bytes(&text, NULL, 0);
    assert_string_equal(buffer, "ab1cd12");
    assert_int_equal(text.length, 7);
}

static void bytes_that_do_not_fit_are_cut(void **state)
{
    char buffer[4];
    struct str text;

    (void)state;
    str_init(&text, buffer, sizeof buffer);
    str_add_bytes(&text, "abcdef", 6);
    assert_string_equal(buffer, "abc");
    assert_true(text.is_cut);
}

static void copying_cuts_and_says_so(void **state)
{
    static const struct {
        const char *text, *want;
        size_t room;
        bool fits;
    } cases[] = {
        {"abc", "abc", 4, true},
        {"abc", "ab", 3, false},
        {"", "", 1, true},
        {"a", "", 1, false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char out[8] = "zzzzzzz";

        assert_int_equal(str_copy(out, cases[i].room, cases[i].text), cases[i].fits);
        assert_string_equal(out, cases[i].want);
    }
    assert_false(str_copy(NULL, 0, "a"));
}

static void beginnings_and_printable_texts_are_seen(void **state)
{
    (void)state;
    assert_true(str_starts("unix:/a", "unix:"));
    assert_true(str_starts("a", ""));
    assert_false(str_starts("uni", "unix:"));
    assert_true(str_is_printable("a b~"));
    assert_true(str_is_printable(""));
    assert_false(str_is_printable("a\n"));
    assert_false(str_is_printable("\x7f"));
    assert_false(str_is_printable("\xc3\xa4"));
}

static void what_a_terminal_may_be_shown_is_whole_utf_8(void **state)
{
    static const char *const good[] = {
        "",
        "a b~",
        "\xc3\xb6\xc3\x9f",
        "\xc2\xa0",
        "\xe0\xa0\x80 \xed\x9f\xbf \xef\xbf\xbf",
        "\xf0\x90\x80\x80 \xf4\x8f\xbf\xbf",
    };
    static const char *const bad[] = {
        "a\n",
        "\x1b[31m",
        "\x7f",
        "\xc2\x9b", /* the same as ESC [ to some terminals, and so is the next one */
        "\x9b",
        "\xc3",
        "\xc0\xaf",
        "\xe0\x80\xaf",
        "\xe2\x82",
        "\xed\xa0\x80", /* half of a pair of UTF-16 */
        "\xf4\x90\x80\x80",
        "\xf8\x88\x80\x80\x80",
        "\xff",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        assert_true(str_is_readable(good[i]));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (str_is_readable(bad[i]))
            fail_msg("bad text %zu", i);
}

static void e18_whole_numbers_are_read_within_their_range(void **state)
{
    static const struct {
        const char *text;
        int64_t min, max, want;
    } cases[] = {
        {"0", 0, 0, 0},
        {"7", 0, 65535, 7},
        {"65535", 0, 65535, 65535},
        {"-1", -1, 1, -1},
        {"9223372036854775807", 0, INT64_MAX, INT64_MAX},
        {"-9223372036854775808", INT64_MIN, 0, INT64_MIN},
        {"-9223372036854775807", INT64_MIN, 0, -INT64_MAX},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t number = 99;

        assert_int_equal(str_to_int(cases[i].text, cases[i].min, cases[i].max, &number),
                         0);
        assert_true(number == cases[i].want);
    }
}

static void e18_what_is_no_number_is_refused(void **state)
{
    static const struct {
        const char *text;
        int64_t min, max;
    } cases[] = {
        {"", 0, 9},
        {"-", -9, 9},
        {"-0", -9, 9},
        {"--1", -9, 9},
        {"+1", 0, 9},
        {" 1", 0, 9},
        {"1 ", 0, 9},
        {"01", 0, 9},
        {"00", 0, 9},
        {"-01", -9, 9},
        {"0x1", 0, 9},
        {"1e1", 0, 99},
        {"-1", 0, 9},
        {"10", 0, 9},
        {"-10", -9, 9},
        {"1", 2, 9},
        {"9223372036854775808", INT64_MIN, INT64_MAX},
        {"-9223372036854775809", INT64_MIN, INT64_MAX},
        {"18446744073709551615", INT64_MIN, INT64_MAX},
        {"18446744073709551617", INT64_MIN, INT64_MAX},
        {"-18446744073709551617", INT64_MIN, INT64_MAX},
        {"99999999999999999999999999999999", INT64_MIN, INT64_MAX},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t number = 99;

        if (str_to_int(cases[i].text, cases[i].min, cases[i].max, &number) != -1)
            fail_msg("\"%s\" was read as %" PRId64, cases[i].text, number);
        assert_int_equal(number, 99);
    }
}

static void sizes_are_read_and_printed_shortest(void **state)
{
    static const struct {
        const char *text, *shortest;
        uint64_t bytes;
    } cases[] = {
        {"0", "0", 0},
        {"512", "512", 512},
        {"1023", "1023", 1023},
        {"1024", "1k", 1024},
        {"64k", "64k", 65536},
        {"1024k", "1M", 1048576},
        {"1M", "1M", 1048576},
        {"2G", "2G", UINT64_C(2) << 30},
        {"0G", "0", 0},
        {"1536k", "1536k", 1572864},
        {"17179869183G", "17179869183G", UINT64_C(17179869183) << 30},
        {"18446744073709551615", "18446744073709551615", UINT64_MAX},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint64_t bytes = 99;
        char out[32];

        assert_int_equal(str_to_size(cases[i].text, &bytes), 0);
        assert_true(bytes == cases[i].bytes);
        assert_string_equal(str_size(out, sizeof out, bytes), cases[i].shortest);
    }
}

static void what_is_no_size_is_refused(void **state)
{
    static const char *const cases[] = {
        "",
        "k",
        "-1",
        "1K",
        "1m",
        "1g",
        "1kb",
        "1 k",
        "01k",
        "1.5M",
        "none",
        "1T",
        "0x10",
        "1k ",
        " 1k",
        "17179869184G",
        "18446744073709551616",
        "18014398509481984k",
        "17592186044416M",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint64_t bytes = 99;

        if (str_to_size(cases[i], &bytes) != -1)
            fail_msg("\"%s\" was read as %" PRIu64, cases[i], bytes);
        assert_true(bytes == 99);
    }
}

static void durations_are_read_and_printed_shortest(void **state)
{
    static const struct {
        const char *text, *shortest;
        int64_t ms;
    } cases[] = {
        {"0s", "0s", 0},
        {"0ms", "0s", 0},
        {"500ms", "500ms", 500},
        {"1000ms", "1s", 1000},
        {"1500ms", "1500ms", 1500},
        {"30s", "30s", 30000},
        {"90s", "90s", 90000},
        {"60s", "1m", 60000},
        {"5m", "5m", 300000},
        {"120m", "2h", 7200000},
        {"2h", "2h", 7200000},
        {"none", "none", -1},
        {"2562047788015h", "2562047788015h", INT64_C(9223372036854000000)},
        {"9223372036854775807ms", "9223372036854775807ms", INT64_MAX},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t ms = 99;
        char out[32];

        assert_int_equal(str_to_duration(cases[i].text, &ms), 0);
        assert_true(ms == cases[i].ms);
        assert_string_equal(str_duration(out, sizeof out, ms), cases[i].shortest);
    }
}

static void what_is_no_duration_is_refused(void **state)
{
    static const char *const cases[] = {
        "",
        "30",
        "s",
        "ms",
        "-1s",
        "1S",
        "1d",
        "1.5s",
        "1 s",
        " 1s",
        "1s ",
        "01s",
        "1sm",
        "None",
        "1h30m",
        "never",
        "9223372036854775808ms",
        "2562047788016h",
        "18446744073709551616ms",
        "99999999999999999999999s",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t ms = 99;

        if (str_to_duration(cases[i], &ms) != -1)
            fail_msg("\"%s\" was read as %" PRId64, cases[i], ms);
        assert_true(ms == 99);
    }
}

static void modes_are_octal_with_a_leading_zero(void **state)
{
    static const struct {
        const char *text;
        unsigned want;
    } good[] = {
        {"0660", 0660}, {"022", 022}, {"07777", 07777}, {"0", 0}, {"0000", 0},
    };
    static const char *const bad[] = {"",      "660",    "8",     "0668",
                                      "0o660", "010000", "0 60",  "-0660",
                                      "0x1f",  "00660a", "000660"};
    unsigned mode = 99;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        assert_int_equal(str_to_mode(good[i].text, &mode), 0);
        assert_int_equal(mode, good[i].want);
    }
    mode = 99;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (str_to_mode(bad[i], &mode) != -1)
            fail_msg("\"%s\" was read as %o", bad[i], mode);
    assert_int_equal(mode, 99);
}

static void every_printed_number_is_read_again(void **state)
{
    (void)state;
    for (int i = 0; i < 20000; i++) {
        uint64_t size = random_number() >> (random_number() % 64), size_again;
        int64_t ms = (int64_t)(size >> 1), ms_again, number_again;
        char out[32];

        assert_int_equal(str_to_size(str_size(out, sizeof out, size), &size_again), 0);
        assert_true(size == size_again);
        assert_int_equal(str_to_duration(str_duration(out, sizeof out, ms), &ms_again),
                         0);
        assert_true(ms == ms_again);
        snprintf(out, sizeof out, "%" PRId64, (int64_t)size);
        assert_int_equal(str_to_int(out, INT64_MIN, INT64_MAX, &number_again), 0);
        assert_true((int64_t)size == number_again);
    }
}

static void e3_random_texts_never_pass_for_something_else(void **state)
{
    static const char letters[] = "0123456789kMGmsh-none ";

    (void)state;
    for (int i = 0; i < 20000; i++) {
        char text[8], out[32];
        size_t length = random_number() % sizeof text;
        uint64_t size;
        int64_t number;

        for (size_t n = 0; n < length; n++)
            text[n] = letters[random_number() % (sizeof letters - 1)];
        text[length] = '\0';
        if (str_to_int(text, INT64_MIN, INT64_MAX, &number) == 0) {
            snprintf(out, sizeof out, "%" PRId64, number);
            assert_string_equal(out, text);
        }
        if (str_to_size(text, &size) == 0)
            assert_int_equal(strspn(text, "0123456789") + (strpbrk(text, "kMG") != NULL),
                             length);
    }
}

static void the_nearest_word_is_found(void **state)
{
    static const char *const keys[] = {"listen", "plugin", "exec", "mode", "user", NULL};
    static const struct {
        const char *word, *want;
    } cases[] = {
        {"listn", "listen"},  {"lisetn", "listen"}, {"plugins", "plugin"},
        {"exce", "exec"},     {"mode", "mode"},     {"usr", "user"},
        {"moed", "mode"},     {"banner", NULL},     {"", NULL},
        {"completely", NULL},
    };
    static const char *const none[] = { NULL };
    char long_word[200];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *nearest = str_nearest(cases[i].word, keys);

        if (cases[i].want == NULL)
            assert_null(nearest);
        else
            assert_string_equal(nearest, cases[i].want);
    }
    assert_null(str_nearest("a", none));
    memset(long_word, 'a', sizeof long_word - 1);
    long_word[sizeof long_word - 1] = '\0';
    assert_null(str_nearest(long_word, keys));
    assert_null(str_nearest("aaaa", (const char *const[]){long_word, NULL}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(e3_building_stops_at_the_room),
        cmocka_unit_test(bytes_that_do_not_fit_are_cut),
        cmocka_unit_test(copying_cuts_and_says_so),
        cmocka_unit_test(beginnings_and_printable_texts_are_seen),
        cmocka_unit_test(what_a_terminal_may_be_shown_is_whole_utf_8),
        cmocka_unit_test(e18_whole_numbers_are_read_within_their_range),
        cmocka_unit_test(e18_what_is_no_number_is_refused),
        cmocka_unit_test(sizes_are_read_and_printed_shortest),
        cmocka_unit_test(what_is_no_size_is_refused),
        cmocka_unit_test(durations_are_read_and_printed_shortest),
        cmocka_unit_test(what_is_no_duration_is_refused),
        cmocka_unit_test(modes_are_octal_with_a_leading_zero),
        cmocka_unit_test(every_printed_number_is_read_again),
        cmocka_unit_test(e3_random_texts_never_pass_for_something_else),
        cmocka_unit_test(the_nearest_word_is_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
