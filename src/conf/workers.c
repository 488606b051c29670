/* How many workers a table has. */
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "conf/checking.h"

#define AUTO "auto"

void workers_check(struct checking *all)
{
    struct plan_globals *globals = &all->plan->globals;
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    int64_t count = processors < 1 ? 1 : processors;

    if (strcmp(globals->workers, AUTO) != 0
        && str_to_int(globals->workers, 1, PLAN_WORKERS, &count) == -1)
        globals_mistake(all, "workers",
                        "\"%s\" is neither a number from 1 to %d nor \"auto\"",
                        globals->workers, PLAN_WORKERS);
    globals->worker_count = (unsigned)(count < PLAN_WORKERS ? count : PLAN_WORKERS);
}

/* The first row of each pool stands for it. */
static bool is_first_of_pool(const struct plan *plan, size_t index)
{
    const char *key = plan->services[index].pool_key;

    for (size_t i = 0; i < index; i++)
        if (plan->services[i].enabled && plan->services[i].pool_key != NULL
            && strcmp(plan->services[i].pool_key, key) == 0)
            return false;
    return true;
}

/* single: pools that have one worker each, whatever the table says. */
static void count_pools(const struct plan *plan, unsigned *dispatch, unsigned *single)
{
    *dispatch = *single = 0;
    for (size_t i = 0; i < plan->service_count; i++) {
        const struct plan_service *service = &plan->services[i];

        if (!service->enabled || service->pool_key == NULL || !is_first_of_pool(plan, i))
            continue;
        ++*(service->way == PLAN_WAY_DISPATCH ? dispatch : single);
    }
}

/* One per processor is a wish: on a large machine there are fewer. */
void workers_check_all(struct checking *all)
{
    struct plan_globals *globals = &all->plan->globals;
    unsigned dispatch, single, count;

    count_pools(all->plan, &dispatch, &single);
    if (strcmp(globals->workers, AUTO) == 0 && dispatch > 0 &&
        single + dispatch <= PLAN_WORKERS) {
        unsigned most = (PLAN_WORKERS - single) / dispatch;

        globals->worker_count =
            globals->worker_count < most ? globals->worker_count : most;
    }
    count = single + dispatch * globals->worker_count;
    if (count > PLAN_WORKERS)
        globals_mistake(all, "workers",
                        "the table needs %u workers in %u pools, more than %d", count,
                        single + dispatch, PLAN_WORKERS);
}
