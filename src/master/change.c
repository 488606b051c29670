/* A change of plan as a transaction: pools_prepare(), pools_commit(), pools_abandon(). */
#include <string.h>

#include "conf/plandiff.h"
#include "master/orphan.h"
#include "master/pools.h"

/* ---- preparing ---- */

/* A number is free again when neither the plan that runs nor a worker that lives counts
 * there. */
struct users {
    struct pools *pools;
    const struct plan *plan;
};

static int is_row_used(const char *name, void *context)
{
    const struct users *users = context;
    struct list *link, *safe;

    LIST_EACH(&users->pools->leaving, link, safe)
        if (pool_has_row(pool_at(link), name))
            return 1;
    return users->plan != NULL && plan_find(users->plan, name) != NULL;
}

static int is_pool_used(const char *key, void *context)
{
    const struct users *users = context;

    return pools_find(&users->pools->running, key) != NULL
        || pools_find(&users->pools->leaving, key) != NULL;
}

static void free_numbers(struct pools *pools, const struct plan *old)
{
    struct users users = { pools, old };

    numbers_prune(&pools->row_numbers, is_row_used, &users);
    numbers_prune(&pools->pool_numbers, is_pool_used, &users);
}

static int number_rows(struct pools *pools, struct plan *plan, struct err *err)
{
    for (size_t i = 0; i < plan->service_count; i++) {
        int number = numbers_of(&pools->row_numbers, plan->services[i].name, err);

        if (number == -1)
            return -1;
        plan->services[i].number = (unsigned)number;
    }
    return 0;
}

static bool has_new_listener(const struct pools *pools, const struct plan *plan,
                             const char *key)
{
    for (size_t i = 0; i < plan->service_count; i++)
        if (plan->services[i].enabled && strcmp(plan->services[i].pool_key, key) == 0
            && listeners_is_new(pools->listeners, &plan->services[i]))
            return true;
    return false;
}

/* Once per key: keeps the running pool, or makes a fresh one. */
static int plan_pool(struct pools *pools, const struct plan *old,
                     const struct plan *fresh, const struct plan_service *service,
                     struct err *err)
{
    struct pool *running = pools_find(&pools->running, service->pool_key), *pool;
    int number;

    if (pools_find(&pools->fresh, service->pool_key) != NULL ||
        (running != NULL && running->is_kept))
        return 0;
    if (running != NULL && plandiff_pool_same(old, fresh, service->pool_key)
        && !has_new_listener(pools, fresh, service->pool_key)) {
        running->is_kept = true;
        return 0;
    }
    number = numbers_of(&pools->pool_numbers, service->pool_key, err);
    if (number == -1)
        return -1;
    pool = pool_new(pools, fresh, service, (uint32_t)number + 1);
    list_append(&pools->fresh, &pool->link);
    pool->is_fresh = true;
    pool->is_held = pool->is_wait && pools_has_holder(pools, pool);
    return 0;
}

static int start_fresh(struct pools *pools, struct err *err)
{
    struct list *link, *safe;

    LIST_EACH(&pools->fresh, link, safe)
        if (pool_start(pool_at(link), err) == -1)
            return -1;
    return 0;
}

int pools_prepare(struct pools *pools, const struct plan *old, struct plan *fresh,
                  pools_fn *done, void *context, struct err *err)
{
    int result;

    free_numbers(pools, old);
    result = number_rows(pools, fresh, err);
    if (result == 0)
        result = doors_prepare(&pools->doors, fresh, err);
    pools->generation++;
    for (struct list *link = pools->running.next; link != &pools->running;
         link = link->next)
        pool_at(link)->is_kept = false;
    for (size_t i = 0; i < fresh->service_count && result == 0; i++)
        if (fresh->services[i].enabled)
            result = plan_pool(pools, old, fresh, &fresh->services[i], err);
    if (result == 0)
        result = start_fresh(pools, err);
    if (result == -1) {
        pools_abandon(pools);
        return -1;
    }
    pools->done = done;
    pools->done_context = context;
    pools_check_ready(pools); /* with nothing fresh: at once, but from the loop */
    return 0;
}

/* ---- committing ---- */

/* A wait child has the listener that the new generation waits for: its end is its own
 * affair, or of drain_timeout where the row is no wait row any more. */
static bool may_stay(const char *name, const struct plan *old, const struct plan *fresh)
{
    const struct plan_service *before = plan_find(old, name),
                              *after = plan_find(fresh, name);

    switch (plandiff_service(old, fresh, name)) {
    case PLANDIFF_SAME: return true;
    case PLANDIFF_CHANGED:
        if (blame_only_moves(before, after)) /* children cost nobody else anything */
            return blame_is_own(before->pool_key) || before->way != PLAN_WAY_DISPATCH;
        return before->way == PLAN_WAY_WAIT && after->way == PLAN_WAY_WAIT;
    default: return false;
    }
}

/* A row that may stay for one change of the table has to be asked again at the next. */
static bool judge_rows(struct pool *pool, const struct plan *old,
                       const struct plan *fresh)
{
    bool has_changed = false;

    for (size_t i = 0; i < pool->row_count; i++)
        if (!pool->rows[i].must_go && !may_stay(pool->rows[i].name, old, fresh))
            has_changed = pool->rows[i].must_go = true;
    return has_changed;
}

/* The connections that a row to blame still has beside others' would cost those too. */
static bool is_moving(const struct pool *pool, const struct plan *old,
                      const struct plan *fresh)
{
    for (size_t i = 0; !pool->is_own && i < pool->row_count; i++) {
        const struct plan_service *before = plan_find(old, pool->rows[i].name);
        const struct plan_service *after = plan_find(fresh, pool->rows[i].name);

        if (before != NULL && after != NULL && !blame_is_own(before->pool_key)
            && blame_is_own(after->pool_key))
            return true;
    }
    return false;
}

/* The rows whose connections and children may stay where they are, as long as they
 * like. */
static const char **kept_rows(const struct pool *pool)
{
    const char **keep = mem_array(pool->row_count + 1, sizeof(*keep));
    size_t count = 0;

    for (size_t i = 0; i < pool->row_count; i++)
        if (!pool->rows[i].must_go)
            keep[count++] = pool->rows[i].name;
    return keep;
}

/* Tells its workers who must go, and when. */
static void drain_judged(struct pool *pool, int64_t timeout_ms)
{
    const char **keep = kept_rows(pool);

    pool_drain(pool, keep, timeout_ms);
    if (keep[0] == NULL) {
        pool->is_ending = true;
        orphans_end(pool, timeout_ms, ORPHAN_KILL_MS);
    }
    mem_free(&keep);
}

static void drain_changed(struct pool *pool, const struct plan *old,
                          const struct plan *fresh)
{
    drain_judged(pool, is_moving(pool, old, fresh) ? 0 : fresh->globals.drain_timeout);
}

static void retire(struct pool *pool, const struct plan *old, const struct plan *fresh)
{
    (void)judge_rows(pool, old, fresh);
    pools_leave(pool);
    drain_changed(pool, old, fresh);
}

void pools_commit(struct pools *pools, const struct plan *old, const struct plan *fresh)
{
    struct list *link, *safe;

    pools->hang_timeout = fresh->globals.hang_timeout;
    pools->drain_timeout = fresh->globals.drain_timeout;
    LIST_EACH(&pools->leaving, link, safe)
        if (old != NULL && judge_rows(pool_at(link), old, fresh))
            drain_changed(pool_at(link), old, fresh);
    LIST_EACH(&pools->running, link, safe) {
        struct pool *pool = pool_at(link);

        if (pool->is_kept)
            pool_bind(pool, fresh);
        else
            retire(pool, old, fresh);
    }
    LIST_EACH(&pools->fresh, link, safe) {
        pool_at(link)->is_fresh = false;
        pool_restore_queues(pool_at(link));
        list_remove(link);
        list_append(&pools->running, link);
    }
    doors_commit(&pools->doors, fresh);
    LIST_EACH(&pools->leaving, link, safe)
        pools_settle(pool_at(link));
}

void pools_forgive(struct pools *pools)
{
    struct list *link, *safe;

    LIST_EACH(&pools->running, link, safe) {
        struct pool *pool = pool_at(link);

        for (size_t i = 0; pool->is_kept && i < pool->member_count; i++)
            member_forgive(&pool->members[i]);
    }
}

/* ---- abandoning ---- */

static void abandon(struct pool *pool)
{
    static const char *const none[] = { NULL };

    pools_leave(pool);
    pool->is_ending = true;
    orphans_end(pool, 0, ORPHAN_KILL_MS);
    for (size_t i = 0; i < pool->member_count; i++) {
        struct member *member = &pool->members[i];

        if (member->state == MEMBER_STARTING)
            member_kill(member);
        else if (pool->is_wait)
            member_stop(member);
        else
            member_drain(member, none, pool->pools->drain_timeout);
    }
    pools_settle(pool);
}

static void stop_waiting(struct pool *pool)
{
    for (size_t i = 0; i < pool->member_count; i++)
        if (member_waits(&pool->members[i]))
            member_retry(&pool->members[i]);
}

void pools_stop_waiting(struct pools *pools)
{
    for (struct list *link = pools->running.next; link != &pools->running;
         link = link->next)
        stop_waiting(pool_at(link));
}

void pools_abandon(struct pools *pools)
{
    struct list *link, *safe;

    pools->done = NULL;
    timer_stop(pools->loop, &pools->report);
    LIST_EACH(&pools->fresh, link, safe)
        abandon(pool_at(link));
    pools_stop_waiting(pools);
    doors_abandon(&pools->doors);
}
