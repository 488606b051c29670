/* Every behaviour of loop.h, on each thing that can stand behind it. */
#include "loop/loop.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <fcntl.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

/* libevent's system calls pass here: counted, or made to fail. */
static int controls, waits_to_fail, waits_failed;

int epoll_ctl(int epfd, int op, int fd, struct epoll_event *event)
{
    controls++;
    return (int)syscall(SYS_epoll_ctl, epfd, op, fd, event);
}

int epoll_wait(int epfd, struct epoll_event *events, int max, int timeout)
{
    if (waits_to_fail != 0) {
        waits_to_fail--;
        waits_failed++;
        errno = EINVAL;
        return -1;
    }
    return (int)syscall(SYS_epoll_pwait, epfd, events, max, timeout, NULL, 8);
}

static const struct {
    const char *method;
    enum loop_kind kind;
} kinds[] = {{"epoll", LOOP_EPOLL},
             {"poll", LOOP_POLL},
             {"select", LOOP_SELECT},
             {"solo", LOOP_AUTO}};

static void open_kind(struct loop *loop, size_t i)
{
    struct err err = ERR_EMPTY;

    if (strcmp(kinds[i].method, "solo") == 0)
        assert_int_equal(loop_open_solo(loop, &err), 0);
    else
        assert_int_equal(loop_open(loop, kinds[i].kind, &err), 0);
    assert_string_equal(loop_method(loop), kinds[i].method);
}

/* One loop, a pair of connected sockets, and a deadline that fails the test. */
struct scene {
    struct loop loop;
    int pair[2];
    struct watch watch, other, timer, deadline;
    int calls, other_calls, ticks;
    short what;
    struct watch *on_heap;
};

static void too_late(int fd, short what, void *context)
{
    (void)fd, (void)what, (void)context;
    fail_msg("nothing happened for 5 seconds");
}

static void scene_open(struct scene *scene, size_t kind)
{
    memset(scene, 0, sizeof *scene);
    open_kind(&scene->loop, kind);
    assert_int_equal(
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, scene->pair),
        0);
    timer_init(&scene->deadline, too_late, NULL);
    timer_start(&scene->loop, &scene->deadline, 5000);
}

static void scene_close(struct scene *scene)
{
    timer_stop(&scene->loop, &scene->deadline);
    watch_stop(&scene->loop, &scene->watch);
    watch_stop(&scene->loop, &scene->other);
    timer_stop(&scene->loop, &scene->timer);
    loop_close(&scene->loop);
    close(scene->pair[0]);
    close(scene->pair[1]);
}

static void scene_run(struct scene *scene)
{
    struct err err = ERR_EMPTY;

    assert_int_equal(loop_run(&scene->loop, &err), 0);
}

static void count_and_stop(int fd, short what, void *context)
{
    struct scene *scene = context;

    (void)fd;
    scene->calls++;
    scene->what = what;
    loop_stop(&scene->loop);
}

static void reading_and_writing_are_told_apart(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct scene s;
        struct err err = ERR_EMPTY;

        scene_open(&s, i);
        watch_init(&s.watch, s.pair[0], LOOP_READ | LOOP_WRITE, count_and_stop, &s);
        assert_false(watch_is_on(&s.loop, &s.watch));
        assert_int_equal(watch_start(&s.loop, &s.watch, &err), 0);
        assert_int_equal(watch_start(&s.loop, &s.watch, &err), 0);
        assert_true(watch_is_on(&s.loop, &s.watch));
        scene_run(&s);
        assert_int_equal(s.what, LOOP_WRITE);
        assert_int_equal(write(s.pair[1], "x", 1), 1);
        scene_run(&s);
        assert_int_equal(s.what, LOOP_READ | LOOP_WRITE);
        scene_run(&s); /* level-triggered: nobody read */
        assert_int_equal(s.calls, 3);
        scene_close(&s);
    }
}

static void end_of_file_is_readable(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct scene s;
        struct err err = ERR_EMPTY;

        scene_open(&s, i);
        watch_init(&s.watch, s.pair[0], LOOP_READ, count_and_stop, &s);
        assert_int_equal(watch_start(&s.loop, &s.watch, &err), 0);
        shutdown(s.pair[1], SHUT_RDWR);
        scene_run(&s);
        assert_int_equal(s.what, LOOP_READ);
        scene_close(&s);
    }
}

static void changing_costs_no_more_system_calls_than_it_must(void **state)
{
    static const struct {
        short from, to;
        int calls;
    } cases[] = {{LOOP_READ, LOOP_READ, 0},
                 {LOOP_READ, LOOP_READ | LOOP_WRITE, 1},
                 {LOOP_READ | LOOP_WRITE, LOOP_READ, 1},
                 {LOOP_READ | LOOP_WRITE, LOOP_WRITE, 1},
                 {LOOP_READ, LOOP_WRITE, 2},
                 {LOOP_WRITE, LOOP_READ, 2}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct scene s;
        struct err err = ERR_EMPTY;

        scene_open(&s, 0);
        watch_init(&s.watch, s.pair[0], cases[i].from, count_and_stop, &s);
        assert_int_equal(watch_start(&s.loop, &s.watch, &err), 0);
        controls = 0;
        assert_int_equal(watch_change(&s.loop, &s.watch, cases[i].to, &err), 0);
        assert_int_equal(controls, cases[i].calls);
        assert_int_equal(write(s.pair[1], "x", 1), 1);
        scene_run(&s);
        assert_int_equal(s.what, cases[i].to);
        controls = 0;
        watch_stop(&s.loop, &s.watch);
        assert_int_equal(controls, 1);
        watch_stop(&s.loop, &s.watch);
        assert_int_equal(controls, 1);
        scene_close(&s);
    }
}

static void a_changed_watch_wants_the_new_thing_only(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct scene s;
        struct err err = ERR_EMPTY;

        scene_open(&s, i);
        assert_int_equal(write(s.pair[1], "x", 1), 1);
        watch_init(&s.watch, s.pair[0], LOOP_READ, count_and_stop, &s);
        assert_int_equal(watch_change(&s.loop, &s.watch, LOOP_WRITE, &err), 0);
        scene_run(&s);
        assert_int_equal(s.what, LOOP_WRITE);
        assert_int_equal(watch_change(&s.loop, &s.watch, LOOP_READ, &err), 0);
        scene_run(&s);
        assert_int_equal(s.what, LOOP_READ);
        scene_close(&s);
    }
}

static void a_stopped_watch_is_silent(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct scene s;
        struct err err = ERR_EMPTY;

        scene_open(&s, i);
        timer_stop(&s.loop, &s.deadline);
        watch_stop(&s.loop, &s.watch); /* all zero: never even made */
        assert_int_equal(write(s.pair[1], "x", 1), 1);
        watch_init(&s.watch, s.pair[0], LOOP_READ, count_and_stop, &s);
        watch_stop(&s.loop, &s.watch);
        assert_int_equal(watch_start(&s.loop, &s.watch, &err), 0);
        watch_stop(&s.loop, &s.watch);
        watch_stop(&s.loop, &s.watch);
        assert_false(watch_is_on(&s.loop, &s.watch));
        scene_run(&s); /* ends: nothing is watched */
        assert_int_equal(s.calls, 0);
        scene_close(&s);
    }
}

static void stop_other(int fd, short what, void *context)
{
    struct scene *scene = context;
    struct watch *mine = fd == scene->pair[0] ? &scene->watch : &scene->other;

    (void)what;
    scene->calls++;
    watch_stop(&scene->loop, mine == &scene->watch ? &scene->other : &scene->watch);
    loop_stop(&scene->loop);
}

static void a_callback_may_stop_one_that_is_ready_too(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct scene s;
        struct err err = ERR_EMPTY;

        scene_open(&s, i);
        watch_init(&s.watch, s.pair[0], LOOP_WRITE, stop_other, &s);
        watch_init(&s.other, s.pair[1], LOOP_WRITE, stop_other, &s);
        assert_int_equal(watch_start(&s.loop, &s.watch, &err), 0);
        assert_int_equal(watch_start(&s.loop, &s.other, &err), 0);
        scene_run(&s);
        scene_run(&s);
        assert_int_equal(s.calls, 2); /* twice the same one */
        assert_int_equal(watch_is_on(&s.loop, &s.watch) + watch_is_on(&s.loop, &s.other),
                         1);
        scene_close(&s);
    }
}

static void free_myself(int fd, short what, void *context)
{
    struct scene *scene = context;

    (void)fd, (void)what;
    scene->calls++;
    watch_stop(&scene->loop, scene->on_heap);
    mem_free(&scene->on_heap);
    loop_stop(&scene->loop);
}

static void a_callback_may_free_its_own_watch(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct scene s;
        struct err err = ERR_EMPTY;

        scene_open(&s, i);
        s.on_heap = mem_new(sizeof *s.on_heap);
        watch_init(s.on_heap, s.pair[0], LOOP_WRITE, free_myself, &s);
        assert_int_equal(watch_start(&s.loop, s.on_heap, &err), 0);
        scene_run(&s);
        s.on_heap = mem_new(sizeof *s.on_heap);
        timer_init(s.on_heap, free_myself, &s);
        timer_start(&s.loop, s.on_heap, 0);
        scene_run(&s);
        assert_int_equal(s.calls, 2);
        scene_close(&s);
    }
}

static void tick(int fd, short what, void *context)
{
    struct scene *scene = context;

    (void)fd;
    assert_int_equal(what, LOOP_TIMEOUT);
    assert_false(timer_is_on(&scene->loop, &scene->timer));
    if (++scene->ticks < 3)
        timer_start(&scene->loop, &scene->timer, 1);
}

static void a_timer_runs_once_and_may_be_started_again(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct scene s;
        int64_t began = clock_ms();

        scene_open(&s, i);
        timer_stop(&s.loop, &s.deadline);
        timer_init(&s.timer, tick, &s);
        timer_start(&s.loop, &s.timer, 3600000);
        timer_start(&s.loop, &s.timer, 1); /* replaces */
        assert_true(timer_is_on(&s.loop, &s.timer));
        scene_run(&s);
        assert_int_equal(s.ticks, 3);
        assert_true(clock_ms() - began < 5000);
        timer_start(&s.loop, &s.timer, 1);
        timer_stop(&s.loop, &s.timer);
        scene_run(&s);
        assert_int_equal(s.ticks, 3);
        scene_close(&s);
    }
}

static void a_stop_before_the_run_is_kept(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct scene s;

        scene_open(&s, i);
        loop_stop(&s.loop);
        scene_run(&s);
        scene_close(&s);
    }
}

static void select_refuses_what_its_sets_cannot_hold(void **state)
{
    struct rlimit limit = {FD_SETSIZE + 10, FD_SETSIZE + 10}, old;
    struct scene s;
    struct err err = ERR_EMPTY;
    int high;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    limit.rlim_max = old.rlim_max;
    if (old.rlim_max < limit.rlim_cur)
        skip();
    if (old.rlim_cur < limit.rlim_cur)
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        bool is_select = kinds[i].kind == LOOP_SELECT;

        scene_open(&s, i);
        high = fcntl(s.pair[0], F_DUPFD_CLOEXEC, FD_SETSIZE);
        assert_int_not_equal(high, -1);
        watch_init(&s.watch, high, LOOP_WRITE, count_and_stop, &s);
        assert_int_equal(watch_start(&s.loop, &s.watch, &err), is_select ? -1 : 0);
        if (!is_select)
            scene_run(&s);
        scene_close(&s);
        close(high);
    }
    assert_int_equal(err.code, EMFILE);
    assert_non_null(strstr(err.text, "1024"));
    setrlimit(RLIMIT_NOFILE, &old);
}

static void a_kernel_that_refuses_a_descriptor_is_reported(void **state)
{
    struct scene s;
    struct err err = ERR_EMPTY;
    int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);

    (void)state;
    scene_open(&s, 0);
    close(fd);
    watch_init(&s.watch, fd, LOOP_READ, count_and_stop, &s);
    assert_int_equal(watch_start(&s.loop, &s.watch, &err), -1);
    assert_int_equal(err.code, EBADF);
    assert_false(watch_is_on(&s.loop, &s.watch));
    scene_close(&s);
}

static int warnings;

static void count_warnings(enum log_level level, const char *subject, const char *line)
{
    (void)subject, (void)line;
    warnings += level == LOG_WARNING_;
}

static void b13_a_wait_that_fails_backs_off_and_is_reported_once(void **state)
{
    struct scene s;
    struct err err = ERR_EMPTY;

    (void)state;
    log_to(count_warnings);
    scene_open(&s, 0);
    watch_init(&s.watch, s.pair[0], LOOP_WRITE, count_and_stop, &s);
    assert_int_equal(watch_start(&s.loop, &s.watch, &err), 0);
    waits_failed = 0;
    waits_to_fail = 3;
    scene_run(&s);
    assert_int_equal(s.calls, 1);
    assert_int_equal(waits_failed, 3);
    assert_int_equal(warnings, 1);
    waits_to_fail = -1; /* for ever */
    assert_int_equal(loop_run(&s.loop, &err), -1);
    assert_int_equal(err.code, EINVAL);
    assert_true(waits_failed < 20);
    waits_to_fail = 0;
    scene_close(&s);
    log_to(NULL);
}

static void f18_a_copy_made_by_fork_does_not_need_the_old_base(void **state)
{
    struct scene s;
    struct loop parent;
    struct err err = ERR_EMPTY;

    (void)state;
    scene_open(&s, 0);
    watch_init(&s.watch, s.pair[0], LOOP_WRITE, count_and_stop, &s);
    assert_int_equal(watch_start(&s.loop, &s.watch, &err), 0);
    parent = s.loop;
    controls = 0;
    assert_int_equal(loop_open_solo(&s.loop, &err), 0);
    assert_false(watch_is_on(&s.loop, &s.watch));
    watch_stop(&s.loop, &s.watch);
    assert_int_equal(watch_start(&s.loop, &s.watch, &err), 0);
    scene_run(&s);
    watch_stop(&s.loop, &s.watch);
    assert_int_equal(s.calls, 1);
    assert_int_equal(controls, 0);
    loop_close(&s.loop);
    s.loop = parent;
    scene_run(&s);
    assert_int_equal(s.calls, 2);
    scene_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reading_and_writing_are_told_apart),
        cmocka_unit_test(end_of_file_is_readable),
        cmocka_unit_test(changing_costs_no_more_system_calls_than_it_must),
        cmocka_unit_test(a_changed_watch_wants_the_new_thing_only),
        cmocka_unit_test(a_stopped_watch_is_silent),
        cmocka_unit_test(a_callback_may_stop_one_that_is_ready_too),
        cmocka_unit_test(a_callback_may_free_its_own_watch),
        cmocka_unit_test(a_timer_runs_once_and_may_be_started_again),
        cmocka_unit_test(a_stop_before_the_run_is_kept),
        cmocka_unit_test(select_refuses_what_its_sets_cannot_hold),
        cmocka_unit_test(a_kernel_that_refuses_a_descriptor_is_reported),
        cmocka_unit_test(b13_a_wait_that_fails_backs_off_and_is_reported_once),
        cmocka_unit_test(f18_a_copy_made_by_fork_does_not_need_the_old_base),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
