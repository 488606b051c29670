/*
 * A plan as the reader prints it, from a reader that went wrong: any bytes. The master
 * refuses them, or has a plan that is the same after a journey, and that the rest of it
 * can live with.
 */
#include "conf/planwire.h"
#include "fuzz.h"
#include "oracle.h"
#include "travel.h"

static void look_at(const struct plan *plan)
{
    must(plan->service_count <= PLAN_SERVICES);
    must(plan->globals.worker_count >= 1);
    for (size_t i = 0; i < plan->service_count; i++) {
        const struct plan_service *service = &plan->services[i];
        bool is_plugin =
            service->way == PLAN_WAY_DISPATCH || service->way == PLAN_WAY_FORK;

        must(plan_find(plan, service->name) == service);
        must(is_plugin == (service->plugin != NULL));
        must(is_plugin != (service->exec.count > 0 && service->exec.at[0][0] == '/'));
        must(!is_plugin || service->uid != 0);
        must(service->endpoint_count <= PLAN_ENDPOINTS);
        must(service->pool_key != NULL && service->file != NULL);
        must(service->umask <= 0777 && service->socket_mode <= 0777);
        must(service->max_connections >= 1 && service->nice >= -20 &&
             service->nice <= 19);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    struct err err = ERR_EMPTY;
    struct plan *plan = planwire_parse((const char *)bytes, count, &err);

    if (plan == NULL) {
        must(err.text[0] != '\0');
        return 0;
    }
    look_at(plan);
    travel(plan);
    plan_free(&plan);
    return 0;
}
