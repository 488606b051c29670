#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define USHER_BUILTIN uppercase
#include "../../services/uppercase/uppercase.c"
#include "support/mock_host.h"

static void every_byte_has_its_ascii_capital(void **state)
{
    char bytes[256];
    struct mock mock;

    (void)state;
    for (int i = 0; i < 256; i++)
        bytes[i] = (char)i;
    assert_int_equal(mock_start(&mock, &usher_service_uppercase, NULL), 0);
    mock_connect(&mock);
    mock_send(&mock, bytes, sizeof(bytes));
    mock_datagram(&mock, bytes, sizeof(bytes));
    assert_int_equal(mock.out.count, 256);
    assert_int_equal(mock.reply_count, 256);
    for (int i = 0; i < 256; i++) {
        assert_int_equal((unsigned char)mock.out.at[i],
                         i >= 'a' && i <= 'z' ? i - 32 : i);
        assert_int_equal(mock.reply[i], mock.out.at[i]);
    }
    mock_stop(&mock);
}

static void any_split_gives_the_same(void **state)
{
    static const char text[] = "The quick brown fox jumps over the lazy dog";
    struct mock mock;

    (void)state;
    assert_int_equal(mock_start(&mock, &usher_service_uppercase, NULL), 0);
    for (size_t cut = 0; cut <= strlen(text); cut++) {
        mock_connect(&mock);
        if (cut > 0)
            mock_send(&mock, text, cut);
        if (cut < strlen(text))
            mock_send(&mock, text + cut, strlen(text) - cut);
        mock_finish(&mock);
        assert_string_equal(mock.out.at, "THE QUICK BROWN FOX JUMPS OVER THE LAZY DOG");
        assert_true(mock_is_gone(&mock));
    }
    mock_stop(&mock);
}

static void a_slow_reader_gets_every_byte(void **state)
{
    size_t total = 400000;
    char *bytes = malloc(total);
    struct mock mock;

    (void)state;
    for (size_t i = 0; i < total; i++)
        bytes[i] = (char)('a' + i % 23);
    assert_int_equal(mock_start(&mock, &usher_service_uppercase, NULL), 0);
    mock_connect(&mock);
    mock.window = 10;
    mock_send(&mock, bytes, total);
    mock_finish(&mock);
    while (!mock_is_gone(&mock))
        mock_read(&mock, 3331);
    assert_int_equal(mock.reason, USHER_GONE_ENDED);
    assert_int_equal(mock.out.count, total);
    for (size_t i = 0; i < total; i++)
        if (mock.out.at[i] != (char)('A' + i % 23))
            fail_msg("byte %zu is wrong", i);
    mock_stop(&mock);
    free(bytes);
}

static void utf_8_is_refused_so_far(void **state)
{
    struct uppercase_conf ascii = { ENCODING_ASCII }, utf_8 = { ENCODING_UTF_8 };
    char error[64];

    (void)state;
    assert_int_equal(uppercase_check(&ascii, error, sizeof(error)), 0);
    assert_int_equal(uppercase_check(&utf_8, error, sizeof(error)), -1);
    assert_string_equal(error, "encoding: \"utf-8\" is not in this version yet");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_has_its_ascii_capital),
        cmocka_unit_test(any_split_gives_the_same),
        cmocka_unit_test(a_slow_reader_gets_every_byte),
        cmocka_unit_test(utf_8_is_refused_so_far),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
