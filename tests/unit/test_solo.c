/* What test_loop does not reach: turns one by one, time that the test sets, many
 * watches. */
#include "loop/solo.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"

#define MANY 50

static int polls_to_fail, poll_error, last_wait_ms;

/* poll() as solo calls it: sees how long it would wait, can fail, never really waits. */
int poll(struct pollfd *fds, nfds_t count, int wait_ms)
{
    struct timespec none = { 0, 0 };

    last_wait_ms = wait_ms;
    if (polls_to_fail > 0) {
        polls_to_fail--;
        errno = poll_error;
        return -1;
    }
    return (int)syscall(SYS_ppoll, fds, count, &none, NULL, 0);
}

static struct solo *solo;
static struct watch watches[MANY];
static int calls[MANY], pair[2];
static short last_what;

static size_t place_of(const void *context)
{
    return (size_t)((const struct watch *)context - watches);
}

static void count(int fd, short what, void *context)
{
    (void)fd;
    last_what = what;
    calls[place_of(context)]++;
}

/* The first that runs stops all, itself included. */
static void stop_all(int fd, short what, void *context)
{
    count(fd, what, context);
    for (size_t i = 0; i < MANY; i++)
        solo_remove(solo, &watches[i]);
}

/* Stops and starts itself and one other again, and adds a new one: none runs in this
 * turn. */
static void start_again(int fd, short what, void *context)
{
    count(fd, what, context);
    for (size_t i = 0; i < 3; i++)
        solo_add(solo, &watches[i], -1);
}

static int set_up(void **state)
{
    (void)state;
    solo = solo_open();
    memset(calls, 0, sizeof calls);
    clock_fake(1000);
    return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair);
}

static int tear_down(void **state)
{
    (void)state;
    solo_close(&solo);
    clock_fake(-1);
    return solo != NULL || close(pair[0]) == -1 || close(pair[1]) == -1;
}

static void nothing_to_wait_for_ends_it(void **state)
{
    (void)state;
    assert_int_equal(solo_turn(solo), 1);
    timer_init(&watches[0], count, &watches[0]);
    solo_add(solo, &watches[0], 5);
    assert_int_equal(solo_turn(solo), 0);
    solo_remove(solo, &watches[0]);
    solo_remove(solo, &watches[0]);
    assert_int_equal(solo_turn(solo), 1);
    assert_int_equal(calls[0], 0);
}

static void the_wait_is_as_long_as_the_nearest_timer(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++)
        timer_init(&watches[i], count, &watches[i]);
    watch_init(&watches[3], pair[0], LOOP_READ, count, &watches[3]);
    solo_add(solo, &watches[3], -1);
    assert_int_equal(solo_turn(solo), 0);
    assert_int_equal(last_wait_ms, -1);
    solo_add(solo, &watches[0], 700);
    solo_add(solo, &watches[1], 300);
    solo_add(solo, &watches[2], (int64_t)1 << 40); /* beyond what poll() can be told */
    solo_turn(solo);
    assert_int_equal(last_wait_ms, 300);
    clock_fake(1299);
    solo_turn(solo);
    assert_int_equal(last_wait_ms, 1);
    assert_int_equal(calls[1], 0);
    clock_fake(1300);
    solo_turn(solo);
    assert_int_equal(calls[1], 1);
    assert_int_equal(last_what, LOOP_TIMEOUT);
    assert_false(solo_has(solo, &watches[1]));
    clock_fake(9999);
    solo_turn(solo);
    assert_int_equal(last_wait_ms, 0);
    assert_int_equal(calls[0], 1);
    assert_int_equal(calls[1], 1);
    solo_turn(solo);
    assert_int_equal(last_wait_ms, 0x7fffffff);
}

static void all_that_is_ready_runs_in_a_turn(void **state)
{
    (void)state;
    for (size_t i = 0; i < MANY; i++) {
        watch_init(&watches[i], pair[i % 2], LOOP_WRITE, count, &watches[i]);
        solo_add(solo, &watches[i], -1);
    }
    solo_turn(solo);
    solo_turn(solo);
    for (size_t i = 0; i < MANY; i++)
        assert_int_equal(calls[i], 2);
}

static void a_callback_may_stop_all(void **state)
{
    (void)state;
    for (size_t i = 0; i < MANY; i++) {
        watch_init(&watches[i], pair[0], LOOP_WRITE, stop_all, &watches[i]);
        solo_add(solo, &watches[i], -1);
    }
    assert_int_equal(solo_turn(solo), 0);
    assert_int_equal(calls[0], 1);
    for (size_t i = 1; i < MANY; i++)
        assert_int_equal(calls[i], 0);
    assert_int_equal(solo_turn(solo), 1);
}

static void what_starts_in_a_turn_runs_in_the_next(void **state)
{
    (void)state;
    watch_init(&watches[0], pair[0], LOOP_WRITE, start_again, &watches[0]);
    watch_init(&watches[1], pair[0], LOOP_WRITE, count, &watches[1]);
    watch_init(&watches[2], pair[1], LOOP_WRITE, count, &watches[2]);
    solo_add(solo, &watches[0], -1);
    solo_add(solo, &watches[1], -1);
    solo_turn(solo);
    assert_int_equal(calls[0], 1);
    assert_int_equal(calls[1], 0);
    assert_int_equal(calls[2], 0);
    solo_remove(solo, &watches[0]);
    solo_turn(solo);
    assert_int_equal(calls[1], 1);
    assert_int_equal(calls[2], 1);
}

static void a_timer_that_restarts_itself_does_not_hold_the_turn(void **state)
{
    (void)state;
    timer_init(&watches[0], start_again, &watches[0]);
    for (size_t i = 1; i < 3; i++)
        watch_init(&watches[i], pair[0], LOOP_READ, count, &watches[i]);
    solo_add(solo, &watches[0], 0);
    solo_turn(solo);
    assert_int_equal(calls[0], 1);
}

static void failures_are_told_from_interruptions(void **state)
{
    static const struct {
        int error, want;
    } cases[] = {{EINTR, 0}, {ENOMEM, -1}, {EINVAL, -1}};

    (void)state;
    watch_init(&watches[0], pair[0], LOOP_WRITE, count, &watches[0]);
    solo_add(solo, &watches[0], -1);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        polls_to_fail = 1;
        poll_error = cases[i].error;
        assert_int_equal(solo_turn(solo), cases[i].want);
        assert_int_equal(calls[0], 0);
    }
    assert_int_equal(solo_turn(solo), 0);
    assert_int_equal(calls[0], 1);
}

/* A descriptor that somebody closed must be noticed by its owner, not waited for in
 * vain. */
static void a_broken_descriptor_is_ready(void **state)
{
    int fd = dup(pair[0]);

    (void)state;
    watch_init(&watches[0], fd, LOOP_READ, count, &watches[0]);
    solo_add(solo, &watches[0], -1);
    close(fd);
    solo_turn(solo);
    assert_int_equal(calls[0], 1);
    assert_int_equal(last_what, LOOP_READ);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(nothing_to_wait_for_ends_it),
        CASE(the_wait_is_as_long_as_the_nearest_timer),
        CASE(all_that_is_ready_runs_in_a_turn),
        CASE(a_callback_may_stop_all),
        CASE(what_starts_in_a_turn_runs_in_the_next),
        CASE(a_timer_that_restarts_itself_does_not_hold_the_turn),
        CASE(failures_are_told_from_interruptions),
        CASE(a_broken_descriptor_is_ready),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
