#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define USHER_BUILTIN chargen
#include "../../services/chargen/chargen.c"
#include "support/mock_host.h"

/* What stands at a place of the endless stream, by the RFC and not by our table. */
static char pattern_at(size_t at)
{
    size_t line = at / 74, column = at % 74;

    if (column == 72)
        return '\r';
    return column == 73 ? '\n' : (char)(' ' + (line + column) % 95);
}

static void check_stream(const char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (bytes[i] != pattern_at(i))
            fail_msg("byte %zu is %d", i, bytes[i]);
}

static void a13_the_first_lines_are_those_of_the_rfc(void **state)
{
    static const char want[] =
        " !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefg\r\n"
        "!\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefgh\r\n"
        "\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghi\r\n";
    struct mock mock;

    (void)state;
    assert_int_equal(mock_start(&mock, &usher_service_chargen, NULL), 0);
    mock.window = 100;
    mock_connect(&mock);
    assert_memory_equal(mock.out.at, want, sizeof(want) - 1);
    mock_stop(&mock);
}

static void a_slow_reader_gets_the_pattern_without_a_gap(void **state)
{
    struct mock mock;

    (void)state;
    assert_int_equal(mock_start(&mock, &usher_service_chargen, NULL), 0);
    mock.window = 100;
    mock_connect(&mock);
    for (int i = 0; i < 1000; i++)
        mock_read(&mock, 997);
    assert_false(mock_is_gone(&mock));
    assert_true(mock.out.count > 900000);
    check_stream(mock.out.at, mock.out.count);
    mock_stop(&mock);
}

static void a_caller_that_never_reads_costs_one_write(void **state)
{
    struct mock mock;

    (void)state;
    assert_int_equal(mock_start(&mock, &usher_service_chargen, NULL), 0);
    mock.window = 0;
    mock_connect(&mock);
    assert_int_equal(mock.out.count, PATTERN_SIZE);
    assert_int_equal(mock.timer_ms, -1);
    mock_send(&mock, "noise", 5);
    mock_finish(&mock);
    assert_int_equal(mock.out.count, PATTERN_SIZE);
    assert_false(mock_is_gone(&mock));
    mock_reset(&mock);
    mock_stop(&mock);
}

static void a_caller_that_reads_at_once_gets_a_share_of_each_turn(void **state)
{
    struct mock mock;

    (void)state;
    assert_int_equal(mock_start(&mock, &usher_service_chargen, NULL), 0);
    mock_connect(&mock);
    for (size_t turn = 1; turn < 5; turn++) {
        assert_int_equal(mock.out.count, turn * WRITES * PATTERN_SIZE);
        assert_int_equal(mock.timer_ms, 0);
        mock_expire(&mock);
    }
    check_stream(mock.out.at, mock.out.count);
    mock_stop(&mock);
}

static void what_the_caller_sends_changes_nothing(void **state)
{
    struct mock mock;

    (void)state;
    assert_int_equal(mock_start(&mock, &usher_service_chargen, NULL), 0);
    mock_connect(&mock);
    mock_send(&mock, "stop it\r\n", 9);
    mock_finish(&mock);
    assert_false(mock_is_gone(&mock));
    mock_expire(&mock);
    check_stream(mock.out.at, mock.out.count);
    mock_stop(&mock);
}

static void a_datagram_has_0_to_512_bytes_of_the_pattern(void **state)
{
    size_t shortest = DATAGRAM_MAX, longest = 0;
    struct mock mock;

    (void)state;
    assert_int_equal(mock_start(&mock, &usher_service_chargen, NULL), 0);
    for (int i = 0; i < 20000; i++) {
        size_t line;

        mock_datagram(&mock, "", 0);
        assert_int_equal(mock.replies, 1);
        assert_true(mock.reply_count <= 512);
        shortest = mock.reply_count < shortest ? mock.reply_count : shortest;
        longest = mock.reply_count > longest ? mock.reply_count : longest;
        line = mock.reply_count > 0 ? (size_t)(mock.reply[0] - ' ') : 0;
        for (size_t n = 0; n < mock.reply_count; n++)
            assert_int_equal(mock.reply[n], pattern_at(line * 74 + n));
    }
    assert_true(shortest < 5 && longest > 507);
    mock_stop(&mock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a13_the_first_lines_are_those_of_the_rfc),
        cmocka_unit_test(a_slow_reader_gets_the_pattern_without_a_gap),
        cmocka_unit_test(a_caller_that_never_reads_costs_one_write),
        cmocka_unit_test(a_caller_that_reads_at_once_gets_a_share_of_each_turn),
        cmocka_unit_test(what_the_caller_sends_changes_nothing),
        cmocka_unit_test(a_datagram_has_0_to_512_bytes_of_the_pattern),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
