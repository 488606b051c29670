/* Errors: the texts, the codes, and that nothing else changes. */
#include "base/err.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void setting_keeps_the_words_and_clears_the_code(void **state)
{
    struct err err = {.code = 5, .text = "old"};

    (void)state;
    assert_int_equal(err_set(&err, "port: %d is above %d", 70000, 65535), -1);
    assert_string_equal(err.text, "port: 70000 is above 65535");
    assert_int_equal(err.code, 0);
}

static void a_system_error_ends_with_its_text(void **state)
{
    struct err err = ERR_EMPTY;

    (void)state;
    errno = EACCES;
    assert_int_equal(err_sys(&err, "bind %s", "[::]:7"), -1);
    assert_string_equal(err.text, "bind [::]:7: Permission denied");
    assert_int_equal(err.code, EACCES);
}

static void a_prefix_comes_first_and_keeps_the_code(void **state)
{
    struct err err = ERR_EMPTY;

    (void)state;
    errno = ENOENT;
    err_sys(&err, "open");
    assert_int_equal(err_prefix(&err, "unit %s", "echo"), -1);
    assert_string_equal(err.text, "unit echo: open: No such file or directory");
    assert_int_equal(err.code, ENOENT);
}

static void a_prefix_alone_needs_no_colon(void **state)
{
    struct err err = ERR_EMPTY;

    (void)state;
    err_prefix(&err, "alone");
    assert_string_equal(err.text, "alone");
}

static void the_old_text_may_be_an_argument(void **state)
{
    struct err err = ERR_EMPTY;

    (void)state;
    err_set(&err, "b");
    err_set(&err, "a %s c", err.text);
    assert_string_equal(err.text, "a b c");
    errno = EINTR;
    err_sys(&err, "x %s", err.text);
    assert_string_equal(err.text, "x a b c: Interrupted system call");
    err_prefix(&err, "%.3s", err.text);
    assert_string_equal(err.text, "x a: x a b c: Interrupted system call");
}

static void what_grows_too_long_loses_its_end(void **state)
{
    char filler[2 * ERR_TEXT];
    struct err err = ERR_EMPTY;

    (void)state;
    memset(filler, 'x', sizeof filler - 1);
    filler[sizeof filler - 1] = '\0';
    err_set(&err, "%s", filler);
    assert_int_equal(strlen(err.text), ERR_TEXT - 1);
    err_prefix(&err, "first");
    assert_int_equal(strlen(err.text), ERR_TEXT - 1);
    assert_memory_equal(err.text, "first: xxx", 10);
    err_sys(&err, "%s", filler);
    assert_int_equal(strlen(err.text), ERR_TEXT - 1);
}

static void errno_survives_and_nobody_must_listen(void **state)
{
    struct err err = ERR_EMPTY;

    (void)state;
    errno = EPIPE;
    assert_int_equal(err_set(NULL, "a"), -1);
    assert_int_equal(err_sys(NULL, "a"), -1);
    assert_int_equal(err_prefix(NULL, "a"), -1);
    err_set(&err, "a");
    err_sys(&err, "a");
    err_prefix(&err, "a");
    assert_int_equal(errno, EPIPE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(setting_keeps_the_words_and_clears_the_code),
        cmocka_unit_test(a_system_error_ends_with_its_text),
        cmocka_unit_test(a_prefix_comes_first_and_keeps_the_code),
        cmocka_unit_test(a_prefix_alone_needs_no_colon),
        cmocka_unit_test(the_old_text_may_be_an_argument),
        cmocka_unit_test(what_grows_too_long_loses_its_end),
        cmocka_unit_test(errno_survives_and_nobody_must_listen),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
