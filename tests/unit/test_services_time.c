#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define USHER_BUILTIN time
#include "../../services/time/time.c"
#include "support/mock_host.h"

static void f16_the_seconds_are_right_through_2036_and_2038(void **state)
{
    static const struct {
        int64_t since_1970;
        unsigned char want[TIME_SIZE];
    } cases[] = {
        { -3506716800, { 0xb2, 0xa6, 0x3e, 0x00 } }, /* the RFC's 17 November 1858 */
        { -2208988800, { 0x00, 0x00, 0x00, 0x00 } }, /* 1 January 1900 */
        { -1, { 0x83, 0xaa, 0x7e, 0x7f } },
        { 0, { 0x83, 0xaa, 0x7e, 0x80 } }, /* the RFC's 2,208,988,800 */
        { 189302400, { 0x8e, 0xf3, 0x05, 0x00 } }, /* its 2,398,291,200: 1976 */
        { 315532800, { 0x96, 0x79, 0x24, 0x80 } }, /* its 2,524,521,600: 1980 */
        { 420595200, { 0x9c, 0xbc, 0x44, 0x80 } }, /* its 2,629,584,000: 1 May 1983 */
        { 1795221720, { 0xee, 0xab, 0x67, 0x58 } }, /* 21 November 2026, 00:42:00 */
        { 2085978495, { 0xff, 0xff, 0xff, 0xff } }, /* 7 February 2036, 06:28:15 */
        { 2085978496, { 0x00, 0x00, 0x00, 0x00 } },
        { 2085978497, { 0x00, 0x00, 0x00, 0x01 } },
        { 2147483647, { 0x03, 0xaa, 0x7e, 0x7f } }, /* 19 January 2038, 03:14:07 */
        { 2147483648, { 0x03, 0xaa, 0x7e, 0x80 } },
        { 4294967295, { 0x83, 0xaa, 0x7e, 0x7f } },
        { 6380945791, { 0xff, 0xff, 0xff, 0xff } }, /* the next turn's end */
        { 6380945792, { 0x00, 0x00, 0x00, 0x00 } },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        unsigned char bytes[TIME_SIZE];

        print_seconds(bytes, cases[i].since_1970);
        assert_memory_equal(bytes, cases[i].want, TIME_SIZE);
    }
}

static uint32_t now(void)
{
    return (uint32_t)((uint64_t)time(NULL) + 2208988800u);
}

static bool is_between(uint32_t since, const void *bytes)
{
    const unsigned char *at = bytes;
    uint32_t told =
        (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];

    return told - since <= now() - since;
}

static void a13_a_caller_gets_four_bytes_and_the_end(void **state)
{
    uint32_t since = now();
    struct mock mock;

    (void)state;
    assert_int_equal(mock_start(&mock, &usher_service_time, NULL), 0);
    mock_connect(&mock);
    assert_int_equal(mock.reason, USHER_GONE_ENDED);
    assert_int_equal(mock.out.count, 4);
    assert_true(is_between(since, mock.out.at));
    mock_stop(&mock);
}

static void any_datagram_asks(void **state)
{
    static const size_t sizes[] = { 0, 1, 4, 512 };
    static const char bytes[512];
    struct mock mock;

    (void)state;
    assert_int_equal(mock_start(&mock, &usher_service_time, NULL), 0);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        uint32_t since = now();

        mock_datagram(&mock, bytes, sizes[i]);
        assert_int_equal(mock.replies, 1);
        assert_int_equal(mock.reply_count, 4);
        assert_true(is_between(since, mock.reply));
    }
    mock_stop(&mock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(f16_the_seconds_are_right_through_2036_and_2038),
        cmocka_unit_test(a13_a_caller_gets_four_bytes_and_the_end),
        cmocka_unit_test(any_datagram_asks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
