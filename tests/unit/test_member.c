/* One worker as the master sees it, with a child that does nothing in its place. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "master/member.h"
#include "master/orphan.h"
#include "master/pools.h"

struct bed {
    struct loop loop;
    struct pools pools;
    struct pool pool;
    struct member member;
    pid_t pid;
};

static void keep_quiet(enum log_level level, const char *subject, const char *line)
{
    (void)level, (void)subject, (void)line;
}

static void nobody_ends(struct child *child, int status, void *context)
{
    (void)child, (void)status, (void)context;
}

static int make_bed(void **state)
{
    struct bed *bed = mem_new(sizeof(*bed));
    struct err err = ERR_EMPTY;

    log_to(keep_quiet);
    assert_int_equal(loop_open(&bed->loop, LOOP_AUTO, &err), 0);
    bed->pools.loop = &bed->loop;
    bed->pools.hang_timeout = -1;
    bed->pool = (struct pool){ .pools = &bed->pools, .name = mem_text("p") };
    list_init(&bed->pool.orphans);
    member_init(&bed->member, &bed->pool);
    bed->pid = fork();
    assert_int_not_equal(bed->pid, -1);
    if (bed->pid == 0)
        for (;;)
            pause();
    bed->member.pid = bed->pid;
    bed->member.state = MEMBER_READY;
    reap_watch(&bed->member.child, bed->pid, nobody_ends, &bed->member);
    *state = bed;
    return 0;
}

static int take_apart(void **state)
{
    struct bed *bed = *state;

    reap_forget(&bed->member.child);
    kill(bed->pid, SIGKILL);
    waitpid(bed->pid, NULL, 0);
    timer_stop(&bed->loop, &bed->member.timer);
    loop_close(&bed->loop);
    mem_free(&bed->pool.name);
    mem_free(&bed);
    log_to(NULL);
    return 0;
}

/* It does not hear the drain, so the time that it has from the end of its channel goes
 * on. */
static void a_drain_does_not_save_who_is_mute(void **state)
{
    static const char *const keep[] = { "row", NULL };
    struct bed *bed = *state;

    bed->member.is_mute = true;
    timer_start(&bed->loop, &bed->member.timer, 5000);
    member_drain(&bed->member, keep, -1);
    assert_int_equal(bed->member.state, MEMBER_DRAINING);
    assert_true(timer_is_on(&bed->loop, &bed->member.timer));
}

static void who_keeps_rows_has_all_the_time(void **state)
{
    static const char *const keep[] = { "row", NULL };
    struct bed *bed = *state;

    timer_start(&bed->loop, &bed->member.timer, 5000);
    member_drain(&bed->member, keep, -1);
    assert_int_equal(bed->member.state, MEMBER_DRAINING);
    assert_false(timer_is_on(&bed->loop, &bed->member.timer));
}

static void waiting_for_the_killed_has_an_end(void **state)
{
    struct bed *bed = *state;

    assert_false(orphan_wait(bed->pid, clock_ms() + 20));
    kill(bed->pid, SIGKILL);
    assert_true(orphan_wait(bed->pid, clock_ms() + 5000));
    assert_true(orphan_wait(bed->pid, clock_ms())); /* it is gone */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_drain_does_not_save_who_is_mute, make_bed,
                                        take_apart),
        cmocka_unit_test_setup_teardown(who_keeps_rows_has_all_the_time, make_bed,
                                        take_apart),
        cmocka_unit_test_setup_teardown(waiting_for_the_killed_has_an_end, make_bed,
                                        take_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
