/* What is known of one row: pools_row_state(), for usherctl. */
#include "master/pools.h"

static bool is_alive(const struct member *member)
{
    return member->child.pid != 0;
}

/* A pool is what its best worker is. */
static void judge_members(const struct pool *pool, struct pools_row_state *out)
{
    bool is_ready = false, is_held = false;

    for (size_t i = 0; i < pool->member_count; i++) {
        const struct member *member = &pool->members[i];

        out->workers += is_alive(member);
        is_ready = is_ready || member->state == MEMBER_READY;
        if (member->state != MEMBER_HELD)
            continue;
        if (!is_held || member_hold_left(member) < out->held_ms)
            out->held_ms = member_hold_left(member);
        is_held = true;
    }
    out->state = is_ready           ? "ready"
                 : out->workers > 0 ? "starting"
                 : is_held          ? "held"
                                    : "idle";
    if (is_ready || out->workers > 0)
        out->held_ms = 0;
}

static unsigned count_draining(const struct pools *pools, const char *name)
{
    unsigned count = 0;

    for (const struct list *link = pools->leaving.next; link != &pools->leaving;
         link = link->next) {
        const struct pool *pool = CONTAINER(link, struct pool, link);

        for (size_t i = 0; pool_has_row(pool, name) && i < pool->member_count; i++)
            count += is_alive(&pool->members[i]);
    }
    return count;
}

void pools_row_state(const struct pools *pools, const struct plan_service *service,
                     struct pools_row_state *out)
{
    const struct pool *pool = pools_of(pools, service->name);

    *out = (struct pools_row_state){ .pool = "-",
                                     .state = service->enabled ? "idle" : "off" };
    out->draining = count_draining(pools, service->name);
    if (!service->enabled)
        return;
    if (out->draining > 0)
        out->state = "draining";
    out->blames = pools->blames.rows[service->number].count;
    if (pool == NULL)
        return;
    out->pool = pool->name;
    out->generation = pool->generation;
    out->is_own = pool->is_own;
    judge_members(pool, out);
}
