#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define USHER_BUILTIN echo
#include "../../services/echo/echo.c"
#include "support/mock_host.h"

static const struct echo_conf bare = { .prefix = "" };
static const struct echo_conf prefixed = { .prefix = "Echo: " };

static void a_stream_comes_back_as_it_is(void **state)
{
    static const char bytes[] = "one\r\n\0two\xff";
    struct mock mock;

    (void)state;
    assert_int_equal(mock_start(&mock, &usher_service_echo, &bare), 0);
    mock_connect(&mock);
    for (size_t i = 0; i < sizeof(bytes); i++)
        mock_send(&mock, bytes + i, 1);
    mock_finish(&mock);
    assert_true(mock_is_gone(&mock));
    assert_int_equal(mock.reason, USHER_GONE_ENDED);
    assert_int_equal(mock.out.count, sizeof(bytes));
    assert_memory_equal(mock.out.at, bytes, sizeof(bytes));
    mock_stop(&mock);
}

static void a_prefix_stands_once_before_a_stream(void **state)
{
    struct mock mock;

    (void)state;
    assert_int_equal(mock_start(&mock, &usher_service_echo, &prefixed), 0);
    mock_connect(&mock);
    assert_int_equal(mock.out.count, 0);
    mock_send(&mock, "one", 3);
    mock_send(&mock, "two", 3);
    assert_string_equal(mock.out.at, "Echo: onetwo");
    mock_finish(&mock);
    mock_connect(&mock);
    mock_send(&mock, "three", 5);
    assert_string_equal(mock.out.at, "Echo: three");
    mock_stop(&mock);
}

/* A peer that sends much and reads little: nothing is lost, nothing goes beyond
 * room(). */
static void a_slow_reader_gets_every_byte(void **state)
{
    size_t total = 1000000, sent = 0;
    char *bytes = malloc(total);
    struct mock mock;

    (void)state;
    for (size_t i = 0; i < total; i++)
        bytes[i] = (char)(i * 7 + i / 251);
    assert_int_equal(mock_start(&mock, &usher_service_echo, &bare), 0);
    mock_connect(&mock);
    mock.window = 1000;
    while (sent < total) {
        size_t part = total - sent < 150000 ? total - sent : 150000;

        mock_send(&mock, bytes + sent, part);
        sent += part;
        for (int i = 0; i < 30; i++)
            mock_read(&mock, 777);
    }
    mock_finish(&mock);
    while (!mock_is_gone(&mock))
        mock_read(&mock, 12345);
    assert_int_equal(mock.reason, USHER_GONE_ENDED);
    assert_int_equal(mock.out.count, total);
    assert_memory_equal(mock.out.at, bytes, total);
    mock_stop(&mock);
    free(bytes);
}

static void a_datagram_comes_back_with_its_prefix(void **state)
{
    static const struct {
        const struct echo_conf *conf;
        const char *request, *reply;
    } cases[] = {
        { &bare, "hello", "hello" },
        { &bare, "", "" },
        { &prefixed, "Hello, UDP World!", "Echo: Hello, UDP World!" },
        { &prefixed, "", "Echo: " },
    };
    struct mock mock;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(mock_start(&mock, &usher_service_echo, cases[i].conf), 0);
        mock_datagram(&mock, cases[i].request, strlen(cases[i].request));
        assert_int_equal(mock.replies, 1);
        assert_int_equal(mock.reply_count, strlen(cases[i].reply));
        assert_memory_equal(mock.reply, cases[i].reply, mock.reply_count);
        mock_stop(&mock);
    }
}

static void the_longest_datagrams_do_not_overflow(void **state)
{
    static char longest[65536];
    struct mock mock;

    (void)state;
    assert_int_equal(mock_start(&mock, &usher_service_echo, &prefixed), 0);
    mock_datagram(&mock, longest, sizeof(longest) - 6);
    assert_int_equal(mock.replies, 1);
    mock_datagram(&mock, longest, sizeof(longest) - 5);
    assert_int_equal(mock.replies, 0);
    assert_int_equal(mock.logs, 1);
    mock_stop(&mock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_comes_back_as_it_is),
        cmocka_unit_test(a_prefix_stands_once_before_a_stream),
        cmocka_unit_test(a_slow_reader_gets_every_byte),
        cmocka_unit_test(a_datagram_comes_back_with_its_prefix),
        cmocka_unit_test(the_longest_datagrams_do_not_overflow),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
