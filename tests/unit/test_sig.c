#include "loop/sig.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"

static const int wanted[] = { SIGHUP, SIGTERM, SIGCHLD, SIGUSR1, 0 };

struct scene {
    struct loop loop;
    struct sig sig;
    struct watch deadline;
    int seen[NSIG], count, stop_after;
    bool closes;
};

static void too_late(int fd, short what, void *context)
{
    (void)fd, (void)what, (void)context;
    fail_msg("no signal came within 5 seconds");
}

static void note(const struct signalfd_siginfo *info, void *context)
{
    struct scene *scene = context;

    scene->seen[info->ssi_signo]++;
    if (scene->closes)
        sig_close(&scene->sig, &scene->loop);
    if (++scene->count == scene->stop_after)
        loop_stop(&scene->loop);
}

static void scene_open(struct scene *scene, bool solo)
{
    struct err err = ERR_EMPTY;

    memset(scene, 0, sizeof *scene);
    assert_int_equal(solo ? loop_open_solo(&scene->loop, &err)
                          : loop_open(&scene->loop, LOOP_AUTO, &err),
                     0);
    assert_int_equal(sig_open(&scene->sig, &scene->loop, wanted, note, scene, &err), 0);
    timer_init(&scene->deadline, too_late, NULL);
    timer_start(&scene->loop, &scene->deadline, 5000);
}

static void scene_close(struct scene *scene)
{
    timer_stop(&scene->loop, &scene->deadline);
    sig_close(&scene->sig, &scene->loop);
    sig_close(&scene->sig, &scene->loop);
    assert_int_equal(scene->sig.fd, -1);
    loop_close(&scene->loop);
}

static void run(struct scene *scene, int stop_after)
{
    struct err err = ERR_EMPTY;

    scene->stop_after = stop_after;
    assert_int_equal(loop_run(&scene->loop, &err), 0);
}

static void signals_arrive_in_the_loop(void **state)
{
    (void)state;
    for (int solo = 0; solo < 2; solo++) {
        struct scene s;

        scene_open(&s, solo);
        assert_true(fcntl(s.sig.fd, F_GETFD) & FD_CLOEXEC);
        kill(getpid(), SIGHUP);
        kill(getpid(), SIGTERM);
        kill(getpid(), SIGUSR1);
        run(&s, 3);
        assert_int_equal(s.seen[SIGHUP], 1);
        assert_int_equal(s.seen[SIGTERM], 1);
        assert_int_equal(s.seen[SIGUSR1], 1);
        scene_close(&s);
    }
}

static void a_child_that_ends_is_a_signal(void **state)
{
    struct scene s;
    pid_t pid;

    (void)state;
    scene_open(&s, false);
    pid = fork();
    if (pid == 0)
        _exit(0);
    run(&s, 1);
    assert_int_equal(s.seen[SIGCHLD], 1);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    scene_close(&s);
}

/* Twelve kinds in one go are more than one read takes. */
static void f1_f2_none_is_lost_when_many_come(void **state)
{
    static const int many[] = {SIGHUP,  SIGINT,  SIGQUIT, SIGUSR1, SIGUSR2,
                               SIGALRM, SIGTERM, SIGCHLD, SIGPIPE, SIGVTALRM,
                               SIGPROF, SIGIO,   0};
    struct scene s;
    struct err err = ERR_EMPTY;

    (void)state;
    scene_open(&s, false);
    sig_close(&s.sig, &s.loop);
    assert_int_equal(sig_open(&s.sig, &s.loop, many, note, &s, &err), 0);
    for (size_t i = 0; many[i] != 0; i++)
        kill(getpid(), many[i]);
    run(&s, ARRAY_LEN(many) - 1);
    for (size_t i = 0; many[i] != 0; i++)
        assert_int_equal(s.seen[many[i]], 1);
    scene_close(&s);
}

static void a_callback_may_close(void **state)
{
    struct scene s;
    siginfo_t info;
    sigset_t set;

    (void)state;
    scene_open(&s, false);
    s.closes = true;
    kill(getpid(), SIGHUP);
    kill(getpid(), SIGUSR1);
    run(&s, 1);
    assert_int_equal(s.count, 1);
    scene_close(&s);
    sigemptyset(&set); /* whatever the read left behind */
    sigaddset(&set, SIGUSR1);
    sigtimedwait(&set, &info, &(struct timespec){0, 0});
}

static int count_blocked(void)
{
    struct err err = ERR_EMPTY;
    struct sigaction action;
    sigset_t mask;

    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    if (sig_block(&err) == -1)
        return 1;
    for (int number = 1; number < NSIG; number++)
        if (sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_IGN)
            return 2;
    sigprocmask(SIG_SETMASK, NULL, &mask);
    for (size_t i = 0; wanted[i] != 0; i++)
        if (sigismember(&mask, wanted[i]) != 1)
            return 3;
    if (sigismember(&mask, SIGPIPE) != 1 || sigismember(&mask, SIGSEGV) != 0)
        return 4;
    kill(getpid(), SIGTERM); /* survived */
    return 0;
}

static void blocking_forgets_what_the_starter_ignored(void **state)
{
    int status;
    pid_t pid = fork();

    (void)state;
    if (pid == 0)
        _exit(count_blocked());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

/* SIGCHLD from tests before would be one too many. */
static int start_clean(void **state)
{
    sigset_t set;
    siginfo_t info;

    (void)state;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    while (sigtimedwait(&set, &info, &(struct timespec){0, 0}) != -1)
        ;
    return 0;
}

#define CASE(name) cmocka_unit_test_setup(name, start_clean)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(signals_arrive_in_the_loop),
        CASE(a_child_that_ends_is_a_signal),
        CASE(f1_f2_none_is_lost_when_many_come),
        CASE(a_callback_may_close),
        CASE(blocking_forgets_what_the_starter_ignored),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
