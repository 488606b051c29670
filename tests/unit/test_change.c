/* A change of plan that is given up, with children in the place of its workers. */
#include "master/pools.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/addr.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "proc/reap.h"
#include "proc/witness.h"
#include "wire/channel.h"

#define BACKLOG 8
#define DEADLINE_MS 60000  /* under valgrind a worker may need seconds to end */
#define LONG_HOLD_MS 30000 /* longer than any test is held up */
#define ALONE 1500         /* ms without anything to do, for what must not come */

static struct bed {
    struct inherit nothing;
    struct loop loop;
    struct listeners listeners;
    struct pools pools;
    struct probe probe;
    struct plan *plan;
    struct watch tick;
    int notes[2]; /* what workers did, a letter each */
    int gate[2];
    bool is_done;
    char *reason;
    int64_t until_ms;
    bool is_shortened; /* by a worker: the next ones need not */
} bed;

/* ---- workers ---- */

static void note(char letter)
{
    (void)!write(bed.notes[1], &letter, 1);
}

static void blame_row(const struct worker_start *start)
{
    struct page *page = pages_attach(start->pages, start->slot, NULL);

    if (page != NULL)
        atomic_store(&page->now_row, start->listeners[0].service->number + 1);
}

static void say_ready(const struct worker_start *start)
{
    struct record_out out = RECORD_OUT_EMPTY;

    record_begin(&out, "ready");
    record_end(&out);
    channel_send(start->channel, &out, NULL);
}

static int be_ready_until_told(const struct worker_start *start)
{
    struct pollfd told = { .fd = start->channel, .events = POLLIN };
    struct record record;

    say_ready(start);
    poll(&told, 1, -1);
    if (channel_receive(start->channel, &record, NULL) == 1 &&
        record_is(&record, "drain"))
        note('d');
    return 0;
}

static int leave_a_child(void)
{
    if (fork() == 0) {
        signal(SIGTERM, SIG_IGN);
        setsid();
        for (;;)
            pause();
    }
    return 1;
}

/* As if a caller had made it fall. */
static int fall_when_ready(const struct worker_start *start)
{
    say_ready(start);
    blame_row(start);
    return 1;
}

static int fail_in_open(const struct worker_start *start)
{
    blame_row(start);
    return 1;
}

/* Ready when the test says so. */
static int be_late(const struct worker_start *start)
{
    struct pollfd told = { .fd = bed.gate[0], .events = POLLIN };

    poll(&told, 1, -1);
    return be_ready_until_told(start);
}

static int shorten_the_queue(const struct worker_start *start)
{
    if (!bed.is_shortened)
        listen(start->listeners[0].fd, 0);
    return 1;
}

int __wrap_worker_main(void *context);
int __wrap_witness_check(pid_t pid, const struct witness *witness, struct err *err);

/* The row's name says what becomes of it. */
int __wrap_worker_main(void *context)
{
    const struct worker_start *start = context;
    const char *name = start->listeners[0].service->name;

    note('s');
    if (strcmp(name, "leaver") == 0)
        return leave_a_child();
    if (strcmp(name, "crasher") == 0)
        return fail_in_open(start);
    if (strcmp(name, "shortener") == 0)
        return shorten_the_queue(start);
    if (strcmp(name, "faller") == 0)
        return fall_when_ready(start);
    if (strcmp(name, "late") == 0)
        return be_late(start);
    return be_ready_until_told(start);
}

int __wrap_witness_check(pid_t pid, const struct witness *witness, struct err *err)
{
    (void)pid, (void)witness, (void)err;
    return 0;
}

/* ---- the bed ---- */

static void keep_quiet(enum log_level level, const char *subject, const char *line)
{
    (void)level, (void)subject, (void)line;
}

static void add_row(struct plan *plan, const char *name, enum plan_way way,
                    const char *key)
{
    struct plan_service *service = MEM_PUSH(plan->services, plan->service_count);
    struct endpoint *endpoint = MEM_PUSH(service->endpoints, service->endpoint_count);

    service->name = mem_text(name);
    service->enabled = true;
    service->way = way;
    service->pool_key = mem_text(key);
    service->backlog = BACKLOG;
    service->total_timeout = -1;
    service->receive_buffer = service->send_buffer = USHER_SIZE_NONE;
    endpoint->kind = ENDPOINT_TCP;
    endpoint->text = mem_text("tcp://127.0.0.1:0");
    assert_int_equal(addr_parse("127.0.0.1:0", &endpoint->addr, NULL), 0);
}

static struct plan *plan_of(const char *name, enum plan_way way, const char *key)
{
    struct plan *plan = mem_new(sizeof(*plan));

    plan->globals.worker_count = 1;
    plan->globals.log_to = mem_text("stderr");
    add_row(plan, name, way, key);
    return plan;
}

static void collect(int fd, short what, void *context)
{
    (void)fd, (void)what, (void)context;
    reap_collect();
    if (clock_ms() < bed.until_ms)
        timer_start(&bed.loop, &bed.tick, 5);
    else
        loop_stop(&bed.loop);
}

static void turn_for(int64_t ms)
{
    struct err err = ERR_EMPTY;

    bed.until_ms = clock_ms() + ms;
    timer_start(&bed.loop, &bed.tick, 0);
    assert_int_equal(loop_run(&bed.loop, &err), 0);
}

static void on_done(const char *reason, void *context)
{
    (void)context;
    bed.is_done = true;
    bed.reason = reason != NULL ? mem_text(reason) : NULL;
}

static void prepare_after(const struct plan *old, struct plan *plan)
{
    struct mistakes mistakes = { 0 };
    struct err err = ERR_EMPTY;

    bed.plan = plan;
    assert_int_equal(listeners_prepare(&bed.listeners, plan, &mistakes), 0);
    assert_int_equal(pools_prepare(&bed.pools, old, plan, on_done, NULL, &err), 0);
}

static void prepare(struct plan *plan)
{
    prepare_after(NULL, plan);
}

static struct member *first_fresh(void)
{
    assert_false(list_is_empty(&bed.pools.fresh));
    return &pool_at(bed.pools.fresh.next)->members[0];
}

/* As master/reload does: nobody may look at the plan any more. */
static void give_up(void)
{
    pools_abandon(&bed.pools);
    listeners_abandon(&bed.listeners);
    plan_free(&bed.plan);
}

static size_t count_notes(char letter)
{
    char notes[4096];
    ssize_t got = read(bed.notes[0], notes, sizeof(notes));
    size_t count = 0;

    for (ssize_t i = 0; i < got; i++)
        count += notes[i] == letter;
    return count;
}

static int make_bed(void **state)
{
    struct err err = ERR_EMPTY;

    (void)state;
    log_to(keep_quiet);
    bed = (struct bed){ .nothing = INHERIT_EMPTY };
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
    assert_int_equal(pipe2(bed.notes, O_CLOEXEC | O_NONBLOCK), 0);
    assert_int_equal(pipe2(bed.gate, O_CLOEXEC), 0);
    assert_int_equal(loop_open(&bed.loop, LOOP_AUTO, &err), 0);
    timer_init(&bed.tick, collect, NULL);
    listeners_init(&bed.listeners, &bed.nothing);
    assert_int_equal(pools_open(&bed.pools, &bed.loop, &bed.listeners, &err), 0);
    bed.pools.probe = &bed.probe;
    bed.pools.files = (struct rlimit){ 1, 1 }; /* leaves it alone */
    bed.pools.drain_timeout = DEADLINE_MS;
    return 0;
}

static int take_apart(void **state)
{
    (void)state;
    pools_close(&bed.pools);
    listeners_close(&bed.listeners);
    loop_close(&bed.loop);
    fd_close(&bed.notes[0]);
    fd_close(&bed.notes[1]);
    fd_close(&bed.gate[0]);
    fd_close(&bed.gate[1]);
    mem_free(&bed.reason);
    log_to(NULL);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    return 0;
}

/* ---- tests ---- */

/* Who has said so may have callers, whether we have read it or not. */
static void who_was_ready_when_a_change_is_given_up_is_drained(void **state)
{
    struct pollfd said = { .events = POLLIN };

    (void)state;
    prepare(plan_of("row", PLAN_WAY_DISPATCH, "key"));
    said.fd = first_fresh()->channel;
    assert_int_equal(poll(&said, 1, DEADLINE_MS), 1);
    give_up();
    while (!list_is_empty(&bed.pools.leaving))
        turn_for(10);
    assert_int_equal(count_notes('d'), 1);
}

static void who_is_held_when_a_change_is_given_up_does_not_start(void **state)
{
    (void)state;
    prepare(plan_of("leaver", PLAN_WAY_FORK, "own=leaver key"));
    while (list_is_empty(&pool_at(bed.pools.fresh.next)->orphans) ||
           first_fresh()->state != MEMBER_HELD)
        turn_for(10);
    (void)count_notes('s');
    give_up();
    turn_for(ALONE);
    assert_int_equal(count_notes('s'), 0);
}

/* Its blames are not counted yet, so each would be the first. */
static void a_moved_row_that_fails_at_once_waits_from_the_start(void **state)
{
    size_t starts = 0;

    (void)state;
    prepare(plan_of("crasher", PLAN_WAY_DISPATCH, "own=crasher key"));
    while (starts == 0) {
        turn_for(10);
        starts = count_notes('s');
    }
    turn_for(ALONE);
    assert_in_range(starts + count_notes('s'), 1, 5); /* after 0.1, 0.2, 0.4, 0.8 s */
    give_up();
}

/* Otherwise a caller who knows how could stop every change. */
static void who_falls_with_a_row_to_blame_does_not_stop_a_change(void **state)
{
    struct plan *plan = plan_of("faller", PLAN_WAY_DISPATCH, "one");

    (void)state;
    add_row(plan, "late", PLAN_WAY_DISPATCH, "two");
    prepare(plan);
    while (first_fresh()->blame == MEMBER_BLAMELESS)
        turn_for(10);
    /* it may never run */
    assert_int_equal(first_fresh()->blame, MEMBER_BLAMED_UNCOUNTED);
    assert_false(bed.is_done);
    assert_int_equal(write(bed.gate[1], "g", 1), 1);
    while (!bed.is_done)
        turn_for(10);
    assert_null(bed.reason);
    give_up();
    while (!list_is_empty(&bed.pools.leaving))
        turn_for(10);
}

/* It may be serving before it hears of it. */
static void who_starts_again_when_its_rows_go_is_drained(void **state)
{
    struct plan *old = plan_of("late", PLAN_WAY_DISPATCH, "one");
    struct plan *fresh = plan_of("row", PLAN_WAY_DISPATCH, "two");

    (void)state;
    old->globals.drain_timeout = fresh->globals.drain_timeout = DEADLINE_MS;
    prepare(old);
    pools_commit(&bed.pools, NULL, old); /* as if it had fallen, and were on its way */
    listeners_commit(&bed.listeners, NULL, old);
    prepare_after(old, fresh);
    while (!bed.is_done)
        turn_for(10);
    pools_commit(&bed.pools, old, fresh);
    plan_free(&old);
    assert_int_equal(write(bed.gate[1], "g", 1), 1);
    while (!list_is_empty(&bed.pools.leaving))
        turn_for(10);
    assert_int_equal(count_notes('d'), 1);
    give_up();
}

/* As a move does that cannot begin: whoever waits for one is told. */
static bool fail_to_move(void *context)
{
    (void)context;
    pools_stop_waiting(&bed.pools);
    loop_stop(&bed.loop);
    return false;
}

static void who_cannot_be_moved_is_held_once(void **state)
{
    struct plan *plan = plan_of("crasher", PLAN_WAY_DISPATCH, "one");

    (void)state;
    add_row(plan, "row", PLAN_WAY_DISPATCH, "one");
    bed.pools.move = fail_to_move;
    prepare(plan);
    pools_commit(&bed.pools, NULL, plan);
    turn_for(DEADLINE_MS);
    assert_in_range(member_hold_left(&pool_at(bed.pools.running.next)->members[0]), 0,
                    100);
    assert_int_equal(pool_at(bed.pools.running.next)->members[0].hold_ms, 200);
    give_up();
}

/* What it was held for may be mended where the table does not show it. */
static void who_is_held_tries_at_once_when_the_table_was_read_again(void **state)
{
    struct plan *old = plan_of("crasher", PLAN_WAY_DISPATCH, "one");
    struct plan *fresh = plan_of("crasher", PLAN_WAY_DISPATCH, "one");
    struct member *member;

    (void)state;
    prepare(old);
    listeners_commit(&bed.listeners, NULL, old);
    pools_commit(&bed.pools, NULL, old);
    member = &pool_at(bed.pools.running.next)->members[0];
    member->hold_ms = LONG_HOLD_MS; /* as if it had fallen often */
    while (member->hold_ms < 2 * LONG_HOLD_MS)
        turn_for(10);
    prepare_after(old, fresh);
    while (!bed.is_done)
        turn_for(10);
    assert_true(list_is_empty(&bed.pools.fresh));
    assert_in_range(member_hold_left(member), 1, LONG_HOLD_MS);
    pools_commit(&bed.pools, old, fresh);
    plan_free(&old);
    pools_forgive(&bed.pools);
    assert_int_equal(member_hold_left(member), 0);
    assert_int_equal(member->hold_ms, 0);
    (void)count_notes('s');
    while (count_notes('s') == 0)
        turn_for(10);
    give_up();
}

/* Of the first listener. */
static unsigned queue_length(void)
{
    int fd = listeners_fd(&bed.listeners, &bed.plan->services[0], 0);
    struct tcp_info info;
    socklen_t length = sizeof(info);

    assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length), 0);
    return info.tcpi_sacked; /* so it says for those who listen */
}

static void wait_for_queue(unsigned wanted)
{
    int64_t end_ms = clock_ms() + DEADLINE_MS;

    while (queue_length() != wanted && clock_ms() < end_ms)
        turn_for(10);
    assert_int_equal(queue_length(), wanted);
}

/* No filter sees whose queue it was. */
static void a_queue_that_a_worker_shortened_is_as_long_as_ever_for_the_next(void **state)
{
    (void)state;
    prepare(plan_of("shortener", PLAN_WAY_DISPATCH, "own=shortener key"));
    pools_commit(&bed.pools, NULL, bed.plan);
    wait_for_queue(0);
    bed.is_shortened = true;
    wait_for_queue(BACKLOG);
    give_up();
}

/* Its listener stays open, and so does the plan it was opened for. */
static void a_change_that_is_given_up_leaves_the_queue_as_it_was(void **state)
{
    struct plan *old = plan_of("row", PLAN_WAY_DISPATCH, "key");
    struct plan *fresh = plan_of("row", PLAN_WAY_DISPATCH, "key");

    (void)state;
    fresh->services[0].backlog = BACKLOG / 2;
    prepare(old);
    listeners_commit(&bed.listeners, NULL, old);
    pools_commit(&bed.pools, NULL, old);
    prepare_after(old, fresh);
    while (!bed.is_done)
        turn_for(10);
    give_up();
    bed.plan = old;
    assert_int_equal(queue_length(), BACKLOG);
    plan_free(&bed.plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            who_was_ready_when_a_change_is_given_up_is_drained, make_bed, take_apart),
        cmocka_unit_test_setup_teardown(
            who_is_held_when_a_change_is_given_up_does_not_start, make_bed, take_apart),
        cmocka_unit_test_setup_teardown(
            a_moved_row_that_fails_at_once_waits_from_the_start, make_bed, take_apart),
        cmocka_unit_test_setup_teardown(
            a_queue_that_a_worker_shortened_is_as_long_as_ever_for_the_next, make_bed,
            take_apart),
        cmocka_unit_test_setup_teardown(
            who_falls_with_a_row_to_blame_does_not_stop_a_change, make_bed, take_apart),
        cmocka_unit_test_setup_teardown(
            a_change_that_is_given_up_leaves_the_queue_as_it_was, make_bed, take_apart),
        cmocka_unit_test_setup_teardown(
            who_starts_again_when_its_rows_go_is_drained, make_bed, take_apart),
        cmocka_unit_test_setup_teardown(
            who_cannot_be_moved_is_held_once, make_bed, take_apart),
        cmocka_unit_test_setup_teardown(
            who_is_held_tries_at_once_when_the_table_was_read_again, make_bed,
            take_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
