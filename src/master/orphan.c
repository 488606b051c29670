#include "master/orphan.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "master/pool.h"
#include "master/pools.h"
#include "master/stray.h"
#include "proc/reap.h"

#define WAIT_STEP_MS 5

struct orphan {
    struct list link;
    struct child child;
    struct pool *pool;
    pid_t pid; /* for the log: the child's is gone when its end is told */
    struct watch timer;
    int64_t kill_ms;
    bool was_told, was_killed;
    bool is_doubtful; /* may be another pool's: ends with the daemon, not with a row */
};

static struct orphan *orphan_at(struct list *link)
{
    return CONTAINER(link, struct orphan, link);
}

/* ---- slots that they can write to ---- */

static void give_slots_back(struct pools *pools, const struct pool *pool)
{
    size_t kept = 0;

    for (size_t i = 0; i < pools->held_count; i++)
        if (pools->held[i].pool == pool)
            pages_give_back(pools->pages, pools->held[i].slot);
        else
            pools->held[kept++] = pools->held[i];
    pools->held_count = kept;
}

static size_t count_slots(const struct pools *pools, const struct pool *pool)
{
    size_t count = 0;

    for (size_t i = 0; i < pools->held_count; i++)
        count += pools->held[i].pool == pool;
    return count;
}

static void orphan_free(struct orphan *orphan)
{
    struct pool *pool = orphan->pool;
    struct pools *pools = pool->pools;

    timer_stop(pools->loop, &orphan->timer);
    reap_forget(&orphan->child);
    list_remove(&orphan->link);
    pools->doubtful_count -= orphan->is_doubtful;
    mem_free(&orphan);
    if (list_is_empty(&pool->orphans))
        give_slots_back(pools, pool);
    if (pools->doubtful_count == 0)
        give_slots_back(pools, NULL);
}

static void on_end(struct child *child, int status, void *context)
{
    struct orphan *orphan = context;
    struct pool *pool = orphan->pool;
    char how[64];

    (void)child;
    if (pool->is_wait)
        log_info("pool", "end pool=%s orphan=%ld %s", pool->name, (long)orphan->pid,
                 reap_print(status, how, sizeof(how)));
    else
        log_debug("pool", "end pool=%s orphan=%ld %s", pool->name, (long)orphan->pid,
                  reap_print(status, how, sizeof(how)));
    orphans_adopt_new(pool); /* its own children, before the pool may go */
    orphan_free(orphan);
    pools_on_orphan_end(pool);
}

static void kill_one(struct orphan *orphan)
{
    orphan->was_told = orphan->was_killed = true;
    (void)reap_signal_session(&orphan->child, SIGKILL);
    timer_start(orphan->pool->pools->loop, &orphan->timer, ORPHAN_LEAVE_MS);
}

bool orphan_wait(pid_t pid, int64_t until_ms)
{
    while (waitpid(pid, NULL, WNOHANG) == 0) {
        if (clock_ms() >= until_ms)
            return false;
        (void)poll(NULL, 0, WAIT_STEP_MS);
    }
    return true;
}

static void say_left(const struct orphan *orphan)
{
    log_error("pool",
              "fail pool=%s orphan=%ld reason=\"killed, and did not end: left behind\"",
              orphan->pool->name, (long)orphan->pid);
}

/* Who does not end when killed is in a system call that nothing interrupts. It may,
 * later: unless the daemon ends. */
static void kill_or_leave(struct orphan *orphan)
{
    struct pool *pool = orphan->pool;

    if (orphan->was_killed && pool->pools->idle != NULL) {
        say_left(orphan);
        orphan_free(orphan);
        pools_on_orphan_end(pool);
        return;
    }
    kill_one(orphan);
}

static void on_timer(int fd, short what, void *context)
{
    struct orphan *orphan = context;

    (void)fd;
    (void)what;
    if (orphan->was_told) {
        kill_or_leave(orphan);
        return;
    }
    (void)reap_signal_session(&orphan->child, SIGTERM);
    timer_start(orphan->pool->pools->loop, &orphan->timer, orphan->kill_ms);
    orphan->was_told = true;
}

static void adopt(struct pool *pool, pid_t pid, bool is_doubtful)
{
    struct orphan *orphan = mem_new(sizeof(*orphan));

    orphan->pool = pool;
    orphan->pid = pid;
    orphan->is_doubtful = is_doubtful;
    pool->pools->doubtful_count += is_doubtful;
    timer_init(&orphan->timer, on_timer, orphan);
    list_append(&pool->orphans, &orphan->link);
    reap_watch(&orphan->child, pid, on_end, orphan);
    orphan->kill_ms = ORPHAN_KILL_MS;
    if (pool->child_ms >= 0) /* nobody knows when it began, nor for which row */
        timer_start(pool->pools->loop, &orphan->timer, pool->child_ms);
    if (pool->is_ending)
        orphans_end(pool, 0, ORPHAN_KILL_MS);
}

void orphan_adopt(struct pool *pool, pid_t pid)
{
    if (pid <= 0 || !stray_is_new(&pool->pools->strays, pid))
        return;
    log_info("pool", "hold pool=%s orphan=%ld", pool->name, (long)pid);
    pool->is_held = true;
    adopt(pool, pid, false);
}

/* ---- whose are they? ---- */

static bool has_dead(struct pool *pool)
{
    struct list *link, *safe;

    for (size_t i = 0; i < pool->member_count; i++)
        if (pool->members[i].may_fork && pool->members[i].child.pid != 0
            && stray_is_dead(pool->members[i].child.pid))
            return true;
    LIST_EACH(&pool->orphans, link, safe)
        if (orphan_at(link)->child.pid != 0 && stray_is_dead(orphan_at(link)->child.pid))
            return true;
    return false;
}

/* Whether somebody of another pool died too, and was not waited for yet: who is new may
 * be his. */
static bool is_another_dead(struct pool *pool)
{
    struct pools *pools = pool->pools;
    struct list *const heads[] = { &pools->running, &pools->fresh, &pools->leaving };
    struct list *link, *safe;

    for (size_t i = 0; i < ARRAY_LEN(heads); i++)
        LIST_EACH(heads[i], link, safe)
            if (pool_at(link) != pool && has_dead(pool_at(link)))
                return true;
    return false;
}

/* A daemon that a wait row's program became is nobody's: not to be mistaken for a child
 * that still has the listener. */
void orphans_adopt_new(struct pool *pool)
{
    struct strays *strays = &pool->pools->strays;
    bool is_another = is_another_dead(pool);
    size_t count = 0;
    pid_t *pids = NULL;

    if (!pool->is_wait)
        count = strays_find(strays, &pids);
    for (size_t i = 0; i < count; i++)
        adopt(pool, pids[i], is_another || strays->is_mixed);
    if (count > 0)
        log_info("pool", "hold pool=%s orphans=%zu", pool->name, count);
    mem_free(&pids);
    strays->is_mixed = is_another;
    if (!is_another)
        strays_note(strays);
}

/* ---- their end ---- */

/* Of these pools' orphans those that hold slots: of one, or those of whom nobody knows
 * whose they are. */
static void kill_some(struct list *head, const struct pool *pool)
{
    struct list *link, *safe, *orphan, *safe_orphan;

    LIST_EACH(head, link, safe)
        LIST_EACH(&pool_at(link)->orphans, orphan, safe_orphan)
            if (pool == NULL ? orphan_at(orphan)->is_doubtful
                             : pool_at(link) == pool && !orphan_at(orphan)->is_doubtful)
                kill_one(orphan_at(orphan));
}

void orphans_keep_slot(struct pool *pool, int slot, bool was_mixed)
{
    struct pools *pools = pool->pools;
    const struct pool *holder = was_mixed && pools->doubtful_count > 0 ? NULL : pool;

    if (holder != NULL && list_is_empty(&pool->orphans)) {
        pages_give_back(pools->pages, slot);
        return;
    }
    pages_hold(pools->pages, slot);
    *MEM_PUSH(pools->held, pools->held_count) = (struct held_slot){ holder, slot };
    if (count_slots(pools, holder) <= ORPHAN_SLOTS)
        return;
    log_warning("pool",
                "end pool=%s reason=\"children of more than %d workers that died\"",
                pool->name, ORPHAN_SLOTS);
    kill_some(&pools->running, holder);
    kill_some(&pools->fresh, holder);
    kill_some(&pools->leaving, holder);
}

void orphans_end(struct pool *pool, int64_t after_ms, int64_t kill_ms)
{
    struct list *link, *safe;

    if (after_ms < 0)
        return;
    LIST_EACH(&pool->orphans, link, safe) {
        struct orphan *orphan = orphan_at(link);

        if (orphan->is_doubtful && pool->pools->idle == NULL)
            continue;
        orphan->kill_ms = kill_ms;
        if (!orphan->was_told)
            timer_start(pool->pools->loop, &orphan->timer, after_ms);
        /* somebody is in a hurry now */
        else if (kill_ms < ORPHAN_KILL_MS && !orphan->was_killed)
            timer_start(pool->pools->loop, &orphan->timer, kill_ms);
    }
}

void orphans_signal(struct pool *pool)
{
    struct list *link, *safe;

    LIST_EACH(&pool->orphans, link, safe)
        kill_one(orphan_at(link));
}

void orphans_kill(struct pool *pool)
{
    struct list *link, *safe;

    LIST_EACH(&pool->orphans, link, safe) {
        struct orphan *orphan = orphan_at(link);

        kill_one(orphan);
        if (!orphan_wait(orphan->pid, pool->pools->end_ms))
            say_left(orphan);
        orphan_free(orphan);
    }
}
