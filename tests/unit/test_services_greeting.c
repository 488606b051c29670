#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define USHER_BUILTIN greeting
#include "../../services/greeting/greeting.c"
#include "support/mock_host.h"

static void the_text_is_said_exactly_and_then_comes_the_end(void **state)
{
    static char longest[TEXT_MAX + 1];
    const char *const texts[] = {
        "Hello World!",
        "Hello, client! Connection established.",
        "Socket programming in python",
        "x",
        "two\r\nlines\r\n",
        "gr\303\274\303\237e %s %n",
        longest,
    };

    (void)state;
    memset(longest, 'l', TEXT_MAX);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct greeting_conf conf = { texts[i] };
        struct mock mock;

        assert_int_equal(mock_start(&mock, &usher_service_greeting, &conf), 0);
        mock_connect(&mock);
        assert_int_equal(mock.reason, USHER_GONE_ENDED);
        assert_int_equal(mock.out.count, strlen(texts[i]));
        assert_string_equal(mock.out.at, texts[i]);
        mock_stop(&mock);
    }
}

static void a_caller_that_reads_slowly_gets_all_of_it(void **state)
{
    struct greeting_conf conf = { "Hello World!" };
    struct mock mock;

    (void)state;
    assert_int_equal(mock_start(&mock, &usher_service_greeting, &conf), 0);
    mock.window = 1;
    mock_connect(&mock);
    assert_false(mock_is_gone(&mock));
    for (int i = 0; i < 12; i++)
        mock_read(&mock, 1);
    assert_true(mock_is_gone(&mock));
    assert_string_equal(mock.out.at, "Hello World!");
    mock_stop(&mock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_text_is_said_exactly_and_then_comes_the_end),
        cmocka_unit_test(a_caller_that_reads_slowly_gets_all_of_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
