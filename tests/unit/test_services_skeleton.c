#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define USHER_BUILTIN skeleton
#include "../../services/skeleton/skeleton.c"
#include "support/mock_host.h"

static const struct skeleton_conf plain = { .greeting = "Hello" };
static const struct skeleton_conf loud = { .greeting = "Hi",
                                           .max_lines = 2,
                                           .shout = true };

static const struct {
    const struct skeleton_conf *conf;
    const char *in, *out;
} streams[] = {
    { &plain, "Ann\n", "Hello, Ann!\r\n" },
    { &plain, "Ann\r\nBob\n", "Hello, Ann!\r\nHello, Bob!\r\n" },
    { &plain, "Ann", "Hello, Ann!\r\n" },
    { &plain, "\n", "Hello, !\r\n" },
    { &loud, "Ann\nBob\nCyd\n", "Hi, Ann!!!\r\nHi, Bob!!!\r\n" },
};

static void lines_are_greeted_in_every_split(void **state)
{
    struct mock mock;

    (void)state;
    for (size_t i = 0; i < sizeof(streams) / sizeof(streams[0]); i++)
        for (size_t cut = 0; cut <= strlen(streams[i].in); cut++) {
            const char *in = streams[i].in;

            assert_int_equal(mock_start(&mock, &usher_service_skeleton, streams[i].conf),
                             0);
            mock_connect(&mock);
            if (cut > 0)
                mock_send(&mock, in, cut);
            if (in[cut] != '\0' && !mock_is_gone(&mock))
                mock_send(&mock, in + cut, strlen(in) - cut);
            if (!mock_is_gone(&mock))
                mock_finish(&mock);
            assert_true(mock_is_gone(&mock));
            assert_string_equal(mock.out.at, streams[i].out);
            mock_stop(&mock);
        }
}

static void a_line_without_an_end_is_bounded(void **state)
{
    static char line[20000];
    struct mock mock;

    (void)state;
    memset(line, 'x', sizeof(line));
    assert_int_equal(mock_start(&mock, &usher_service_skeleton, &plain), 0);
    mock_connect(&mock);
    mock_send(&mock, line, sizeof(line));
    assert_true(mock_is_gone(&mock));
    assert_int_equal(mock.reason, USHER_GONE_INPUT);

    line[sizeof(line) - 1] = '\n'; /* at once, and so within one call */
    mock_connect(&mock);
    mock_send(&mock, line, sizeof(line));
    assert_int_equal(mock.out.count, strlen("Hello, ") + LINE_MAX_SIZE + strlen("!\r\n"));
    mock_datagram(&mock, line, sizeof(line));
    assert_int_equal(mock.reply_count, mock.out.count);
    mock_stop(&mock);
}

static void a_slow_reader_gets_every_line(void **state)
{
    size_t lines = 20000;
    char *in = malloc(lines * 2);
    struct mock mock;

    (void)state;
    for (size_t i = 0; i < lines; i++)
        memcpy(in + 2 * i, "x\n", 2);
    assert_int_equal(mock_start(&mock, &usher_service_skeleton, &plain), 0);
    mock_connect(&mock);
    mock.window = 100;
    mock_send(&mock, in, lines * 2);
    mock_finish(&mock);
    while (!mock_is_gone(&mock))
        mock_read(&mock, 9999);
    assert_int_equal(mock.reason, USHER_GONE_ENDED);
    assert_int_equal(mock.out.count, lines * strlen("Hello, x!\r\n"));
    mock_stop(&mock);
    free(in);
}

static void a_datagram_is_a_line(void **state)
{
    struct mock mock;

    (void)state;
    assert_int_equal(mock_start(&mock, &usher_service_skeleton, &loud), 0);
    mock_datagram(&mock, "Ann\n", 4);
    assert_int_equal(mock.reply_count, strlen("Hi, Ann!!!\r\n"));
    assert_memory_equal(mock.reply, "Hi, Ann!!!\r\n", mock.reply_count);
    mock_stop(&mock);
}

static void a_greeting_of_two_lines_is_refused(void **state)
{
    struct skeleton_conf bad = { .greeting = "Hello\nthere" };
    char error[64];

    (void)state;
    assert_int_equal(skeleton_check(&plain, error, sizeof(error)), 0);
    assert_int_equal(skeleton_check(&bad, error, sizeof(error)), -1);
    assert_string_equal(error, "greeting: must be one line");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_greeted_in_every_split),
        cmocka_unit_test(a_line_without_an_end_is_bounded),
        cmocka_unit_test(a_slow_reader_gets_every_line),
        cmocka_unit_test(a_datagram_is_a_line),
        cmocka_unit_test(a_greeting_of_two_lines_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
