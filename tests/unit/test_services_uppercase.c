#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <unicase.h>
#include <unistr.h>

#define USHER_BUILTIN uppercase
#include "../../services/uppercase/uppercase.c"
#include "support/mock_host.h"

static struct uppercase_conf ascii = { ENCODING_ASCII }, utf_8 = { ENCODING_UTF_8 };

static void every_byte_has_its_ascii_capital(void **state)
{
    char bytes[256];
    struct mock mock;

    (void)state;
    for (int i = 0; i < 256; i++)
        bytes[i] = (char)i;
    assert_int_equal(mock_start(&mock, &usher_service_uppercase, &ascii), 0);
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

/* What goes in and what comes out, in UTF-8. */
static const struct {
    const char *text, *want;
} in_utf_8[] = {
    { "The quick brown fox", "THE QUICK BROWN FOX" },
    { "gr\303\274\303\237e, stra\303\237e", "GR\303\234SSE, STRASSE" },
    { "\303\251t\303\251 \305\223uvre", "\303\211T\303\211 \305\222UVRE" },
    { "\316\261\317\211 \317\202 \316\220",
      "\316\221\316\251 \316\243 \316\231\314\210\314\201" },
    { "\320\266\321\217 \321\226", "\320\226\320\257 \320\206" },
    { "\305\211 \312\274n", "\312\274N \312\274N" },
    { "\357\254\203", "FFI" }, /* a ligature */
    { "\304\261 i", "I I" },   /* a dotless i; no language is asked for */
    { "\307\206 \307\205", "\307\204 \307\204" }, /* digraph, small and title */
    { "\311\220", "\342\261\257" },               /* two bytes become three */
    { "\360\220\220\250", "\360\220\220\200" },   /* four bytes: Deseret */
    { "\346\274\242\345\255\227 \360\237\231\202",
      "\346\274\242\345\255\227 \360\237\231\202" },
    /* bytes that are no character, each alone and before letters */
    { "\200a", "\200A" },
    { "a\377b\376c", "A\377B\376C" },
    { "\303a", "\303A" },
    { "\303", "\303" },
    { "\342\202", "\342\202" },
    { "\342\202a\303\244", "\342\202A\303\204" },
    { "\360\237\231", "\360\237\231" },
    { "\300\257\340\200\257", "\300\257\340\200\257" }, /* too long for what they say */
    { "\355\240\200z", "\355\240\200Z" },               /* half of a surrogate pair */
    { "\364\220\200\200z", "\364\220\200\200Z" },       /* above U+10FFFF */
    { "\303\303\244", "\303\303\204" },
};

#define CASES (sizeof(in_utf_8) / sizeof(in_utf_8[0]))

static void utf_8_letters_get_the_capitals_of_their_script(void **state)
{
    struct mock mock;

    (void)state;
    assert_int_equal(mock_start(&mock, &usher_service_uppercase, &utf_8), 0);
    for (size_t i = 0; i < CASES; i++) {
        mock_connect(&mock);
        mock_send(&mock, in_utf_8[i].text, strlen(in_utf_8[i].text));
        mock_finish(&mock);
        assert_true(mock_is_gone(&mock));
        assert_string_equal(mock.out.at, in_utf_8[i].want);
        mock_datagram(&mock, in_utf_8[i].text, strlen(in_utf_8[i].text));
        assert_int_equal(mock.replies, 1);
        assert_int_equal(mock.reply_count, strlen(in_utf_8[i].want));
        assert_memory_equal(mock.reply, in_utf_8[i].want, mock.reply_count);
    }
    mock_stop(&mock);
}

static void e4_any_split_gives_the_same(void **state)
{
    struct uppercase_conf *const confs[] = { &ascii, &utf_8 };
    static const char text[] = "The quick brown fox jumps over the lazy dog";

    (void)state;
    for (size_t which = 0; which < 2; which++) {
        struct mock mock;

        assert_int_equal(mock_start(&mock, &usher_service_uppercase, confs[which]), 0);
        for (size_t cut = 0; cut <= strlen(text); cut++) {
            mock_connect(&mock);
            if (cut > 0)
                mock_send(&mock, text, cut);
            if (cut < strlen(text))
                mock_send(&mock, text + cut, strlen(text) - cut);
            mock_finish(&mock);
            assert_string_equal(mock.out.at,
                                "THE QUICK BROWN FOX JUMPS OVER THE LAZY DOG");
            assert_true(mock_is_gone(&mock));
        }
        mock_stop(&mock);
    }
}

static void e4_characters_may_be_split_between_reads(void **state)
{
    char text[512] = "", want[512] = "";
    struct mock mock;

    (void)state;
    for (size_t i = 0; i < CASES; i++) {
        strncat(text, in_utf_8[i].text, sizeof(text) - strlen(text) - 1);
        strncat(text, ".", sizeof(text) - strlen(text) - 1);
        strncat(want, in_utf_8[i].want, sizeof(want) - strlen(want) - 1);
        strncat(want, ".", sizeof(want) - strlen(want) - 1);
    }
    assert_int_equal(mock_start(&mock, &usher_service_uppercase, &utf_8), 0);
    for (size_t step = 1; step < strlen(text); step++) {
        mock_connect(&mock);
        for (size_t at = 0; at < strlen(text); at += step)
            mock_send(&mock, text + at, least(step, strlen(text) - at));
        mock_finish(&mock);
        assert_string_equal(mock.out.at, want);
    }
    mock_stop(&mock);
}

static void a_character_that_nobody_finishes_passes_unchanged(void **state)
{
    static const char text[] = "a\360\237\231";
    struct mock mock;

    (void)state;
    assert_int_equal(mock_start(&mock, &usher_service_uppercase, &utf_8), 0);
    mock_connect(&mock);
    for (size_t i = 0; i < 4; i++)
        mock_send(&mock, text + i, 1);
    assert_string_equal(mock.out.at, "A");
    mock_finish(&mock);
    assert_string_equal(mock.out.at, "A\360\237\231");
    assert_int_equal(mock.reason, USHER_GONE_ENDED);
    mock_stop(&mock);
}

static void no_character_grows_beyond_its_room(void **state)
{
    char from[UTF_8_CHARACTER], to[UTF_8_GROWTH * UTF_8_CHARACTER];

    (void)state;
    for (ucs4_t character = 0x80; character < 0x110000; character++) {
        uint8_t buffer[32];
        int count = u8_uctomb((uint8_t *)from, character, UTF_8_CHARACTER);
        size_t length = sizeof(buffer), made;

        if (count <= 0)
            continue;
        u8_toupper((uint8_t *)from, (size_t)count, NULL, NULL, buffer, &length);
        assert_true(length <= (size_t)count * UTF_8_GROWTH);
        assert_int_equal(utf_8_capitals(to, &made, from, (size_t)count), count);
        assert_int_equal(made, length);
        assert_memory_equal(to, buffer, length);
    }
}

static void a_slow_reader_gets_every_byte(void **state)
{
    struct uppercase_conf *const confs[] = { &ascii, &utf_8 };
    size_t total = 400000;
    char *bytes = malloc(total);

    (void)state;
    for (size_t i = 0; i < total; i++)
        bytes[i] = (char)('a' + i % 23);
    for (size_t which = 0; which < 2; which++) {
        struct mock mock;

        assert_int_equal(mock_start(&mock, &usher_service_uppercase, confs[which]), 0);
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
    }
    free(bytes);
}

/* The longest growth there is: each letter becomes three, six bytes for its two. */
static void a_slow_reader_gets_every_letter_that_grows(void **state)
{
    size_t letters = 100000;
    char *bytes = malloc(2 * letters);
    struct mock mock;

    (void)state;
    for (size_t i = 0; i < letters; i++)
        memcpy(bytes + 2 * i, "\316\220", 2);
    assert_int_equal(mock_start(&mock, &usher_service_uppercase, &utf_8), 0);
    mock_connect(&mock);
    mock.window = 7;
    for (size_t at = 0; at < 2 * letters; at += 65535)
        mock_send(&mock, bytes + at, least(65535, 2 * letters - at));
    mock_finish(&mock);
    while (!mock_is_gone(&mock))
        mock_read(&mock, 50021);
    assert_int_equal(mock.reason, USHER_GONE_ENDED);
    assert_int_equal(mock.out.count, 6 * letters);
    for (size_t i = 0; i < letters; i++)
        assert_memory_equal(mock.out.at + 6 * i, "\316\231\314\210\314\201", 6);
    mock_stop(&mock);
    free(bytes);
}

static void a_datagram_that_would_grow_too_long_has_no_answer(void **state)
{
    static char bytes[DATAGRAM_MAX];
    struct mock mock;

    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i += 2)
        memcpy(bytes + i, "\316\220", 2);
    assert_int_equal(mock_start(&mock, &usher_service_uppercase, &utf_8), 0);
    mock_datagram(&mock, bytes, 20000);
    assert_int_equal(mock.reply_count, 60000);
    mock_datagram(&mock, bytes, sizeof(bytes));
    assert_int_equal(mock.replies, 0);
    assert_int_equal(mock.log_level, USHER_DEBUG);
    mock_stop(&mock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_has_its_ascii_capital),
        cmocka_unit_test(utf_8_letters_get_the_capitals_of_their_script),
        cmocka_unit_test(e4_any_split_gives_the_same),
        cmocka_unit_test(e4_characters_may_be_split_between_reads),
        cmocka_unit_test(a_character_that_nobody_finishes_passes_unchanged),
        cmocka_unit_test(no_character_grows_beyond_its_room),
        cmocka_unit_test(a_slow_reader_gets_every_byte),
        cmocka_unit_test(a_slow_reader_gets_every_letter_that_grows),
        cmocka_unit_test(a_datagram_that_would_grow_too_long_has_no_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
