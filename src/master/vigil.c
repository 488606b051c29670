#include "master/vigil.h"

#include <signal.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "master/fault.h"
#include "master/pools.h"
#include "wire/record.h"

#define LOOK_MS 1000 /* while it is busy: from one look at it to the next */
#define LATE_MS 500  /* a look that comes so late: we did not run ourselves */
#define LONG_TURN 8  /* hang_timeouts for a turn of its loop with many callbacks */

static void look_in(struct member *member, int64_t ms)
{
    timer_start(member->pool->pools->loop, &member->vigil.timer, ms);
    member->vigil.due_ms = clock_ms() + ms;
}

static int64_t hang_timeout(const struct member *member)
{
    return member->pool->pools->hang_timeout;
}

/* ---- a sign of life ---- */

/* A callback may hide from the page, or nobody's may be what hangs. So a busy worker has
 * to answer too: within hang_timeout and a look; while callbacks go on beginning its turn
 * of the loop may be long. */
static void ping(struct member *member)
{
    struct record_out out = RECORD_OUT_EMPTY;

    if (member->vigil.ping_ms != 0 || member->is_mute || member->state == MEMBER_STARTING
        || hang_timeout(member) < 0)
        return;
    member->vigil.ping_ms = clock_ms();
    record_begin(&out, "ping");
    record_end(&out);
    member_say(member, &out);
}

static bool is_deaf(const struct member *member, int64_t spent)
{
    int64_t waited = clock_ms() - member->vigil.ping_ms, hang = hang_timeout(member);

    return member->vigil.ping_ms != 0 && hang >= 0
           && waited > (spent < waited ? LONG_TURN * hang : hang) + LOOK_MS;
}

static void kill_deaf(struct member *member)
{
    member->is_deaf = true;
    str_copy(member->reason, sizeof(member->reason),
             "it gave no sign of life within hang_timeout");
    member_kill_for(member, member->reason);
}

/* ---- a stop ---- */

/* Whoever stopped it, no row of its is to blame for the time. */
static void look_at_stopped(struct member *member)
{
    struct vigil *vigil = &member->vigil;
    int64_t left = vigil->stopped_ms + hang_timeout(member) - clock_ms();

    if (left > 0) {
        look_in(member, left);
        return;
    }
    log_warning("pool",
                "continue pool=%s pid=%ld reason=\"it was stopped for hang_timeout\"",
                member->pool->name, (long)member->pid);
    (void)reap_signal(&member->child, SIGCONT);
    vigil->stopped_ms = vigil->ping_ms = 0;
    vigil->said_busy = true;
    look_in(member, LOOK_MS);
}

static void on_stop(struct child *child, bool is_stopped, void *context)
{
    struct member *member = context;

    (void)child;
    member->vigil.stopped_ms = is_stopped && hang_timeout(member) >= 0 ? clock_ms() : 0;
    member->vigil.ping_ms = 0; /* what it was asked before is asked again */
    member->vigil.said_busy = true;
    look_in(member, LOOK_MS);
}

/* ---- looks ---- */

/* Whatever kept us from looking (a container that was frozen, a machine that slept) kept
 * it from working: its time begins anew, and what it was asked is asked again. */
static void excuse_if_late(struct vigil *vigil)
{
    int64_t now = clock_ms();

    if (now - vigil->due_ms < LATE_MS)
        return;
    vigil->excused_ms = now;
    vigil->ping_ms = 0;
    vigil->said_busy = true;
}

static int64_t spent_ms(const struct vigil *vigil, const struct page *page)
{
    int64_t spent = fault_spent_ms(page), most = clock_ms() - vigil->excused_ms;

    return spent < most ? spent : most;
}

static void look_at_running(struct member *member)
{
    const struct page *page = pages_slot(member->pool->pools->pages, member->slot);
    uint32_t row = atomic_load_explicit(&page->now_row, memory_order_acquire); /* first */
    int64_t spent = spent_ms(&member->vigil, page);
    int64_t left = hang_timeout(member) - spent + 1;
    bool is_busy = row != 0 || spent < 2 * LOOK_MS || member->vigil.said_busy;

    member->vigil.said_busy = false;
    if (row != 0 && hang_timeout(member) >= 0 && left <= 0 &&
        member->state != MEMBER_STARTING) {
        member_kill_for(member, "one callback took longer than hang_timeout");
    } else if (is_deaf(member, spent)) {
        kill_deaf(member);
    } else if (is_busy || member->vigil.ping_ms != 0) {
        if (is_busy)
            ping(member);
        look_in(member, row != 0 && left > 0 && left < LOOK_MS ? left : LOOK_MS);
    }
}

/* Once a second while it is busy, and when a callback has had its time. */
static void on_look(int fd, short what, void *context)
{
    struct member *member = context;

    (void)fd;
    (void)what;
    excuse_if_late(&member->vigil);
    if (member->vigil.stopped_ms != 0)
        look_at_stopped(member);
    else
        look_at_running(member);
}

void vigil_on_busy(struct member *member)
{
    member->vigil.said_busy = true;
    /* saying it again puts nothing off */
    if (!timer_is_on(member->pool->pools->loop, &member->vigil.timer))
        look_in(member, LOOK_MS);
}

void vigil_on_pong(struct member *member)
{
    member->vigil.ping_ms = 0;
}

/* ---- life ---- */

void vigil_init(struct member *member)
{
    timer_init(&member->vigil.timer, on_look, member);
}

void vigil_begin(struct member *member)
{
    member->vigil.said_busy = member->is_deaf = false;
    member->vigil.ping_ms = member->vigil.stopped_ms = 0;
    member->vigil.excused_ms = 0;
    member->child.on_stop = on_stop;
}

void vigil_end(struct member *member)
{
    timer_stop(member->pool->pools->loop, &member->vigil.timer);
}
