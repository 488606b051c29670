#include "master/doors.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- plans of rows "NAME", offered or not, in pools -------------------------------- */

static struct plan_service services[2][3];
static struct plan plans[2];

static struct plan *plan_of(int which, const char *const *keys)
{
    static char name[] = "row";

    memset(services[which], 0, sizeof(services[which]));
    plans[which] = (struct plan){ .services = services[which] };
    for (size_t i = 0; keys[i] != NULL; i++) {
        struct plan_service *service = &services[which][plans[which].service_count++];

        service->name = name;
        service->enabled = true;
        service->tcpmux = keys[i][0] != '-';
        service->pool_key = (char *)(uintptr_t)(keys[i] + (service->tcpmux ? 0 : 1));
    }
    return &plans[which];
}

#define PLAN(which, ...) plan_of(which, (const char *const[]){ __VA_ARGS__, NULL })

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) != -1;
}

static void a_pool_with_offered_rows_has_one_door(void **state)
{
    struct doors doors;
    struct door_ends ends;
    struct err err = ERR_EMPTY;
    char byte = 'x';

    (void)state;
    doors_init(&doors);
    assert_int_equal(doors_prepare(&doors, PLAN(0, "a", "a", "-b"), &err), 0);
    ends = doors_of(&doors, "a");
    assert_int_equal(doors_of(&doors, "b").send, -1);
    assert_int_equal(doors_of(&doors, "b").receive, -1);
    assert_int_equal(fcntl(ends.send, F_GETFD), FD_CLOEXEC);
    assert_int_equal(fcntl(ends.receive, F_GETFD), FD_CLOEXEC);
    assert_int_equal(send(ends.send, &byte, 1, MSG_NOSIGNAL), 1);
    assert_int_equal(send(ends.receive, &byte, 1, MSG_NOSIGNAL), -1); /* one way only */
    doors_close(&doors);
    assert_false(is_open(ends.send) || is_open(ends.receive));
}

static void a_reload_keeps_the_door_of_a_pool_that_stays(void **state)
{
    struct doors doors;
    struct door_ends kept, gone, fresh;
    struct err err = ERR_EMPTY;

    (void)state;
    doors_init(&doors);
    assert_int_equal(doors_prepare(&doors, PLAN(0, "a", "b"), &err), 0);
    doors_commit(&doors, &plans[0]);
    kept = doors_of(&doors, "a");
    gone = doors_of(&doors, "b");

    /* One that fails changes nothing. */
    assert_int_equal(doors_prepare(&doors, PLAN(1, "a", "-b", "c"), &err), 0);
    fresh = doors_of(&doors, "c");
    doors_abandon(&doors);
    assert_false(is_open(fresh.send));
    assert_int_equal(doors_of(&doors, "b").send, gone.send);

    assert_int_equal(doors_prepare(&doors, &plans[1], &err), 0);
    doors_commit(&doors, &plans[1]);
    assert_int_equal(doors_of(&doors, "a").receive, kept.receive);
    assert_int_equal(doors_of(&doors, "b").receive, -1);
    assert_true(is_open(kept.send) && is_open(doors_of(&doors, "c").send));
    doors_abandon(&doors);
    assert_true(is_open(doors_of(&doors, "c").send));
    doors_close(&doors);
    doors_close(&doors);
}

/* Valgrind only pretends to set the limit: whether the system keeps it. */
static bool limit_to(rlim_t count, struct rlimit *before)
{
    struct rlimit few;
    int pair[2] = { -1, -1 };
    bool is_kept;

    if (getrlimit(RLIMIT_NOFILE, before) == -1)
        return false;
    few = (struct rlimit){ count, before->rlim_max };
    if (setrlimit(RLIMIT_NOFILE, &few) == -1)
        return false;
    few.rlim_cur = count - 2; /* one less than a pair needs */
    if (setrlimit(RLIMIT_NOFILE, &few) == -1)
        return false;
    is_kept = socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == -1;
    if (!is_kept) {
        close(pair[0]);
        close(pair[1]);
    }
    few.rlim_cur = count;
    return setrlimit(RLIMIT_NOFILE, &few) == 0 && is_kept;
}

static void without_descriptors_nothing_is_made(void **state)
{
    struct doors doors;
    struct rlimit all;
    struct err err = ERR_EMPTY;
    int next = dup(STDIN_FILENO), result = -1;

    (void)state;
    close(next);
    doors_init(&doors);
    if (limit_to((rlim_t)next + 3, &all)) { /* room for one pair */
        result = doors_prepare(&doors, PLAN(0, "a", "b", "c"), &err);
        assert_non_null(strstr(err.text, "a way for tcpmux"));
    }
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &all), 0);
    assert_int_equal(result, -1);
    assert_int_equal(doors_of(&doors, "a").send, -1);
    doors_close(&doors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pool_with_offered_rows_has_one_door),
        cmocka_unit_test(a_reload_keeps_the_door_of_a_pool_that_stays),
        cmocka_unit_test(without_descriptors_nothing_is_made),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
