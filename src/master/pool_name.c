#include "master/pool_name.h"

#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "master/blame.h"
#include "proc/sandbox.h"

#define NAME_ROOM 256

/* Of who the row is and what it needs. */
static void describe(struct str *name, const struct plan *plan,
                     const struct plan_service *service)
{
    const char *user = service->user == NULL ? plan->globals.user : service->user;

    if (blame_is_own(service->pool_key))
        str_add(name, "own-%s", service->name);
    else if (service->pool != NULL && service->pool[0] != '\0')
        str_add(name, "%s", service->pool);
    else if (service->way == PLAN_WAY_WAIT)
        str_add(name, "%s", service->name);
    else if (service->way == PLAN_WAY_EXEC)
        str_add(name, "exec-%s", user);
    else {
        str_add(name, "%s%s", user, service->way == PLAN_WAY_FORK ? "-fork" : "");
        sandbox_print_needs(name, service->needs, "+");
    }
}

/* The first row of each pool speaks for it. */
static bool is_first_of_pool(const struct plan *plan, const struct plan_service *service)
{
    for (const struct plan_service *at = plan->services; at < service; at++)
        if (at->enabled && strcmp(at->pool_key, service->pool_key) == 0)
            return false;
    return true;
}

/* How many pools of the plan, up to the row's own, have this name. */
static unsigned count_namesakes(const struct plan *plan,
                                const struct plan_service *service, const char *name)
{
    unsigned count = 0;

    for (size_t i = 0; i < plan->service_count; i++) {
        const struct plan_service *at = &plan->services[i];
        char text[NAME_ROOM];
        struct str other;

        if (!at->enabled || !is_first_of_pool(plan, at))
            continue;
        str_init(&other, text, sizeof(text));
        describe(&other, plan, at);
        count += strcmp(text, name) == 0;
        if (strcmp(at->pool_key, service->pool_key) == 0)
            break;
    }
    return count;
}

char *pool_name(const struct plan *plan, const struct plan_service *service)
{
    char text[NAME_ROOM];
    struct str name;
    unsigned count;

    str_init(&name, text, sizeof(text));
    describe(&name, plan, service);
    count = count_namesakes(plan, service, text);
    return count < 2 ? mem_text(text) : mem_print("%s-%u", text, count);
}
