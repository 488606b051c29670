#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define USHER_BUILTIN tcpmux
#include "../../services/tcpmux/tcpmux.c"
#include "support/mock_host.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct tcpmux_conf conf = { .deadline = 10000 };
static const char *const offers[] = { "echo", "Finger", "a-b_c", NULL };

static void start(struct mock *mock)
{
    assert_int_equal(mock_start(mock, &usher_service_tcpmux, &conf), 0);
    mock->offers = offers;
}

struct message {
    const char *bytes;
    size_t count;
    const char *service, *out; /* "": nothing */
    size_t rest;               /* bytes that stay for the next service */
};

#define MESSAGE(bytes, service, out, rest)                                               \
    { bytes, sizeof(bytes) - 1, service, out, rest }
#define HELP_TEXT "echo\r\nFinger\r\na-b_c\r\n"

static const struct message messages[] = {
    MESSAGE("echo\r\n", "echo", "", 0),
    MESSAGE("ECHO\r\n", "echo", "", 0),
    MESSAGE("eCHo\n", "echo", "", 0),
    MESSAGE("finger\r\nroot\r\n", "Finger", "", 6),
    MESSAGE("a-b_c\r\n\r\n\r\n", "a-b_c", "", 4),
    MESSAGE("echo\r\n\0\xff", "echo", "", 2),
    MESSAGE("help\r\n", "", HELP_TEXT, 0),
    MESSAGE("HELP\n", "", HELP_TEXT, 0),
    MESSAGE("Help\r\necho\r\n", "", HELP_TEXT, 6),
    MESSAGE("\r\n", "", NOT_AVAILABLE, 0),
    MESSAGE("\n", "", NOT_AVAILABLE, 0),
    MESSAGE("ech\r\n", "", NOT_AVAILABLE, 0),
    MESSAGE("echoo\r\n", "", NOT_AVAILABLE, 0),
    MESSAGE("echo \r\n", "", NOT_AVAILABLE, 0),
    MESSAGE(" echo\r\n", "", NOT_AVAILABLE, 0),
    MESSAGE("+echo\r\n", "", NOT_AVAILABLE, 0),
    MESSAGE("echo\r\r\n", "", NOT_AVAILABLE, 0),
    MESSAGE("ec\rho\r\n", "", NOT_AVAILABLE, 0),
    MESSAGE("echo\0\r\n", "", NOT_AVAILABLE, 0),
    MESSAGE("echo\0x\r\n", "", NOT_AVAILABLE, 0),
    MESSAGE("\0echo\r\n", "", NOT_AVAILABLE, 0),
    MESSAGE("\xff\xfe\r\n", "", NOT_AVAILABLE, 0),
    MESSAGE("nobody\r\necho\r\n", "", NOT_AVAILABLE, 6),
    MESSAGE("echo", "", "", 4),
    MESSAGE("echo\r", "", "", 5),
    MESSAGE("", "", "", 0),
};

static void check(struct mock *mock, const struct message *message)
{
    bool is_answered = message->service[0] != '\0' || message->out[0] != '\0';

    assert_string_equal(mock->handed_to, message->service);
    assert_int_equal(mock->out.count, strlen(message->out));
    if (mock->out.count > 0)
        assert_memory_equal(mock->out.at, message->out, mock->out.count);
    assert_int_equal(mock_is_gone(mock), is_answered);
    if (is_answered)
        assert_int_equal(mock->reason, message->service[0] != '\0' ? USHER_GONE_HANDED
                                                                   : USHER_GONE_ENDED);
    assert_int_equal(mock->in.count, message->rest);
}

/* E6. Whole, in two parts at every place, and byte by byte. */
static void e4_e6_every_message_is_answered_the_same_in_any_pieces(void **state)
{
    struct mock mock;

    (void)state;
    for (size_t i = 0; i < COUNT(messages); i++)
        for (size_t cut = 0; cut <= messages[i].count; cut++) {
            start(&mock);
            mock_connect(&mock);
            mock_send(&mock, messages[i].bytes, cut);
            mock_send(&mock, messages[i].bytes + cut, messages[i].count - cut);
            check(&mock, &messages[i]);
            mock_stop(&mock);
        }
    for (size_t i = 0; i < COUNT(messages); i++) {
        start(&mock);
        mock_connect(&mock);
        for (size_t at = 0; at < messages[i].count; at++)
            mock_send(&mock, messages[i].bytes + at, 1);
        check(&mock, &messages[i]);
        mock_stop(&mock);
    }
}

/* E5, E6. The tail of a line that is too long never acts. */
static void e1_e5_names_of_every_length(void **state)
{
    struct mock mock;
    char line[400];

    (void)state;
    for (size_t length = 0; length <= 300; length++) {
        bool is_long = length + 1 > MUX_LINE; /* with its newline */

        memset(line, 'x', length);
        memcpy(line + length, "\necho\r\n", 7);
        start(&mock);
        mock_connect(&mock);
        for (size_t at = 0; at < length + 7; at++)
            mock_send(&mock, line + at, 1);
        assert_string_equal(mock.handed_to, "");
        assert_true(mock_is_gone(&mock));
        assert_int_equal(mock.reason, USHER_GONE_ENDED);
        assert_string_equal(mock.out.at, is_long ? TOO_LONG : NOT_AVAILABLE);
        mock_stop(&mock);
    }
}

static void e5_a_line_that_comes_whole_and_too_long_is_refused_too(void **state)
{
    struct mock mock;
    char *line = malloc(1 << 20);

    (void)state;
    memset(line, 'e', 1 << 20);
    memcpy(line + (1 << 20) - 7, "\necho\r\n", 7);
    start(&mock);
    mock_connect(&mock);
    mock_send(&mock, line, 1 << 20);
    assert_true(mock_is_gone(&mock));
    assert_string_equal(mock.out.at, TOO_LONG);
    assert_string_equal(mock.handed_to, "");
    mock_stop(&mock);
    free(line);
}

/* B18. */
static void b18_a_slow_caller_is_gone_at_the_deadline(void **state)
{
    struct mock mock;

    (void)state;
    start(&mock);
    mock_connect(&mock);
    assert_int_equal(mock.timer_ms, 10000);
    mock_send(&mock, "ec", 2);
    assert_int_equal(mock.timer_ms, 10000);
    mock_expire(&mock);
    assert_true(mock_is_gone(&mock));
    assert_int_equal(mock.out.count, 0);
    mock_stop(&mock);
}

static void e13_a_caller_who_ends_before_his_line_does_gets_nothing(void **state)
{
    struct mock mock;

    (void)state;
    start(&mock);
    mock_connect(&mock);
    mock_send(&mock, "echo", 4);
    mock_finish(&mock);
    assert_true(mock_is_gone(&mock));
    assert_string_equal(mock.handed_to, "");
    assert_int_equal(mock.out.count, 0);
    mock_stop(&mock);
}

static void without_services_help_is_empty(void **state)
{
    struct mock mock;

    (void)state;
    start(&mock);
    mock.offers = NULL;
    mock_connect(&mock);
    mock_send(&mock, "HELP\r\n", 6);
    assert_true(mock_is_gone(&mock));
    assert_int_equal(mock.out.count, 0);
    mock_connect(&mock);
    mock_send(&mock, "echo\r\n", 6);
    assert_string_equal(mock.out.at, NOT_AVAILABLE);
    mock_stop(&mock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(e4_e6_every_message_is_answered_the_same_in_any_pieces),
        cmocka_unit_test(e1_e5_names_of_every_length),
        cmocka_unit_test(e5_a_line_that_comes_whole_and_too_long_is_refused_too),
        cmocka_unit_test(b18_a_slow_caller_is_gone_at_the_deadline),
        cmocka_unit_test(e13_a_caller_who_ends_before_his_line_does_gets_nothing),
        cmocka_unit_test(without_services_help_is_empty),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
