#include "master/status.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "flow/admit.h"
#include "flow/udp.h"
#include "master/counts.h"
#include "master/fault.h"
#include "master/logsink.h"
#include "master/master.h"

#define PIECE_BYTES 16384
#define ENDPOINTS_A_RECORD 64 /* the longest path, all of it escaped, fits so often */
#define PLACE_TEXT (ADDR_TEXT + 32)

/* ---- the daemon ---- */

/* Descriptors that are open, without the one that looks; -1: nobody says. */
static long count_descriptors(void)
{
    DIR *folder = opendir("/proc/self/fd");
    long count = -2; /* "." and ".." */

    if (folder == NULL)
        return -1;
    while (readdir(folder) != NULL)
        count++;
    closedir(folder);
    return count - 1;
}

static void add_descriptors(struct record_out *out)
{
    struct rlimit files;
    long count = count_descriptors();

    if (count >= 0)
        record_add_number(out, "fds", count);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur != RLIM_INFINITY)
        record_add_number(out, "fds_limit", (int64_t)files.rlim_cur);
}

/* What workers run on: what the table asks for, and the best there is where it does
 * not. */
const char *status_loop_name(const struct master *master)
{
    static const char *const names[] = { [LOOP_EPOLL] = "epoll", [LOOP_POLL] = "poll",
                                         [LOOP_SELECT] = "select" };
    int kind = master->plan->globals.loop;

    return kind == LOOP_AUTO ? loop_method(&master->loop) : names[kind];
}

static void add_daemon(struct record_out *out, const struct master *master)
{
    static const char *const reloads[] = { "idle", "reading", "starting" };
    int64_t up_ms = clock_ms() - master->control.started_ms;

    record_begin(out, "usherd");
    record_add(out, "version", USHER_VERSION);
    record_add_number(out, "pid", getpid());
    record_add_number(out, "since", (int64_t)time(NULL) - up_ms / 1000);
    record_add_number(out, "up_ms", up_ms);
    record_add(out, "state", master->is_draining ? "draining" : "ready");
    record_add_number(out, "generation", master->pools.generation);
    record_add(out, "loop", status_loop_name(master));
    record_add(out, "reload", reloads[master->reload.state]);
    record_add_number(out, "log_dropped", (int64_t)logsink_dropped());
    add_descriptors(out);
    record_end(out);
}

/* ---- workers ---- */

/* What the worker notes before each callback. It may have written anything there. */
static void add_now(struct record_out *out, const struct member *member)
{
    const struct pool *pool = member->pool;
    const struct page *page = pages_slot(pool->pools->pages, member->slot);
    uint32_t row = atomic_load_explicit(&page->now_row, memory_order_acquire);
    char peer[ADDR_TEXT];

    for (size_t i = 0; row != 0 && i < pool->row_count; i++) {
        if (pool->rows[i].number != row - 1)
            continue;
        record_add(out, "now_service", pool->rows[i].name);
        record_add(out, "now_peer", page_print_peer(page, peer, sizeof(peer)));
        record_add_number(out, "now_ms", fault_spent_ms(page));
        return;
    }
}

static void add_worker(struct record_out *out, const struct member *member)
{
    bool lives = member->child.pid != 0;

    record_begin(out, "worker");
    record_add(out, "pool", member->pool->name);
    record_add_number(out, "generation", member->pool->generation);
    record_add(out, "state", member_state_name(member->state));
    if (lives) {
        record_add_number(out, "pid", member->child.pid);
        record_add_number(out, "up_ms", clock_ms() - member->started_ms);
    } else if (member->state == MEMBER_HELD) {
        record_add_number(out, "held_ms", member_hold_left(member));
    }
    if (lives && member->slot != -1)
        add_now(out, member);
    record_end(out);
}

static void add_pool(struct record_out *out, const struct pool *pool)
{
    record_begin(out, "pool");
    record_add(out, "name", pool->name);
    record_add_number(out, "generation", pool->generation);
    record_add(out, "state",
               pool->is_leaving ? "draining"
               : pool->is_fresh ? "starting"
                                : "running");
    record_add_number(out, "services", (int64_t)pool->row_count);
    record_add_number(out, "workers", (int64_t)pool->member_count);
    if (pool->member_count > 0 && pool->members[0].sandbox[0] != '\0')
        record_add(out, "sandbox", pool->members[0].sandbox);
    record_end(out);
    for (size_t i = 0; i < pool->member_count; i++)
        add_worker(out, &pool->members[i]);
}

static void add_pools(struct record_out *out, const struct pools *pools)
{
    const struct list *const heads[] = { &pools->running, &pools->fresh,
                                         &pools->leaving };

    for (size_t i = 0; i < ARRAY_LEN(heads); i++)
        for (struct list *link = heads[i]->next; link != heads[i]; link = link->next)
            add_pool(out, CONTAINER(link, struct pool, link));
}

/* ---- services ---- */

static void add_pool_of(struct record_out *out, const struct master *master,
                        const struct plan_service *service)
{
    struct pools_row_state state;

    pools_row_state(&master->pools, service, &state);
    if (state.generation != 0) {
        record_add(out, "pool", state.pool);
        record_add_number(out, "generation", state.generation);
        record_add_number(out, "workers", state.workers);
    }
    record_add(out, "state", state.state);
    record_add_number(out, "held_ms", state.held_ms);
    record_add_number(out, "draining", state.draining);
    record_add_number(out, "blames", state.blames);
    record_add_number(out, "is_own", state.is_own);
}

/* All reasons, so that programs find each name, but for those that are no refusals. */
static void add_reasons(struct record_out *out, const struct counts *counts)
{
    static const char *const drops[UDP_VERDICTS] = {
        [UDP_CUT] = "cut",
        [UDP_UNNAMED] = "unnamed",
        [UDP_PORT_ZERO] = "port_zero",
        [UDP_LOW_PORT] = "low_port",
        [UDP_OWN_PORT] = "own_port",
        [UDP_TO_MANY] = "to_many",
        [UDP_EMPTY] = "empty",
        [UDP_FROM_MANY] = "from_many",
        [UDP_LONGER] = "longer",
        [UDP_AGAIN] = "again",
        [UDP_UNSENT] = "unsent",
        [UDP_UNSERVED] = "unserved",
        [UDP_UNWANTED] = "unwanted",
    };

    _Static_assert(ARRAY_LEN(drops) == UDP_VERDICTS && UDP_VERDICTS <= PAGE_REASONS,
                   "each has a name and a counter");
    char key[64];

    for (int i = ADMIT_YES + 1; i < ADMIT_VERDICTS; i++) {
        snprintf(key, sizeof(key), "refused.%s", admit_name((enum admit_verdict)i));
        record_add_number(out, key, (int64_t)counts->refused_by[i]);
    }
    for (int i = UDP_ANSWER + 1; i < UDP_VERDICTS; i++) {
        snprintf(key, sizeof(key), "dropped.%s", drops[i]);
        record_add_number(out, key, (int64_t)counts->dropped_by[i]);
    }
}

static void add_counts(struct record_out *out, const struct counts *counts)
{
    record_add_number(out, "active", (int64_t)counts->active);
    record_add_number(out, "accepted", (int64_t)counts->accepted);
    record_add_number(out, "failed", (int64_t)counts->failed);
    record_add_number(out, "refused", (int64_t)counts->refused);
    record_add_number(out, "replied", (int64_t)counts->replied);
    record_add_number(out, "dropped", (int64_t)counts->dropped);
    record_add_number(out, "bytes_in", (int64_t)counts->bytes_in);
    record_add_number(out, "bytes_out", (int64_t)counts->bytes_out);
}

/* Those that are open, by the ports they really have. */
static void add_endpoints(struct record_out *out, const struct master *master,
                          const struct plan_service *service)
{
    char text[PLACE_TEXT];
    size_t count = 0;

    for (size_t i = 0; i < service->endpoint_count; i++) {
        if (listeners_fd(&master->listeners, service, i) == -1)
            continue;
        if (count % ENDPOINTS_A_RECORD == 0) {
            if (count > 0)
                record_end(out);
            record_begin(out, "endpoints");
        }
        record_add(out, "at", endpoint_print(&service->endpoints[i], text, sizeof(text)));
        count++;
    }
    if (count > 0)
        record_end(out);
}

static void add_service(struct record_out *out, const struct master *master,
                        const struct plan_service *service)
{
    struct counts counts = counts_of(&master->pools, service->number);

    record_begin(out, "service");
    record_add(out, "name", service->name);
    record_add(out, "way", plan_way_name(service->way));
    add_pool_of(out, master, service);
    record_add_print(out, "row", "%s:%u", service->file, service->line);
    add_counts(out, &counts);
    add_reasons(out, &counts);
    record_end(out);
    add_endpoints(out, master, service);
}

/* ---- an answer ---- */

/* Rows that were told may be gone, and others have taken their places. */
static bool has_changed(const struct status *status, const struct master *master)
{
    return status->plan != NULL && (status->plan != master->plan ||
                                    status->generation != master->pools.generation);
}

static void begin(struct status *status, const struct master *master,
                  struct record_out *out)
{
    status->plan = master->plan;
    status->generation = master->pools.generation;
    status->service = 0;
    if (!status->has_workers)
        return;
    add_daemon(out, master);
    add_pools(out, &master->pools);
}

bool status_more(struct status *status, const struct master *master,
                 struct record_out *out)
{
    const struct plan *plan = master->plan;

    if (has_changed(status, master)) {
        status->plan = NULL;
        record_begin(out, "again");
        record_end(out);
    }
    if (status->plan == NULL)
        begin(status, master, out);
    while (status->service < plan->service_count && out->length < PIECE_BYTES)
        add_service(out, master, &plan->services[status->service++]);
    return status->service < plan->service_count;
}
