#include "proc/reap.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "support/slow.h"

#define MANY 2000

static struct child children[MANY];
static int ended, last_status;
static char logged[LOG_LINE];

static void keep_line(enum log_level level, const char *subject, const char *line)
{
    (void)level, (void)subject;
    snprintf(logged, sizeof logged, "%s", line);
}

static void count_end(struct child *child, int status, void *context)
{
    assert_ptr_equal(context, &ended);
    assert_int_equal(child->pid, 0);
    ended++;
    last_status = status;
}

/* A child that ends with `code`, or waits for a signal when that is negative. */
static pid_t start(int code)
{
    pid_t pid = fork();

    assert_int_not_equal(pid, -1);
    if (pid != 0)
        return pid;
    while (code < 0)
        pause();
    _exit(code);
}

/* Collects until `want` children have ended; waits for the next without taking it
 * away. */
static void collect(int want)
{
    int64_t deadline_ms = clock_ms() + 20000;
    siginfo_t info;

    while (ended < want) {
        assert_true(clock_ms() < deadline_ms);
        assert_int_equal(waitid(P_ALL, 0, &info, WEXITED | WNOWAIT), 0);
        reap_collect();
    }
}

static int clear(void **state)
{
    (void)state;
    ended = 0;
    logged[0] = '\0';
    log_to(keep_line);
    log_set_level(LOG_DEBUG_);
    return 0;
}

static int nobody_is_left(void **state)
{
    (void)state;
    log_to(NULL);
    return reap_count() != 0 || waitpid(-1, NULL, WNOHANG) != -1;
}

static void an_end_is_told_once(void **state)
{
    struct child *child = &children[0];

    (void)state;
    reap_watch(child, start(3), count_end, &ended);
    assert_int_equal(reap_count(), 1);
    collect(1);
    reap_collect();
    assert_int_equal(ended, 1);
    assert_true(WIFEXITED(last_status) && WEXITSTATUS(last_status) == 3);
    assert_int_equal(reap_count(), 0);
}

static void f6_thousands_that_end_together_leave_no_zombie(void **state)
{
    const int many = (int)slow_count(MANY);

    (void)state;
    for (int i = 0; i < many; i++)
        reap_watch(&children[i], start(0), count_end, &ended);
    assert_int_equal(reap_count(), many);
    collect(many);
}

static void f6_a_stopped_child_has_not_ended(void **state)
{
    struct child *child = &children[0];
    siginfo_t info;

    (void)state;
    reap_watch(child, start(-1), count_end, &ended);
    assert_int_equal(reap_signal(child, SIGSTOP), 0);
    assert_int_equal(waitid(P_PID, (id_t)child->pid, &info, WSTOPPED | WNOWAIT), 0);
    reap_collect();
    assert_int_equal(ended, 0);
    assert_int_equal(reap_signal(child, SIGCONT), 0);
    assert_int_equal(reap_signal(child, SIGKILL), 0);
    collect(1);
    assert_true(WIFSIGNALED(last_status) && WTERMSIG(last_status) == SIGKILL);
}

static void note_stop(struct child *child, bool is_stopped, void *context)
{
    (void)child;
    *(int *)context += is_stopped ? 1 : 100;
}

static void who_asks_hears_of_stops(void **state)
{
    struct child *child = &children[0];
    siginfo_t info;

    (void)state;
    reap_watch(child, start(-1), count_end, &ended);
    child->on_stop = note_stop;
    assert_int_equal(reap_signal(child, SIGSTOP), 0);
    assert_int_equal(waitid(P_PID, (id_t)child->pid, &info, WSTOPPED | WNOWAIT), 0);
    reap_collect();
    assert_int_equal(ended, 1);
    assert_int_equal(reap_signal(child, SIGCONT), 0);
    assert_int_equal(waitid(P_PID, (id_t)child->pid, &info, WCONTINUED | WNOWAIT), 0);
    reap_collect();
    assert_int_equal(ended, 101);
    ended = 0;
    assert_int_equal(reap_signal(child, SIGKILL), 0);
    collect(1);
}

static void f6_a_stranger_is_forgotten(void **state)
{
    siginfo_t info;
    char want[64];
    pid_t pid = start(5);

    (void)state;
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    reap_collect();
    assert_int_equal(ended, 0);
    snprintf(want, sizeof want, "end pid=%d exit=5", (int)pid);
    assert_string_equal(logged, want);
}

static void f7_only_what_is_registered_is_signalled(void **state)
{
    struct child *child = &children[0];
    pid_t pid = start(-1);

    (void)state;
    reap_watch(child, pid, count_end, &ended);
    reap_forget(child);
    reap_forget(child);
    assert_int_equal(reap_signal(child, SIGKILL), -1);
    assert_int_equal(errno, ESRCH);
    assert_int_equal(reap_signal_session(child, SIGKILL), -1);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void a_session_is_signalled_as_a_whole(void **state)
{
    struct child *child = &children[0];
    int pair[2];
    char byte;
    pid_t pid;

    (void)state;
    assert_int_equal(pipe(pair), 0);
    pid = fork();
    if (pid == 0) {
        setsid();
        if (fork() == 0 && write(pair[1], "x", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    reap_watch(child, pid, count_end, &ended);
    close(pair[1]);
    assert_int_equal(read(pair[0], &byte, 1), 1);
    assert_int_equal(reap_signal_session(child, SIGKILL), 0);
    assert_int_equal(read(pair[0], &byte, 1), 0); /* the grandchild held the other end */
    close(pair[0]);
    collect(1);
}

static void a_child_without_a_session_is_signalled_itself(void **state)
{
    (void)state;
    reap_watch(&children[0], start(-1), count_end, &ended);
    assert_int_equal(reap_signal_session(&children[0], SIGKILL), 0);
    collect(1);
}

static void watch_next(struct child *child, int status, void *context)
{
    (void)status, (void)context;
    reap_watch(child, start(0), count_end, &ended);
    reap_forget(&children[1]);
}

static void a_callback_may_watch_and_forget(void **state)
{
    siginfo_t info;
    pid_t other;

    (void)state;
    other = start(-1);
    reap_watch(&children[1], other, count_end, &ended);
    reap_watch(&children[0], start(0), watch_next, NULL);
    assert_int_equal(waitid(P_ALL, 0, &info, WEXITED | WNOWAIT), 0);
    collect(1);
    kill(other, SIGKILL);
    assert_int_equal(waitpid(other, NULL, 0), other);
}

static void all_are_forgotten_at_once(void **state)
{
    struct child before[3];
    pid_t pids[3];

    (void)state;
    for (int i = 0; i < 3; i++) {
        pids[i] = start(-1);
        reap_watch(&children[i], pids[i], count_end, &ended);
    }
    memcpy(before, children, sizeof before);
    reap_forget_all();
    assert_int_equal(reap_count(), 0);
    /* A forked child would pay for each with a page of its own. */
    assert_memory_equal(children, before, sizeof before);
    for (int i = 0; i < 3; i++) {
        assert_false(reap_is_watched(pids[i]));
        kill(pids[i], SIGKILL);
        assert_int_equal(waitpid(pids[i], NULL, 0), pids[i]);
    }
}

static void an_end_is_told_in_words(void **state)
{
    static const struct {
        int status;
        const char *want;
    } cases[] = {{0, "exit=0"},
                 {3 << 8, "exit=3"},
                 {SIGSEGV, "signal=11 (Segmentation fault)"},
                 {SIGKILL, "signal=9 (Killed)"},
                 {SIGABRT | 0x80, "signal=6 (Aborted)"}};
    char text[64];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_string_equal(reap_print(cases[i].status, text, sizeof text),
                            cases[i].want);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, clear, nobody_is_left)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(an_end_is_told_once),
        CASE(f6_thousands_that_end_together_leave_no_zombie),
        CASE(f6_a_stopped_child_has_not_ended),
        CASE(who_asks_hears_of_stops),
        CASE(f6_a_stranger_is_forgotten),
        CASE(f7_only_what_is_registered_is_signalled),
        CASE(a_session_is_signalled_as_a_whole),
        CASE(a_child_without_a_session_is_signalled_itself),
        CASE(a_callback_may_watch_and_forget),
        CASE(all_are_forgotten_at_once),
        CASE(an_end_is_told_in_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
