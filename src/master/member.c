#include "master/member.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "flow/worker.h"
#include "master/daemon.h"
#include "master/fault.h"
#include "master/hearsay.h"
#include "master/orphan.h"
#include "master/pools.h"
#include "proc/spawn.h"
#include "wire/channel.h"

#define READY_MS 20000      /* from the fork to "ready" */
#define STOP_MS 1000        /* from "stop" to SIGKILL */
#define DRAIN_GRACE_MS 7000 /* beyond the drain's own time: TERM, 5 s, KILL for its
                               children */
#define HEALTHY_MS 10000    /* who lived so long starts again without a hold */
#define KILLED_MS 100       /* killed from outside, after that long: not its own fault */
#define HOLD_FIRST_MS 100
#define HOLD_MAX_MS 60000
#define SPARE_FILES 64

static struct loop *loop_of(const struct member *member)
{
    return member->pool->pools->loop;
}

/* ---- what it is told ---- */

void member_say(struct member *member, struct record_out *out)
{
    struct err err = ERR_EMPTY;

    if (member->channel != -1 && channel_send(member->channel, out, &err) == -1
        && err.code != EPIPE) /* its end is told elsewhere */
        log_warning("pool", "fail pool=%s pid=%ld reason=\"%s\"", member->pool->name,
                    (long)member->pid, err.text);
    record_out_free(out);
}

void member_kill_for(struct member *member, const char *what)
{
    fault_note(member, what);
    member->was_ours = true;
    member_kill(member);
}

/* ---- start ---- */

struct entry {
    struct member *member;
    int channel, log;
};

/* The master raised its own; the worker does that too, but its programs get what usherd
 * was given. Unless our listeners alone need more. */
static void give_file_limit(const struct pool *pool)
{
    const struct rlimit *files = &pool->pools->files;

    if (files->rlim_cur > pool->listener_count + SPARE_FILES)
        (void)setrlimit(RLIMIT_NOFILE, files);
}

/* Where a worker whose plugins hand connections over may send them: to each row that is
 * offered, by the door of its pool. */
static void find_offers(const struct pool *pool, struct worker_start *start)
{
    const struct plan *plan = pool->plan;

    if (pool->listener_count == 0 || !plan_hands_over(pool->listeners[0].service))
        return;
    start->offers = mem_array(plan->service_count, sizeof(*start->offers));
    for (size_t i = 0; i < plan->service_count; i++) {
        const struct plan_service *service = &plan->services[i];
        int fd = doors_of(&pool->pools->doors, service->pool_key).send;

        if (plan_is_offered(service) && fd != -1)
            start->offers[start->offer_count++] =
                (struct worker_offer){ service->name, fd };
    }
}

/* In the child: from here on it is a worker. */
static int enter_worker(void *context)
{
    struct entry *entry = context;
    struct pool *pool = entry->member->pool;
    struct worker_start start = {
        .plan = pool->plan,
        .pool_name = pool->name,
        .pool = pool->number,
        .generation = pool->generation,
        .listeners = pool->listeners,
        .listener_count = pool->listener_count,
        .pages = pool->pools->pages,
        .slot = entry->member->slot,
        .channel = entry->channel,
        .log = entry->log,
        .hold_wait = pool->is_held,
        .probe = pool->pools->probe,
        .door = doors_of(&pool->pools->doors, pool->key).receive,
    };

    find_offers(pool, &start);
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); /* so that we know whose they are:
                                                        master/stray */
    reap_forget_all();
    give_file_limit(pool);
    if (pool->pools->is_background)
        background_forget_streams();
    return worker_main(&start);
}

static void on_end(struct child *child, int status, void *context);
static void on_timer(int fd, short what, void *context);

void member_init(struct member *member, struct pool *pool)
{
    *member = (struct member){ .pool = pool, .slot = -1, .channel = -1, .log = -1 };
    timer_init(&member->timer, on_timer, member);
    vigil_init(member);
    hearsay_init(member);
}

/* Gives back all that member_start() took; accepts a part of it. */
static void release(struct member *member)
{
    hearsay_stop(member);
    timer_stop(loop_of(member), &member->timer);
    vigil_end(member);
    fd_close(&member->channel);
    fd_close(&member->log);
    if (member->slot != -1)
        pages_give_back(member->pool->pools->pages, member->slot);
    member->slot = -1;
}

static int fork_worker(struct member *member, struct entry *entry, struct err *err)
{
    struct spawn_fork spawn = { .fn = enter_worker,
                                .context = entry,
                                .new_session = true };
    pid_t pid;

    if (!member->pool->is_fresh) /* or at the commit */
        pool_restore_queues(member->pool);
    pid = spawn_fork(&spawn, err);
    if (pid == -1)
        return -1;
    member->pid = pid;
    member->started_ms = clock_ms();
    member->state = MEMBER_STARTING;
    timer_start(loop_of(member), &member->timer, READY_MS);
    reap_watch(&member->child, pid, on_end, member);
    vigil_begin(member);
    log_debug("pool", "start pool=%s pid=%ld generation=%u", member->pool->name,
              (long)pid, member->pool->generation);
    return 0;
}

/* Any row of the pool says it. A program loses what was mapped. */
static void look_for_children(struct member *member)
{
    const struct pool *pool = member->pool;
    const struct plan_service *service =
        pool->listener_count == 0 ? NULL : pool->listeners[0].service;

    if (service == NULL) /* it will not become ready */
        return;
    member->may_fork =
        service->way != PLAN_WAY_DISPATCH || (service->needs & USHER_NEEDS_FORK) != 0;
    member->shares_slot = service->way == PLAN_WAY_FORK
                       || (service->way == PLAN_WAY_DISPATCH && member->may_fork);
}

int member_start(struct member *member, struct err *err)
{
    struct pools *pools = member->pool->pools;
    int channel[2] = { -1, -1 }, log[2] = { -1, -1 };
    int result = -1;

    member->state = MEMBER_IDLE;
    member->was_ours = member->was_killed = member->is_mute = false;
    member->blame = MEMBER_BLAMELESS;
    member->wait_child_count = 0;
    member->reason[0] = '\0';
    member->slot = pages_take(pools->pages, member->pool->number, err);
    look_for_children(member);
    if (member->slot != -1 && fd_pair(channel, err) == 0 && fd_pair(log, err) == 0) {
        struct entry entry = { member, channel[1], log[1] };

        member->channel = channel[0];
        member->log = log[0];
        if (hearsay_start(member, err) == 0)
            result = fork_worker(member, &entry, err);
    } else {
        fd_close(&channel[0]);
    }
    fd_close(&channel[1]);
    fd_close(&log[1]);
    if (result == -1)
        release(member);
    return result;
}

/* ---- end ---- */

static int64_t next_hold(struct member *member)
{
    int64_t delay = member->hold_ms;

    if (delay == 0 && (member->blame == MEMBER_BLAMED_AGAIN || member->pool->is_own))
        delay = HOLD_FIRST_MS;
    member->hold_ms = delay == 0 ? HOLD_FIRST_MS
                    : delay * 2 > HOLD_MAX_MS ? HOLD_MAX_MS : delay * 2;
    return delay;
}

static void hold(struct member *member, int64_t delay)
{
    unsigned long left_out;

    member->state = MEMBER_HELD;
    member->held_until_ms = clock_ms() + delay;
    timer_start(loop_of(member), &member->timer, delay);
    if (delay > 0 && log_limit(&member->pool->hold_lines, &left_out))
        log_warning("pool", "hold pool=%s for_ms=%" PRId64 " left_out=%lu",
                    member->pool->name, delay, left_out);
}

void member_restart(struct member *member)
{
    struct pools *pools = member->pool->pools;

    if (member->blame == MEMBER_BLAMED) {
        hold(member, 0);
        return;
    }
    if (member->blame == MEMBER_BLAMED_AGAIN && member->pool->row_count > 1
        && pools->move != NULL && pools->move(pools->move_context)) {
        member->state = MEMBER_HELD;
        member->held_until_ms = 0;
        return;
    }
    member_retry(member);
}

static void log_end(const struct member *member, int status, const char *how)
{
    if (member->state == MEMBER_DRAINING && WIFEXITED(status) && WEXITSTATUS(status) == 0)
        log_debug("pool", "end pool=%s pid=%ld %s", member->pool->name, (long)member->pid,
                  how);
    else
        log_error("pool", "end pool=%s pid=%ld %s%s%s%s", member->pool->name,
                  (long)member->pid, how, member->reason[0] != '\0' ? " reason=\"" : "",
                  member->reason, member->reason[0] != '\0' ? "\"" : "");
}

/* Children that it left behind: those of a wait row still have the listener, those of
 * plugins the slot. */
static void leave_orphans(struct member *member)
{
    bool was_mixed = member->pool->pools->strays.is_mixed;

    for (size_t i = 0; i < member->wait_child_count; i++)
        orphan_adopt(member->pool, member->wait_children[i]);
    if (member->may_fork)
        orphans_adopt_new(member->pool);
    if (member->shares_slot) {
        orphans_keep_slot(member->pool, member->slot, was_mixed);
        member->slot = -1;
    }
    mem_free(&member->wait_children);
    member->wait_child_count = 0;
}

static void restart(struct member *member, int64_t lived_ms, int status)
{
    if (lived_ms >= HEALTHY_MS)
        member->hold_ms = 0;
    if (fault_is_outside(member, status) && lived_ms >= KILLED_MS)
        hold(member, 0);
    else
        member_restart(member);
}

/* Who was ready before its plan is in charge, and fell with a caller's row to blame, says
 * nothing against the plan: any caller could stop all changes. */
static bool has_failed(const struct member *member, enum member_state state)
{
    return state == MEMBER_STARTING
        || (member->pool->is_fresh && member->blame == MEMBER_BLAMELESS);
}

/* The pool may be gone at the end of this. */
static void on_end(struct child *child, int status, void *context)
{
    struct member *member = context;
    enum member_state state;
    char how[64];

    (void)child;
    hearsay_read_last_words(member);
    reap_print(status, how, sizeof(how));
    state = member->state;
    fault_note_end(member, status);
    if (state != MEMBER_STARTING) /* a failed start is told by whoever asked for it */
        log_end(member, status, how);
    leave_orphans(member);
    release(member);
    member->state = MEMBER_IDLE;
    if (has_failed(member, state)) {
        pools_on_member(member, MEMBER_FAILED,
                        member->reason[0] != '\0' ? member->reason : how);
        return;
    }
    if (state == MEMBER_READY && !member->pool->is_leaving)
        restart(member, clock_ms() - member->started_ms, status);
    pools_on_member(member, MEMBER_ENDED, NULL);
}

void member_retry(struct member *member)
{
    hold(member, next_hold(member));
}

void member_forgive(struct member *member)
{
    member->hold_ms = 0;
    if (member->state == MEMBER_HELD)
        hold(member, 0);
}

bool member_waits(const struct member *member)
{
    return member->state == MEMBER_HELD && member->held_until_ms == 0;
}

void member_say_left(const struct member *member)
{
    log_error("pool",
              "fail pool=%s pid=%ld reason=\"killed, and did not end: left behind\"",
              member->pool->name, (long)member->pid);
}

/* Who does not end when killed is in a system call that nothing interrupts: then the
 * daemon ends without it. The pool may be gone at the end of this. */
static void kill_or_leave(struct member *member)
{
    if (!member->was_killed || member->pool->pools->idle == NULL) {
        member_kill(member);
        member->was_killed = true;
        timer_start(loop_of(member), &member->timer, ORPHAN_LEAVE_MS);
        return;
    }
    member_say_left(member);
    reap_forget(&member->child);
    release(member);
    member->state = MEMBER_IDLE;
    pools_on_member(member, MEMBER_ENDED, NULL);
}

static void on_timer(int fd, short what, void *context)
{
    struct member *member = context;
    struct err err = ERR_EMPTY;

    (void)fd;
    (void)what;
    if (member->state == MEMBER_HELD) {
        if (member_start(member, &err) == -1) {
            log_error("pool", "fail pool=%s reason=\"%s\"", member->pool->name, err.text);
            member_retry(member);
        }
    } else {
        if (member->state == MEMBER_STARTING && member->reason[0] == '\0')
            str_copy(member->reason, sizeof(member->reason), "it was not ready in time");
        if (member->state == MEMBER_STARTING)
            member_kill_for(member, member->reason);
        else if (member->state == MEMBER_READY)
            member_kill_for(member, "the worker's descriptors were closed");
        else
            kill_or_leave(member);
    }
}

/* Without a process there is nothing to wait for. */
static bool rests(struct member *member)
{
    if (member->child.pid != 0)
        return false;
    timer_stop(loop_of(member), &member->timer);
    member->state = MEMBER_IDLE;
    return true;
}

/* Who is starting may be serving by the time it hears of it: it is drained like the
 * others, but may never be ready to listen, so it has an end in any case. */
void member_drain(struct member *member, const char *const *keep, int64_t timeout_ms)
{
    struct record_out out = RECORD_OUT_EMPTY;
    bool is_new = member->state == MEMBER_STARTING;
    bool was_ready = member->state == MEMBER_READY;
    bool must_end = (*keep == NULL || is_new) && timeout_ms >= 0;

    if (rests(member))
        return;
    if (is_new && (timeout_ms < 0 || member->pool->pools->idle != NULL)) {
        member_stop(member);
        return;
    }
    member->state = MEMBER_DRAINING;
    if (member->is_mute) /* would not hear it: its timer goes on, and then it is killed */
        return;
    if (was_ready)
        timer_stop(loop_of(member), &member->timer);
    if (must_end)
        timer_start(loop_of(member), &member->timer, timeout_ms + DRAIN_GRACE_MS);
    record_begin(&out, "drain");
    for (; *keep != NULL; keep++)
        record_add(&out, "keep", *keep);
    record_add_number(&out, "timeout_ms", timeout_ms);
    record_end(&out);
    member_say(member, &out);
}

void member_watch(struct member *member, const char *service)
{
    struct record_out out = RECORD_OUT_EMPTY;

    record_begin(&out, "watch");
    record_add(&out, "service", service);
    record_end(&out);
    member_say(member, &out);
}

void member_stop(struct member *member)
{
    struct record_out out = RECORD_OUT_EMPTY;

    if (rests(member))
        return;
    member->state = MEMBER_DRAINING;
    record_begin(&out, "stop");
    record_end(&out);
    member_say(member, &out);
    timer_start(loop_of(member), &member->timer, STOP_MS);
}

void member_kill(struct member *member)
{
    if (member->child.pid != 0)
        (void)reap_signal(&member->child, SIGKILL);
}

void member_fini(struct member *member)
{
    release(member);
    mem_free(&member->wait_children);
    member->wait_child_count = 0;
    reap_forget(&member->child);
}

int64_t member_hold_left(const struct member *member)
{
    int64_t left = member->state == MEMBER_HELD ? member->held_until_ms - clock_ms() : 0;

    return left > 0 ? left : 0;
}

const char *member_state_name(enum member_state state)
{
    static const char *const names[] = { "idle", "starting", "ready", "draining",
                                         "held" };

    return names[state];
}
