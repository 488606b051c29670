/*
 * The child is replaced by one that behaves badly in a chosen way: start() gets the
 * channel's end as its context and may run what it likes there.
 */
#include "plug/catalogue.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/descriptors.h"

#include "base/clock.h"
#include "base/mem.h"

#define SOON_MS 500

static int starts; /* how many children there were */

/* cmocka and sanitizers catch what must kill; the daemon has no handlers. */
static void forget_handlers(void)
{
    static const int deadly[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT };

    for (size_t i = 0; i < ARRAY_LEN(deadly); i++)
        signal(deadly[i], SIG_DFL);
}

static pid_t start_in(int (*child)(void *), void *context)
{
    pid_t pid = fork();

    if (pid == 0) {
        forget_handlers();
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        _exit(child(context));
    }
    starts++;
    return pid;
}

static pid_t start_real(int (*child)(void *), void *context, struct err *err)
{
    (void)err;
    return start_in(child, context);
}

/* ---- children --------------------------------------------------------------------- */

static void take_request(int fd)
{
    struct pollfd ready = { .fd = fd, .events = POLLIN };
    char bytes[1024];

    if (poll(&ready, 1, 5000) != 1 || recv(fd, bytes, sizeof(bytes), 0) <= 0)
        _exit(8);
}

static void say(int fd, const char *text)
{
    if (send(fd, text, strlen(text), 0) == -1)
        _exit(9);
}

static int crashes(void *context)
{
    struct rlimit none = { 0, 0 };

    setrlimit(RLIMIT_CORE, &none);
    take_request(*(int *)context);
    raise(SIGSEGV);
    return 0;
}

static int exits(void *context)
{
    take_request(*(int *)context);
    return 3;
}

static int hangs(void *context)
{
    (void)context;
    while (pause() == -1)
        ;
    return 0;
}

static int babbles(void *context)
{
    take_request(*(int *)context);
    say(*(int *)context, "Hello, world!");
    return hangs(NULL);
}

static int says_something_else(void *context)
{
    take_request(*(int *)context);
    say(*(int *)context, "thanks");
    return hangs(NULL);
}

static int describes_another(void *context)
{
    take_request(*(int *)context);
    say(*(int *)context,
        "descriptor name=y path=/y.so shapes=1 needs=0 callbacks=1 run=0");
    return hangs(NULL);
}

static int says_unprintable(void *context)
{
    take_request(*(int *)context);
    say(*(int *)context, "error text=\\x1b[31mred\\x0a");
    return hangs(NULL);
}

#define DESCRIBES "descriptor name=x path=/d/x.so shapes=1 needs=0 callbacks=1 run=0"

static int describes(void *context)
{
    take_request(*(int *)context);
    say(*(int *)context, DESCRIBES);
    return hangs(NULL);
}

/* The second record would be taken for the answer to the next request. */
static int says_good_beforehand(void *context)
{
    take_request(*(int *)context);
    say(*(int *)context, DESCRIBES);
    say(*(int *)context, "good");
    take_request(*(int *)context);
    return 4;
}

/* ---- tests ------------------------------------------------------------------------ */

static int (*behaviour)(void *);

static pid_t start_behaviour(int (*child)(void *), void *context, struct err *err)
{
    (void)child;
    (void)err;
    return start_in(behaviour, context);
}

static pid_t start_nothing(int (*child)(void *), void *context, struct err *err)
{
    (void)child;
    (void)context;
    return err_set(err, "fork: no more processes");
}

static struct catalogue catalogue_with(catalogue_start_fn *start)
{
    struct catalogue catalogue = CATALOGUE_EMPTY;

    catalogue.start = start;
    starts = 0;
    return catalogue;
}

static void bad_children_become_a_text(void **state)
{
    static const struct {
        int (*child)(void *);
        const char *want;
    } cases[] = {
        {crashes,
         "/d/x.so: it crashed when it was loaded: signal=11 (Segmentation fault)"},
        {exits, "/d/x.so: it ended the process when it was loaded: exit=3"},
        {hangs, "/d/x.so: it hung when it was loaded: no answer for 500 ms"},
        {babbles,
         "/d/x.so: it wrote nonsense where the catalogue answers when it was loaded"},
        {says_something_else,
         "/d/x.so: it wrote nonsense where the catalogue answers when it was loaded"},
        {describes_another, "/d/x.so: its descriptor does not come through"},
        {says_unprintable, "\\x1b[31mred\\x0a"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct catalogue catalogue = catalogue_with(start_behaviour);
        struct err err = ERR_EMPTY;

        behaviour = cases[i].child;
        if (behaviour == hangs)
            catalogue.timeout_ms = SOON_MS;
        assert_null(catalogue_describe(&catalogue, "/d", "x", &err));
        assert_string_equal(err.text, cases[i].want);
        /* Known now: nobody waits twice for the same plugin. */
        err.text[0] = '\0';
        assert_null(catalogue_describe(&catalogue, "/d", "x", &err));
        assert_string_equal(err.text, cases[i].want);
        assert_int_equal(starts, 1);
        assert_false(catalogue.has_failed);
        catalogue_close(&catalogue);
    }
}

static void a_child_that_cannot_be_started_is_an_error(void **state)
{
    struct catalogue catalogue = catalogue_with(start_nothing);
    struct err err = ERR_EMPTY;

    (void)state;
    assert_null(catalogue_describe(&catalogue, "/d", "x", &err));
    assert_string_equal(err.text, "/d/x.so: the catalogue: fork: no more processes");
    assert_true(catalogue.has_failed);
    catalogue_close(&catalogue);
}

/* poll() takes no more descriptors than a process may have. */
static pid_t start_and_break_poll(int (*child)(void *), void *context, struct err *err)
{
    pid_t pid = start_behaviour(child, context, err);
    struct rlimit files;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
    files.rlim_cur = 0;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
    return pid;
}

static void a_call_of_ours_that_fails_is_no_plugins_fault(void **state)
{
    struct catalogue catalogue = catalogue_with(start_and_break_poll);
    struct err err = ERR_EMPTY;
    struct rlimit files;

    (void)state;
    if (getenv("USHER_TEST_SLOW") != NULL)
        skip(); /* valgrind has a limit of its own, and needs descriptors */
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
    behaviour = describes;
    assert_null(catalogue_describe(&catalogue, "/d", "x", &err));
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
    assert_string_equal(err.text, "/d/x.so: the catalogue: poll: Invalid argument");
    assert_true(catalogue.has_failed);
    catalogue_close(&catalogue);
}

static int cannot_enter(struct err *err)
{
    return err_set(err, "sandbox: no room");
}

static void a_child_that_cannot_begin_is_no_plugins_fault(void **state)
{
    struct catalogue catalogue = catalogue_with(start_real);
    struct err err = ERR_EMPTY;

    (void)state;
    catalogue.enter = cannot_enter;
    assert_null(catalogue_describe(&catalogue, "/d", "x", &err));
    assert_string_equal(err.text, "/d/x.so: the catalogue: sandbox: no room");
    assert_true(catalogue.has_failed);
    catalogue_close(&catalogue);
}

static void a_child_that_died_is_replaced(void **state)
{
    struct catalogue catalogue = catalogue_with(start_behaviour);
    struct err err = ERR_EMPTY;

    (void)state;
    behaviour = crashes;
    assert_null(catalogue_describe(&catalogue, "/d", "bad", &err));
    behaviour = describes;
    assert_non_null(catalogue_describe(&catalogue, "/d", "x", &err));
    assert_int_equal(starts, 2);
    catalogue_close(&catalogue);
}

static void a_descriptor_is_asked_for_once_and_stays(void **state)
{
    struct catalogue catalogue = catalogue_with(start_behaviour);
    struct err err = ERR_EMPTY;
    const struct descriptor *first;

    (void)state;
    behaviour = describes;
    first = catalogue_describe(&catalogue, "/d", "x", &err);
    assert_non_null(first);
    for (int i = 0; i < 20; i++) {
        char other[16];

        snprintf(other, sizeof(other), "o%d", i);
        catalogue.timeout_ms = 1;
        assert_null(catalogue_describe(&catalogue, "/d", other, &err));
    }
    assert_ptr_equal(catalogue_describe(&catalogue, "/d", "x", &err), first);
    assert_string_equal(first->name, "x");
    catalogue_close(&catalogue);
}

static void an_answer_before_the_question_is_not_believed(void **state)
{
    struct catalogue catalogue = catalogue_with(start_behaviour);
    struct catalogue_row row = {.dir = "/d", .plugin = "x"};
    struct err err = ERR_EMPTY;

    (void)state;
    behaviour = says_good_beforehand;
    assert_non_null(catalogue_describe(&catalogue, "/d", "x", &err));
    behaviour = exits;
    /* Either it was seen before the question, or it came in between and is taken: at most
     * the plugin's own check() is skipped by that. */
    if (catalogue_check(&catalogue, &row, &err) == -1)
        assert_string_equal(err.text, "it ended the process in its check(): exit=3");
    catalogue_close(&catalogue);
}

static void a_check_that_crashes_is_a_refusal(void **state)
{
    struct catalogue catalogue = catalogue_with(start_behaviour);
    struct catalogue_row row = {.dir = "/d", .plugin = "x"};
    struct err err = ERR_EMPTY;

    (void)state;
    behaviour = crashes;
    assert_int_equal(catalogue_check(&catalogue, &row, &err), -1);
    assert_string_equal(err.text,
                        "it crashed in its check(): signal=11 (Segmentation fault)");
    catalogue_close(&catalogue);
}

static void the_real_child_refuses_what_plug_refuses(void **state)
{
    struct catalogue catalogue = catalogue_with(start_real);
    struct err err = ERR_EMPTY;

    (void)state;
    assert_null(catalogue_describe(&catalogue, "/nowhere", "x", &err));
    assert_string_equal(
        err.text,
        "/nowhere: cannot open the plugin directory: No such file or directory");
    assert_null(catalogue_describe(&catalogue, "/usr/lib", "../x", &err));
    assert_non_null(strstr(err.text, "is not a plugin's name"));
    assert_int_equal(starts, 1); /* an error is not the child's end */
    catalogue_close(&catalogue);
}

/* ---- with the plugins that `make check` builds ------------------------------------ */

static const char *plugins_dir(void)
{
    static char dir[512];

    snprintf(dir, sizeof(dir), "%s/tests/plugins/.libs",
             getenv("top_builddir") != NULL ? getenv("top_builddir") : "");
    if (access(dir, R_OK) == -1)
        skip();
    return dir;
}

static void constructors_cost_a_line_each(void **state)
{
    static const struct {
        const char *plugin, *want; /* NULL: good */
    } plugins[] = {
        {"crash_in_constructor", "it crashed when it was loaded: signal=11"},
        {"newer", NULL},
        {"hang_in_constructor", "it hung when it was loaded"},
        {"old_abi", "built for plugin interface"},
        {"blocking_run", NULL},
    };
    const char *dir = plugins_dir();
    struct catalogue catalogue = catalogue_with(start_real);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(plugins); i++) {
        struct err err = ERR_EMPTY;
        const struct descriptor *got =
            catalogue_describe(&catalogue, dir, plugins[i].plugin, &err);

        if ((got != NULL) != (plugins[i].want == NULL) ||
            (got == NULL && strstr(err.text, plugins[i].want) == NULL))
            fail_msg("%s: %s", plugins[i].plugin, err.text);
    }
    assert_int_equal(starts, 3);
    catalogue_close(&catalogue);
}

static void options_are_shown_to_the_real_plugin(void **state)
{
    static const char *const keys[] = {"first"};
    static const char *const values[] = {"9"}, *const too_much[] = {"10"};
    struct catalogue_row row = {plugins_dir(), "newer", keys, values, 1};
    struct catalogue catalogue = catalogue_with(start_real);
    struct err err = ERR_EMPTY;

    (void)state;
    assert_int_equal(catalogue_check(&catalogue, &row, &err), 0);
    row.values = too_much;
    assert_int_equal(catalogue_check(&catalogue, &row, &err), -1);
    assert_string_equal(err.text, "first: 10 is above 9");
    assert_int_equal(starts, 1);
    catalogue_close(&catalogue);
}

static void nothing_is_left_behind(void **state)
{
    no_descriptor_is_left(state);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_children_become_a_text),
        cmocka_unit_test(a_child_that_cannot_be_started_is_an_error),
        cmocka_unit_test(a_call_of_ours_that_fails_is_no_plugins_fault),
        cmocka_unit_test(a_child_that_cannot_begin_is_no_plugins_fault),
        cmocka_unit_test(a_child_that_died_is_replaced),
        cmocka_unit_test(a_descriptor_is_asked_for_once_and_stays),
        cmocka_unit_test(an_answer_before_the_question_is_not_believed),
        cmocka_unit_test(a_check_that_crashes_is_a_refusal),
        cmocka_unit_test(the_real_child_refuses_what_plug_refuses),
        cmocka_unit_test(constructors_cost_a_line_each),
        cmocka_unit_test(options_are_shown_to_the_real_plugin),
        cmocka_unit_test(nothing_is_left_behind),
    };

    return cmocka_run_group_tests(tests, descriptors_at_start, NULL);
}
