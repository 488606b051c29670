#include "master/pools.h"

#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/log.h"
#include "base/str.h"
#include "conf/plandiff.h"

/* ---- one pool ---- */

static struct pool *pool_at(struct list *link)
{
    return CONTAINER(link, struct pool, link);
}

/* What people read: the name in the table, the default "usher", or the row that needs its own. */
static char *name_pool(const struct plan *plan, const struct plan_service *service)
{
    if (service->pool != NULL && service->pool[0] != '\0')
        return mem_text(service->pool);
    if (service->way == PLAN_WAY_WAIT)
        return mem_text(service->name);
    if (service->way == PLAN_WAY_EXEC)
        return mem_print("exec-%s", service->user == NULL ? plan->globals.user : service->user);
    return mem_print("%s%s%s", plan->globals.user, service->way == PLAN_WAY_FORK ? "-fork" : "",
                     service->needs != 0 ? "-more" : "");
}

static size_t count_members(const struct plan *plan, const struct plan_service *service)
{
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
        pool->sockets = mem_grow(pool->sockets, pool->listener_count, sizeof(*pool->sockets));
        pool->sockets[pool->listener_count - 1] = socket_number(fd);
    }
}

/* Points the pool at this plan's rows: for a new pool, and for one that a reload left alone. */
static void bind_to_plan(struct pool *pool, const struct plan *plan)
{
    pool->plan = plan;
    mem_free(&pool->services);
    mem_free(&pool->listeners);
    pool->service_count = pool->listener_count = 0;
    for (size_t i = 0; i < plan->service_count; i++) {
        const struct plan_service *service = &plan->services[i];

        if (!service->enabled || strcmp(service->pool_key, pool->key) != 0)
            continue;
        *MEM_PUSH(pool->services, pool->service_count) = service;
        add_listeners(pool, service);
    }
}

static struct pool *pool_new(struct pools *pools, const struct plan *plan,
                             const struct plan_service *first, uint32_t number)
{
    struct pool *pool = mem_new(sizeof(*pool));

    pool->pools = pools;
    pool->number = number;
    pool->generation = pools->generation;
    pool->key = mem_text(first->pool_key);
    pool->name = name_pool(plan, first);
    pool->is_wait = first->way == PLAN_WAY_WAIT;
    bind_to_plan(pool, plan);
    pool->member_count = count_members(plan, first);
    pool->members = mem_array(pool->member_count, sizeof(*pool->members));
    for (size_t i = 0; i < pool->member_count; i++)
        member_init(&pool->members[i], pool);
    list_init(&pool->link);
    return pool;
}

static void pool_free(struct pool *pool)
{
    list_remove(&pool->link);
    for (size_t i = 0; i < pool->member_count; i++)
        member_fini(&pool->members[i]);
    reap_forget(&pool->orphan);
    mem_free(&pool->members);
    mem_free(&pool->services);
    mem_free(&pool->listeners);
    mem_free(&pool->sockets);
    mem_free(&pool->key);
    mem_free(&pool->name);
    mem_free(&pool);
}

static bool pool_lives(const struct pool *pool)
{
    for (size_t i = 0; i < pool->member_count; i++)
        if (pool->members[i].child.pid != 0)
            return true;
    return pool->orphan.pid != 0;
}

static bool pool_is_ready(const struct pool *pool)
{
    for (size_t i = 0; i < pool->member_count; i++)
        if (pool->members[i].state != MEMBER_READY)
            return false;
    return true;
}

static int pool_start(struct pool *pool, struct err *err)
{
    for (size_t i = 0; i < pool->member_count; i++)
        if (member_start(&pool->members[i], err) == -1)
            return err_prefix(err, "pool %s", pool->name);
    return 0;
}

/* Its plan may be freed from here on: rows and endpoints are not looked at any more. */
static void pool_leave(struct pool *pool)
{
    pool->is_leaving = true;
    pool->plan = NULL;
    pool->service_count = 0;
    list_remove(&pool->link);
    list_append(&pool->pools->leaving, &pool->link);
}

static bool shares_listener(const struct pool *a, const struct pool *b)
{
    for (size_t i = 0; i < a->listener_count; i++)
        for (size_t j = 0; j < b->listener_count; j++)
            if (a->sockets[i] == b->sockets[j])
                return true;
    return false;
}

static struct pool *find_in(struct list *head, const char *key)
{
    struct list *link, *safe;

    LIST_EACH(head, link, safe)
        if (strcmp(pool_at(link)->key, key) == 0)
            return pool_at(link);
    return NULL;
}

/* ---- wait rows: the listener may be in the hands of an older child ---- */

static bool has_holder(const struct pools *pools, const struct pool *pool)
{
    const struct list *const heads[] = { &pools->running, &pools->leaving };

    for (size_t i = 0; i < ARRAY_LEN(heads); i++)
        for (struct list *link = heads[i]->next; link != heads[i]; link = link->next) {
            const struct pool *other = pool_at(link);

            if (other != pool && other->is_wait && pool_lives(other)
                && shares_listener(other, pool))
                return true;
        }
    return pool->orphan.pid != 0;
}

static void release_held(struct pools *pools)
{
    struct list *link, *safe;

    LIST_EACH(&pools->running, link, safe) {
        struct pool *pool = pool_at(link);

        if (!pool->is_held || has_holder(pools, pool))
            continue;
        pool->is_held = false;
        for (size_t i = 0; i < pool->service_count; i++)
            member_watch(&pool->members[0], pool->services[i]->name);
    }
}

static void settle(struct pool *pool);

static void on_orphan_end(struct child *child, int status, void *context)
{
    struct pool *pool = context;
    char how[64];

    log_info("pool", "end pool=%s orphan=%ld %s", pool->name, (long)child->pid,
             reap_print(status, how, sizeof(how)));
    settle(pool);
}

/* The worker of a wait row died before its child: as subreaper we are its parent now, and until
 * it ends nobody else may read from that listener. What the worker said is checked first. */
static void adopt_orphan(struct pool *pool, pid_t pid)
{
    siginfo_t info = { 0 };

    if (pid == 0 || waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == -1
        || info.si_pid != 0)
        return;
    log_info("pool", "hold pool=%s orphan=%ld", pool->name, (long)pid);
    reap_watch(&pool->orphan, pid, on_orphan_end, pool);
    pool->is_held = true;
}

/* ---- what becomes of members ---- */

static void report(struct pools *pools, const char *reason)
{
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

static void check_all_ready(struct pools *pools)
{
    struct list *link, *safe;

    if (pools->done == NULL || timer_is_on(pools->loop, &pools->report))
        return;
    LIST_EACH(&pools->fresh, link, safe)
        if (!pool_is_ready(pool_at(link)))
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

/* A pool that is leaving goes when its last process is gone. */
static void settle(struct pool *pool)
{
    struct pools *pools = pool->pools;

    if (pool->is_leaving && !pool_lives(pool))
        pool_free(pool);
    release_held(pools);
    tell_idle(pools);
}

static bool is_fresh(const struct pool *pool)
{
    for (struct list *link = pool->pools->fresh.next; link != &pool->pools->fresh;
         link = link->next)
        if (pool_at(link) == pool)
            return true;
    return false;
}

static void on_failed(struct member *member, const char *text)
{
    struct pool *pool = member->pool;

    if (is_fresh(pool)) {
        char *reason = mem_print("pool %s: %s", pool->name, text);

        report(pool->pools, reason);
        mem_free(&reason);
    } else if (!pool->is_leaving) {
        log_error("pool", "fail pool=%s reason=\"%s\"", pool->name, text);
        member_retry(member);
    } else {
        settle(pool);
    }
}

void pools_on_member(struct member *member, enum member_event event, const char *text)
{
    struct pool *pool = member->pool;

    switch (event) {
    case MEMBER_IS_READY:
        if (!is_fresh(pool))
            log_info("pool", "start pool=%s pid=%ld", pool->name, (long)member->child.pid);
        release_held(pool->pools);
        check_all_ready(pool->pools);
        return;
    case MEMBER_FAILED:
        on_failed(member, text);
        return;
    case MEMBER_ENDED:
        if (pool->is_wait)
            adopt_orphan(pool, member->wait_child);
        settle(pool);
        return;
    }
}

/* ---- a change of plan ---- */

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

static bool has_new_listener(const struct pools *pools, const struct plan *plan, const char *key)
{
    for (size_t i = 0; i < plan->service_count; i++)
        if (plan->services[i].enabled && strcmp(plan->services[i].pool_key, key) == 0
            && listeners_is_new(pools->listeners, &plan->services[i]))
            return true;
    return false;
}

/* Once per key: keeps the running pool, or makes a fresh one. */
static int plan_pool(struct pools *pools, const struct plan *old, const struct plan *fresh,
                     const struct plan_service *service, struct err *err)
{
    struct pool *running = find_in(&pools->running, service->pool_key), *pool;
    int number;

    if (find_in(&pools->fresh, service->pool_key) != NULL || (running != NULL && running->is_kept))
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
    pool->is_held = pool->is_wait && has_holder(pools, pool);
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

int pools_prepare(struct pools *pools, const struct plan *old, struct plan *fresh, pools_fn *done,
                  void *context, struct err *err)
{
    int result = number_rows(pools, fresh, err);

    pools->generation++;
    for (struct list *link = pools->running.next; link != &pools->running; link = link->next)
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
    check_all_ready(pools); /* with nothing fresh: at once, but from the loop */
    return 0;
}

/* The rows whose connections may stay where they are, as long as they like. */
static const char **kept_rows(const struct pool *pool, const struct plan *old,
                              const struct plan *fresh)
{
    const char **keep = mem_array(pool->service_count + 1, sizeof(*keep));
    size_t count = 0;

    for (size_t i = 0; i < pool->service_count; i++)
        if (plandiff_service(old, fresh, pool->services[i]->name) == PLANDIFF_SAME)
            keep[count++] = pool->services[i]->name;
    return keep;
}

static void drain_pool(struct pool *pool, const char *const *keep, int64_t timeout_ms)
{
    for (size_t i = 0; i < pool->member_count; i++) {
        member_drain(&pool->members[i], keep, timeout_ms);
        if (keep[0] == NULL && timeout_ms >= 0 && !pool->is_wait)
            member_expect_end(&pool->members[i], timeout_ms);
    }
}

static void retire(struct pool *pool, const struct plan *old, const struct plan *fresh)
{
    const char **keep = kept_rows(pool, old, fresh);

    drain_pool(pool, keep, fresh->globals.drain_timeout);
    mem_free(&keep);
}

void pools_commit(struct pools *pools, const struct plan *old, const struct plan *fresh)
{
    struct list *link, *safe;

    pools->hang_timeout = fresh->globals.hang_timeout;
    LIST_EACH(&pools->running, link, safe) {
        struct pool *pool = pool_at(link);

        if (pool->is_kept) {
            bind_to_plan(pool, fresh);
            continue;
        }
        retire(pool, old, fresh);
        pool_leave(pool);
    }
    LIST_EACH(&pools->fresh, link, safe) {
        list_remove(link);
        list_append(&pools->running, link);
    }
    LIST_EACH(&pools->leaving, link, safe)
        settle(pool_at(link));
}

void pools_abandon(struct pools *pools)
{
    struct list *link, *safe;

    pools->done = NULL;
    timer_stop(pools->loop, &pools->report);
    LIST_EACH(&pools->fresh, link, safe) {
        struct pool *pool = pool_at(link);

        pool_leave(pool);
        for (size_t i = 0; i < pool->member_count; i++)
            member_kill(&pool->members[i]);
        settle(pool);
    }
}

/* ---- the end ---- */

void pools_drain(struct pools *pools, int64_t timeout_ms, pools_idle_fn *idle, void *context)
{
    static const char *const none[] = { NULL };
    struct list *link, *safe;

    pools_abandon(pools);
    pools->idle = idle;
    pools->idle_context = context;
    LIST_EACH(&pools->running, link, safe)
        pool_leave(pool_at(link));
    LIST_EACH(&pools->leaving, link, safe) {
        struct pool *pool = pool_at(link);

        drain_pool(pool, none, timeout_ms);
        for (size_t i = 0; i < pool->member_count && timeout_ms >= 0; i++)
            member_expect_end(&pool->members[i], timeout_ms);
    }
    LIST_EACH(&pools->leaving, link, safe)
        settle(pool_at(link));
    tell_idle(pools);
}

void pools_stop(struct pools *pools)
{
    struct list *link, *safe;

    LIST_EACH(&pools->leaving, link, safe) {
        struct pool *pool = pool_at(link);

        for (size_t i = 0; i < pool->member_count; i++)
            member_stop(&pool->members[i]);
        if (pool->orphan.pid != 0)
            (void)reap_signal_session(&pool->orphan, SIGTERM);
    }
}

int pools_open(struct pools *pools, struct loop *loop, const struct listeners *listeners,
               struct err *err)
{
    *pools = (struct pools){ .loop = loop, .listeners = listeners, .hang_timeout = -1 };
    list_init(&pools->running);
    list_init(&pools->fresh);
    list_init(&pools->leaving);
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

        for (size_t i = 0; i < pool->member_count; i++) {
            member_kill(&pool->members[i]);
            if (pool->members[i].child.pid != 0)
                (void)waitpid(pool->members[i].child.pid, NULL, 0);
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
    numbers_free(&pools->pool_numbers);
    numbers_free(&pools->row_numbers);
    mem_free(&pools->reason);
    pages_close(&pools->pages);
}

const struct pool *pools_of(const struct pools *pools, const char *service)
{
    for (struct list *link = pools->running.next; link != &pools->running; link = link->next) {
        const struct pool *pool = pool_at(link);

        for (size_t i = 0; i < pool->service_count; i++)
            if (strcmp(pool->services[i]->name, service) == 0)
                return pool;
    }
    return NULL;
}
