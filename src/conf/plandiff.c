#include "conf/plandiff.h"

#include <string.h>

#include "conf/planwire.h"

static const struct plan_service *find_enabled(const struct plan *plan, const char *name)
{
    const struct plan_service *service = plan_find(plan, name);

    return service != NULL && service->enabled ? service : NULL;
}

static bool is_same_service(const struct plan_service *a, const struct plan_service *b)
{
    struct record_out out_a = RECORD_OUT_EMPTY, out_b = RECORD_OUT_EMPTY;
    bool is_same;

    planwire_print_service(&out_a, a);
    planwire_print_service(&out_b, b);
    is_same = out_a.length == out_b.length
              && memcmp(out_a.bytes, out_b.bytes, out_a.length) == 0;
    record_out_free(&out_a);
    record_out_free(&out_b);
    return is_same;
}

enum plandiff_change plandiff_service(const struct plan *old, const struct plan *new_,
                                      const char *name)
{
    const struct plan_service *before = find_enabled(old, name);
    const struct plan_service *after = find_enabled(new_, name);

    if (before == NULL)
        return after == NULL ? PLANDIFF_SAME : PLANDIFF_ADDED;
    if (after == NULL)
        return PLANDIFF_REMOVED;
    return is_same_service(before, after) ? PLANDIFF_SAME : PLANDIFF_CHANGED;
}

/* ---- pools ----------------------------------------------------------------------- */

/* Each row of the pool in one plan is there, unchanged, in the other. */
static bool has_all(const struct plan *in, const struct plan *of, const char *pool_key)
{
    for (size_t i = 0; i < of->service_count; i++) {
        const struct plan_service *service = &of->services[i];

        if (service->enabled && strcmp(service->pool_key, pool_key) == 0
            && plandiff_service(in, of, service->name) != PLANDIFF_SAME)
            return false;
    }
    return true;
}

struct ports {
    unsigned char bits[65536 / 8];
};

/* Drawn ones as well: by now the plan has them. */
static void note_udp_ports(struct ports *ports, const struct plan *plan)
{
    memset(ports, 0, sizeof(*ports));
    for (size_t i = 0; i < plan->service_count; i++) {
        const struct plan_service *service = &plan->services[i];

        for (size_t j = 0; service->enabled && j < service->endpoint_count; j++) {
            unsigned port = addr_port(&service->endpoints[j].addr);

            if (plan_is_udp(service, j))
                ports->bits[port / 8] |= (unsigned char)(1u << port % 8);
        }
    }
}

static bool has_same_udp_ports(const struct plan *a, const struct plan *b)
{
    struct ports ports_a, ports_b;

    note_udp_ports(&ports_a, a);
    note_udp_ports(&ports_b, b);
    return memcmp(&ports_a, &ports_b, sizeof(ports_a)) == 0;
}

static bool is_same_world(const struct plan_globals *a, const struct plan_globals *b)
{
    return a->worker_count == b->worker_count && a->loop == b->loop
           && a->hang_timeout == b->hang_timeout && strcmp(a->log_to, b->log_to) == 0
           && a->log_level == b->log_level && a->log_format == b->log_format
           && a->log_addresses == b->log_addresses;
}

static bool hands_over(const struct plan *plan, const char *pool_key)
{
    for (size_t i = 0; i < plan->service_count; i++)
        if (plan->services[i].enabled && plan_hands_over(&plan->services[i])
            && strcmp(plan->services[i].pool_key, pool_key) == 0)
            return true;
    return false;
}

/* Each row offered by the one is offered by the other, in a pool with the same door. */
static bool offers_all(const struct plan *in, const struct plan *of)
{
    for (size_t i = 0; i < of->service_count; i++) {
        const struct plan_service *service = &of->services[i], *other;

        if (!plan_is_offered(service))
            continue;
        other = plan_find(in, service->name);
        if (other == NULL || !plan_is_offered(other)
            || strcmp(service->pool_key, other->pool_key) != 0)
            return false;
    }
    return true;
}

bool plandiff_pool_same(const struct plan *old, const struct plan *new_,
                        const char *pool_key)
{
    return is_same_world(&old->globals, &new_->globals) && has_all(old, new_, pool_key)
           && has_all(new_, old, pool_key) && has_same_udp_ports(old, new_)
           && (!hands_over(new_, pool_key)
               || (offers_all(old, new_) && offers_all(new_, old)));
}
