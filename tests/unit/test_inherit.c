#include "master/inherit.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/mem.h"

#define FIRST 3
#define PLACES 3
#define ASIDE 100 /* where the test's own descriptors wait meanwhile */

static int aside[PLACES];

/* /dev/null on 3, 4 and 5, inheritable, as a service manager leaves its sockets. */
static int fill_places(void **state)
{
    (void)state;
    for (int i = 0; i < PLACES; i++) {
        int null;

        aside[i] = fcntl(FIRST + i, F_DUPFD_CLOEXEC, ASIDE);
        null = open("/dev/null", O_RDWR);
        if (null == -1 || dup2(null, FIRST + i) == -1)
            return -1;
        if (null != FIRST + i)
            fd_close(&null);
    }
    return 0;
}

static int empty_places(void **state)
{
    (void)state;
    for (int i = 0; i < PLACES; i++) {
        int fd = FIRST + i;

        if (aside[i] == -1)
            fd_close(&fd);
        else if (dup2(aside[i], fd) == -1)
            return -1;
        fd_close(&aside[i]);
    }
    return 0;
}

static void set_variable(const char *name, const char *value)
{
    assert_int_equal(value == NULL ? unsetenv(name) : setenv(name, value, 1), 0);
}

/* pid: NULL for ours. */
static void set_all(const char *pid, const char *count, const char *names)
{
    char own[24];

    snprintf(own, sizeof(own), "%ld", (long)getpid());
    set_variable("LISTEN_PID", pid == NULL ? own : pid);
    set_variable("LISTEN_FDS", count);
    set_variable("LISTEN_FDNAMES", names);
}

static const struct {
    const char *pid, *count, *names;
    size_t want;
    const char *first, *second;
} cases[] = {
    { NULL, "2", "web:mail", 2, "web", "mail" },
    { NULL, "2", "web", 2, "web", "unknown" },
    { NULL, "2", ":mail:", 2, "unknown", "mail" },
    { NULL, "2", NULL, 2, "unknown", "unknown" },
    { NULL, "0", "web", 0, NULL, NULL },
    { NULL, NULL, "web", 0, NULL, NULL },
    { "1", "2", "web:mail", 0, NULL, NULL },
    { "nobody", "2", "web:mail", 0, NULL, NULL },
};

static void names_are_read_and_variables_taken_away(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct inherit inherit = INHERIT_EMPTY;
        struct err err = ERR_EMPTY;

        assert_int_equal(fill_places(NULL), 0);
        set_all(cases[i].pid, cases[i].count, cases[i].names);
        assert_int_equal(inherit_open(&inherit, &err), 0);
        assert_int_equal(inherit.count, cases[i].want);
        if (cases[i].want == 2) {
            assert_string_equal(inherit.at[0].name, cases[i].first);
            assert_string_equal(inherit.at[1].name, cases[i].second);
            assert_true(fcntl(FIRST, F_GETFD) & FD_CLOEXEC);
            assert_false(fcntl(FIRST + 2, F_GETFD) & FD_CLOEXEC); /* not one of ours */
        }
        assert_null(getenv("LISTEN_PID"));
        assert_null(getenv("LISTEN_FDS"));
        assert_null(getenv("LISTEN_FDNAMES"));
        inherit_close(&inherit);
        assert_int_equal(fcntl(FIRST, F_GETFD) == -1, cases[i].want == 2);
        assert_int_equal(empty_places(NULL), 0);
    }
}

static void a_name_finds_its_descriptor(void **state)
{
    struct inherit inherit = INHERIT_EMPTY;

    (void)state;
    assert_int_equal(fill_places(NULL), 0);
    set_all(NULL, "3", "web:mail:web");
    assert_int_equal(inherit_open(&inherit, NULL), 0);
    assert_int_equal(inherit_find(&inherit, "mail"), FIRST + 1);
    assert_int_equal(inherit_find(&inherit, "web"), FIRST);
    assert_int_equal(inherit_find(&inherit, "we"), -1);
    assert_int_equal(inherit_find(&inherit, ""), -1);
    inherit_close(&inherit);
    assert_int_equal(inherit_find(&inherit, "web"), -1);
    assert_int_equal(empty_places(NULL), 0);
}

static const char *const refused[] = {
    "-1", "x", "", "4097", "02", "99999999999999999999"
};

static void a_wrong_count_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        struct inherit inherit = INHERIT_EMPTY;
        struct err err = ERR_EMPTY;
        char want[128];

        set_all(NULL, refused[i], NULL);
        snprintf(want, sizeof(want), "LISTEN_FDS: \"%s\" is not a number of descriptors",
                 refused[i]);
        assert_int_equal(inherit_open(&inherit, &err), -1);
        assert_string_equal(err.text, want);
        inherit_close(&inherit);
    }
}

static void a_descriptor_that_is_not_there_is_refused(void **state)
{
    struct inherit inherit = INHERIT_EMPTY;
    struct err err = ERR_EMPTY;
    int third = FIRST + 2;

    (void)state;
    assert_int_equal(fill_places(NULL), 0);
    fd_close(&third);
    set_all(NULL, "3", NULL);
    assert_int_equal(inherit_open(&inherit, &err), -1);
    assert_string_equal(err.text, "LISTEN_FDS: descriptor 5: Bad file descriptor");
    inherit_close(&inherit);
    assert_int_equal(empty_places(NULL), 0);
}

static int forget_variables(void **state)
{
    (void)state;
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(names_are_read_and_variables_taken_away,
                                  forget_variables),
        cmocka_unit_test_teardown(a_name_finds_its_descriptor, forget_variables),
        cmocka_unit_test_teardown(a_wrong_count_is_refused, forget_variables),
        cmocka_unit_test_teardown(a_descriptor_that_is_not_there_is_refused,
                                  forget_variables),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
