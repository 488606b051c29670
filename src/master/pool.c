#include "master/pool.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "master/orphan.h"
#include "master/pool_name.h"
#include "master/pools.h"

/* A row that crashes gets one worker, and one hold. */
static size_t count_members(const struct plan *plan, const struct plan_service *service)
{
    if (blame_is_own(service->pool_key))
        return 1;
    return service->way == PLAN_WAY_DISPATCH ? plan->globals.worker_count : 1;
}

/* A descriptor's number may come back for another socket, the socket's own does not. */
static ino_t socket_number(int fd)
{
    struct stat st;

    return fstat(fd, &st) == -1 ? 0 : st.st_ino;
}

static void add_listeners(struct pool *pool, const struct plan_service *service)
{
    for (size_t i = 0; i < service->endpoint_count; i++) {
        int fd = listeners_fd(pool->pools->listeners, service, i);

        if (fd == -1)
            continue;
        *MEM_PUSH(pool->listeners, pool->listener_count) =
            (struct worker_listener){ service, &service->endpoints[i], fd };
        pool->sockets =
            mem_grow(pool->sockets, pool->listener_count, sizeof(*pool->sockets));
        pool->sockets[pool->listener_count - 1] = socket_number(fd);
    }
}

static void forget_rows(struct pool *pool)
{
    for (size_t i = 0; i < pool->row_count; i++)
        mem_free(&pool->rows[i].name);
    mem_free(&pool->rows);
    mem_free(&pool->listeners);
    pool->row_count = pool->listener_count = 0;
}

void pool_bind(struct pool *pool, const struct plan *plan)
{
    pool->plan = plan;
    forget_rows(pool);
    for (size_t i = 0; i < plan->service_count; i++) {
        const struct plan_service *service = &plan->services[i];

        if (!service->enabled || strcmp(service->pool_key, pool->key) != 0)
            continue;
        *MEM_PUSH(pool->rows, pool->row_count) =
            (struct pool_row){ .name = mem_text(service->name),
                               .number = service->number };
        add_listeners(pool, service);
    }
}

/* What a program left may be meant to stay: a shell's jobs. A plugin's child has nobody
 * to leave. */
static int64_t longest_of_children(const struct pool *pool)
{
    int64_t longest = -1;

    for (size_t i = 0; i < pool->listener_count; i++) {
        const struct plan_service *service = pool->listeners[i].service;

        if (service->way != PLAN_WAY_FORK || service->total_timeout < 0)
            return -1;
        if (service->total_timeout > longest)
            longest = service->total_timeout;
    }
    return longest;
}

struct pool *pool_new(struct pools *pools, const struct plan *plan,
                      const struct plan_service *first, uint32_t number)
{
    struct pool *pool = mem_new(sizeof(*pool));

    pool->pools = pools;
    pool->number = number;
    pool->generation = pools->generation;
    pool->key = mem_text(first->pool_key);
    pool->name = pool_name(plan, first);
    pool->is_own = blame_is_own(first->pool_key);
    pool->is_wait = first->way == PLAN_WAY_WAIT;
    list_init(&pool->link);
    list_init(&pool->orphans);
    pool_bind(pool, plan);
    pool->child_ms = longest_of_children(pool);
    pool->member_count = count_members(plan, first);
    pool->members = mem_array(pool->member_count, sizeof(*pool->members));
    for (size_t i = 0; i < pool->member_count; i++)
        member_init(&pool->members[i], pool);
    return pool;
}

void pool_free(struct pool *pool)
{
    list_remove(&pool->link);
    for (size_t i = 0; i < pool->member_count; i++)
        member_fini(&pool->members[i]);
    orphans_kill(pool);
    forget_rows(pool);
    mem_free(&pool->members);
    mem_free(&pool->sockets);
    mem_free(&pool->key);
    mem_free(&pool->name);
    mem_free(&pool);
}

int pool_start(struct pool *pool, struct err *err)
{
    for (size_t i = 0; pool->is_own && i < pool->member_count; i++)
        member_retry(&pool->members[i]);
    for (size_t i = 0; !pool->is_own && i < pool->member_count; i++)
        if (member_start(&pool->members[i], err) == -1)
            return err_prefix(err, "pool %s", pool->name);
    return 0;
}

void pool_restore_queues(const struct pool *pool)
{
    for (size_t i = 0; i < pool->listener_count; i++)
        if (endpoint_is_stream(pool->listeners[i].endpoint->kind))
            (void)listen(pool->listeners[i].fd,
                         (int)pool->listeners[i].service->backlog);
}

void pool_drain(struct pool *pool, const char *const *keep, int64_t timeout_ms)
{
    for (size_t i = 0; i < pool->member_count; i++)
        member_drain(&pool->members[i], keep, timeout_ms);
}

bool pool_lives(const struct pool *pool)
{
    for (size_t i = 0; i < pool->member_count; i++)
        if (pool->members[i].child.pid != 0)
            return true;
    return !list_is_empty(&pool->orphans);
}

bool pool_was_ready(const struct pool *pool)
{
    for (size_t i = 0; i < pool->member_count; i++)
        if (!pool->members[i].was_ready)
            return false;
    return true;
}

bool pool_has_row(const struct pool *pool, const char *name)
{
    for (size_t i = 0; i < pool->row_count; i++)
        if (strcmp(pool->rows[i].name, name) == 0)
            return true;
    return false;
}

bool pool_shares_listener(const struct pool *a, const struct pool *b)
{
    for (size_t i = 0; i < a->listener_count; i++)
        for (size_t j = 0; j < b->listener_count; j++)
            if (a->sockets[i] == b->sockets[j])
                return true;
    return false;
}
