#include "master/pools.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "master/fault.h"
#include "master/hearsay.h"
#include "master/orphan.h"

#define HURRY_MS 500 /* "at once", for who does not end when asked */

void pools_leave(struct pool *pool)
{
    for (size_t i = 0; i < pool->member_count; i++)
        if (pool->members[i].state == MEMBER_STARTING)
            hearsay_catch_up(&pool->members[i]);
    pool->is_leaving = true;
    pool->is_fresh = false;
    pool->plan = NULL;
    list_remove(&pool->link);
    list_append(&pool->pools->leaving, &pool->link);
}

struct pool *pools_find(struct list *head, const char *key)
{
    struct list *link, *safe;

    LIST_EACH(head, link, safe)
        if (strcmp(pool_at(link)->key, key) == 0)
            return pool_at(link);
    return NULL;
}

/* ---- wait rows: the listener may be in the hands of an older child ---- */

bool pools_has_holder(const struct pools *pools, const struct pool *pool)
{
    const struct list *const heads[] = { &pools->running, &pools->leaving };

    for (size_t i = 0; i < ARRAY_LEN(heads); i++)
        for (struct list *link = heads[i]->next; link != heads[i]; link = link->next) {
            const struct pool *other = pool_at(link);

            /* A row that becomes a wait row: its worker must not find the socket
             * blocking. */
            if (other != pool && (other->is_wait || !other->is_leaving) &&
                pool_lives(other) && pool_shares_listener(other, pool))
                return true;
        }
    return !list_is_empty(&pool->orphans);
}

static void release_held(struct pools *pools)
{
    struct list *link, *safe;

    LIST_EACH(&pools->running, link, safe) {
        struct pool *pool = pool_at(link);

        if (!pool->is_held || pools_has_holder(pools, pool))
            continue;
        pool->is_held = false;
        for (size_t i = 0; i < pool->row_count; i++)
            member_watch(&pool->members[0], pool->rows[i].name);
    }
}

/* ---- what becomes of members ---- */

/* Of several reasons to fail the first one counts. */
static void report(struct pools *pools, const char *reason)
{
    if (timer_is_on(pools->loop, &pools->report) && pools->reason != NULL)
        return;
    mem_free(&pools->reason);
    pools->reason = mem_text(reason);
    timer_start(pools->loop, &pools->report, 0);
}

static void on_report(int fd, short what, void *context)
{
    struct pools *pools = context;
    pools_fn *done = pools->done;

    (void)fd;
    (void)what;
    pools->done = NULL;
    if (done != NULL)
        done(pools->reason, pools->done_context);
}

void pools_check_ready(struct pools *pools)
{
    struct list *link, *safe;

    if (pools->done == NULL || timer_is_on(pools->loop, &pools->report))
        return;
    LIST_EACH(&pools->fresh, link, safe)
        if (!pool_at(link)->is_own && !pool_was_ready(pool_at(link)))
            return;
    report(pools, NULL);
}

static bool is_empty(const struct pools *pools)
{
    return list_is_empty(&pools->running) && list_is_empty(&pools->fresh)
        && list_is_empty(&pools->leaving);
}

static void tell_idle(struct pools *pools)
{
    pools_idle_fn *idle = pools->idle;

    if (idle == NULL || !is_empty(pools))
        return;
    pools->idle = NULL;
    idle(pools->idle_context);
}

void pools_settle(struct pool *pool)
{
    struct pools *pools = pool->pools;

    if (pool->is_leaving && !pool_lives(pool))
        pool_free(pool);
    release_held(pools);
    tell_idle(pools);
}

static void on_failed(struct member *member, const char *text)
{
    struct pool *pool = member->pool;

    if (pool->is_fresh && !pool->is_own) {
        char *reason = mem_print("pool %s: %s", pool->name, text);

        report(pool->pools, reason);
        mem_free(&reason);
    } else if (!pool->is_leaving) {
        log_error("pool", "fail pool=%s reason=\"%s\"", pool->name, text);
        member_restart(member);
    }
    pools_settle(pool);
}

void pools_on_member(struct member *member, enum member_event event, const char *text)
{
    struct pool *pool = member->pool;

    switch (event) {
    case MEMBER_IS_READY:
        if (!pool->is_fresh)
            log_info("pool", "start pool=%s pid=%ld", pool->name, (long)member->pid);
        release_held(pool->pools);
        pools_check_ready(pool->pools);
        return;
    case MEMBER_FAILED: on_failed(member, text); return;
    case MEMBER_ENDED: pools_settle(pool); return;
    }
}

void pools_on_orphan_end(struct pool *pool)
{
    pools_settle(pool);
}

/* ---- the end ---- */

void pools_drain(struct pools *pools, int64_t timeout_ms, pools_idle_fn *idle,
                 void *context)
{
    static const char *const none[] = { NULL };
    struct list *link, *safe;

    pools_abandon(pools);
    pools->idle = idle;
    pools->idle_context = context;
    LIST_EACH(&pools->running, link, safe)
        pools_leave(pool_at(link));
    LIST_EACH(&pools->leaving, link, safe) {
        struct pool *pool = pool_at(link);

        pool->is_ending = true;
        pool_drain(pool, none, timeout_ms);
        orphans_end(pool, timeout_ms, ORPHAN_KILL_MS);
        pools_settle(pool);
    }
    tell_idle(pools);
}

void pools_stop(struct pools *pools)
{
    struct list *link, *safe;

    LIST_EACH(&pools->leaving, link, safe) {
        struct pool *pool = pool_at(link);

        for (size_t i = 0; i < pool->member_count; i++)
            member_stop(&pool->members[i]);
        orphans_end(pool, 0, HURRY_MS);
    }
}

int pools_open(struct pools *pools, struct loop *loop, const struct listeners *listeners,
               struct err *err)
{
    *pools = (struct pools){ .loop = loop, .listeners = listeners, .hang_timeout = -1 };
    list_init(&pools->running);
    list_init(&pools->fresh);
    list_init(&pools->leaving);
    doors_init(&pools->doors);
    pools->memory_kills = fault_memory_kills();
    strays_begin(&pools->strays);
    pools->pool_numbers.limit = UINT16_MAX;
    pools->row_numbers.limit = PAGE_ROWS;
    timer_init(&pools->report, on_report, pools);
    return pages_open(&pools->pages, err);
}

static void kill_all(struct list *head)
{
    struct list *link, *safe;

    LIST_EACH(head, link, safe) {
        struct pool *pool = pool_at(link);

        for (size_t i = 0; i < pool->member_count; i++)
            member_kill(&pool->members[i]);
        orphans_signal(pool);
    }
}

/* Who is in a system call that nothing interrupts does not keep us from ending. */
static void free_all(struct list *head)
{
    struct list *link, *safe;

    LIST_EACH(head, link, safe) {
        struct pool *pool = pool_at(link);

        for (size_t i = 0; i < pool->member_count; i++) {
            pid_t pid = pool->members[i].child.pid;

            if (pid != 0 && !orphan_wait(pid, pool->pools->end_ms))
                member_say_left(&pool->members[i]);
        }
        pool_free(pool);
    }
}

void pools_close(struct pools *pools)
{
    if (pools->loop == NULL)
        return;
    timer_stop(pools->loop, &pools->report);
    kill_all(&pools->fresh);
    kill_all(&pools->running);
    kill_all(&pools->leaving);
    pools->end_ms = clock_ms() + ORPHAN_LEAVE_MS;
    free_all(&pools->fresh);
    free_all(&pools->running);
    free_all(&pools->leaving);
    doors_close(&pools->doors);
    numbers_free(&pools->pool_numbers);
    numbers_free(&pools->row_numbers);
    mem_free(&pools->reason);
    strays_free(&pools->strays);
    mem_free(&pools->held);
    pools->held_count = 0;
    pages_close(&pools->pages);
}

const struct pool *pools_of(const struct pools *pools, const char *service)
{
    for (struct list *link = pools->running.next; link != &pools->running;
         link = link->next) {
        const struct pool *pool = pool_at(link);

        if (pool_has_row(pool, service))
            return pool;
    }
    return NULL;
}
