#include <string.h>

#include "base/mem.h"
#include "conf/planwire_parse.h"

#define OPTIONS_MAX 1024

int planwire_take_option(struct plan_service *service, const struct record *record,
                         struct err *err)
{
    static const char *const names[] = { "key", "value", NULL };
    struct plan_option *option;

    if (service->option_count == OPTIONS_MAX)
        return err_set(err, "too many");
    if (planwire_check_fields(record, names, err) == -1)
        return -1;
    if (record_get(record, "key") == NULL || record_get(record, "value") == NULL)
        return err_set(err, "key or value is missing");
    option = MEM_PUSH(service->options, service->option_count);
    option->key = mem_text(record_get(record, "key"));
    option->value = mem_text(record_get(record, "value"));
    return 0;
}

static int read_place(struct endpoint *endpoint, const struct record *record,
                      struct err *err)
{
    const char *path = record_get(record, "path"),
               *address = record_get(record, "address"),
               *name = record_get(record, "name");
    bool is_inet = endpoint->kind == ENDPOINT_TCP || endpoint->kind == ENDPOINT_UDP;
    bool is_fd = endpoint->kind == ENDPOINT_FD;

    if ((address != NULL) != is_inet || (name != NULL) != is_fd
        || (path != NULL) != (!is_inet && !is_fd))
        return err_set(err, "its kind and place do not go together");
    endpoint->name = mem_text(name);
    if (is_inet)
        return addr_parse(address, &endpoint->addr, err);
    return is_fd ? 0 : addr_parse_unix(path, &endpoint->addr, err);
}

int planwire_take_endpoint(struct plan_service *service, const struct record *record,
                           struct err *err)
{
    static const char *const names[] = { "kind", "address",  "path",  "name",
                                         "text", "optional", "group", NULL };
    const char *kind = record_get(record, "kind");
    struct endpoint endpoint = { 0 };
    int64_t optional, group;

    if (service->endpoint_count == PLAN_ENDPOINTS)
        return err_set(err, "too many");
    if (planwire_check_fields(record, names, err) == -1
        || record_number(record, "optional", 0, 1, &optional, err) == -1
        || record_number(record, "group", 0, PLAN_ENDPOINTS, &group, err) == -1)
        return -1;
    if (kind == NULL || endpoint_kind_parse(kind, &endpoint.kind) == -1)
        return err_set(err, "kind: none of ours");
    if (record_get(record, "text") == NULL)
        return err_set(err, "text is missing");
    endpoint.text = mem_text(record_get(record, "text"));
    endpoint.is_optional = optional == 1;
    endpoint.group = (unsigned)group;
    *MEM_PUSH(service->endpoints, service->endpoint_count) = endpoint;
    return read_place(&service->endpoints[service->endpoint_count - 1], record, err);
}
