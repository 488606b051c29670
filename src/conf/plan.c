#include "conf/plan.h"

#include <string.h>

#include "base/mem.h"
#include "base/opt.h"
#include "conf/keys.h"

static void free_service(struct plan_service *service)
{
    opt_free(keys_service, service);
    mem_free(&service->name);
    mem_free(&service->file);
    mem_free(&service->plugin_path);
    for (size_t i = 0; i < service->option_count; i++) {
        mem_free(&service->options[i].key);
        mem_free(&service->options[i].value);
    }
    for (size_t i = 0; i < service->endpoint_count; i++)
        endpoint_free(&service->endpoints[i]);
    mem_free(&service->options);
    mem_free(&service->endpoints);
    mem_free(&service->gids);
    mem_free(&service->limits);
    mem_free(&service->pool_key);
}

void plan_free(struct plan **plan)
{
    if (*plan == NULL)
        return;
    for (size_t i = 0; i < (*plan)->service_count; i++)
        free_service(&(*plan)->services[i]);
    opt_free(keys_global, &(*plan)->globals);
    mem_free(&(*plan)->services);
    mem_free(&(*plan)->config);
    mem_free(plan);
}

struct plan_service *plan_find(const struct plan *plan, const char *name)
{
    for (size_t i = 0; i < plan->service_count; i++)
        if (strcmp(plan->services[i].name, name) == 0)
            return &plan->services[i];
    return NULL;
}

bool plan_is_udp(const struct plan_service *service, size_t endpoint)
{
    return service->endpoints[endpoint].kind == ENDPOINT_UDP;
}

bool plan_is_drawn(const struct endpoint *endpoint)
{
    struct endpoint_spec spec;

    return (endpoint->kind == ENDPOINT_TCP || endpoint->kind == ENDPOINT_UDP)
           && endpoint_split(endpoint->text, &spec, NULL) == 0
           && strcmp(spec.port, "0") == 0;
}

bool plan_has_udp_port(const struct plan *plan, unsigned port)
{
    for (size_t i = 0; i < plan->service_count; i++) {
        const struct plan_service *service = &plan->services[i];

        for (size_t j = 0; service->enabled && j < service->endpoint_count; j++)
            if (plan_is_udp(service, j) && addr_port(&service->endpoints[j].addr) == port)
                return true;
    }
    return false;
}

bool plan_is_offered(const struct plan_service *service)
{
    return service->enabled && service->tcpmux;
}

bool plan_hands_over(const struct plan_service *service)
{
    return (service->needs & USHER_NEEDS_HAND_OVER) != 0;
}

const char *plan_way_name(enum plan_way way)
{
    static const char *const names[] = { "dispatch", "fork", "exec", "wait" };

    return names[way];
}
