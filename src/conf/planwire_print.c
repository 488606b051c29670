#include "conf/planwire.h"

#include <stdio.h>
#include <string.h>

#include "base/opt.h"
#include "conf/keys.h"
#include "conf/planlimits.h"
#include "conf/planrules.h"

/* What differs from the presets: the other side begins with the same ones. */
static void print_keys(struct record_out *out, const struct usher_option *keys,
                       const void *from)
{
    char text[ADDR_TEXT];

    for (const struct usher_option *row = keys; row->key != NULL; row++) {
        const char *value;

        if (planrules_has(row->key) || opt_is_preset(row, from))
            continue;
        for (size_t i = 0; (value = opt_text(row, from, i, text, sizeof(text))) != NULL;
             i++) {
            record_add(out, row->key, value);
            if (row->type != USHER_TYPE_LIST)
                break;
        }
    }
}

/* The path as bytes, which addr_print() would make printable. */
static void print_path(struct record_out *out, const struct usher_address *addr)
{
    struct sockaddr_un un = { 0 };
    char path[sizeof(un.sun_path) + 1] = "";
    size_t room = sizeof(path) - 1;

    memcpy(&un, &addr->storage, sizeof(un));
    if (un.sun_path[0] == '\0')
        snprintf(path, sizeof(path), "@%.*s", (int)room - 1, un.sun_path + 1);
    else
        snprintf(path, sizeof(path), "%.*s", (int)room, un.sun_path);
    record_add(out, "path", path);
}

static void print_endpoint(struct record_out *out, const struct endpoint *endpoint)
{
    char text[ADDR_TEXT];

    record_begin(out, "endpoint");
    record_add(out, "kind", endpoint_kind_name(endpoint->kind));
    if (endpoint->addr.storage.ss_family == AF_UNIX)
        print_path(out, &endpoint->addr);
    else if (endpoint->addr.length > 0)
        record_add(out, "address", addr_print(&endpoint->addr, text, sizeof(text)));
    record_add(out, "name", endpoint->name);
    record_add(out, "text", endpoint->text);
    record_add_number(out, "optional", endpoint->is_optional);
    record_add_number(out, "group", endpoint->group);
    record_end(out);
}

/* A port that the system drew, and what a passed-in listener proved to be, were not
 * written. */
static void print_as_written(struct record_out *out, const struct endpoint *endpoint)
{
    struct endpoint copy = *endpoint;

    if (copy.name != NULL) {
        copy.kind = ENDPOINT_FD;
        memset(&copy.addr, 0, sizeof(copy.addr));
    } else if (plan_is_drawn(endpoint)) {
        addr_set_port(&copy.addr, 0);
    }
    print_endpoint(out, &copy);
}

static void print_computed(struct record_out *out, const struct plan_service *service)
{
    record_add(out, "way", plan_way_name(service->way));
    record_add(out, "plugin_path", service->plugin_path);
    record_add_number(out, "blocking", service->is_blocking);
    record_add_number(out, "needs", service->needs);
    record_add_number(out, "uid", service->uid);
    record_add_number(out, "gid", service->gid);
    for (size_t i = 0; i < service->gid_count; i++)
        record_add_number(out, "gids", service->gids[i]);
    if (service->socket_uid != (uid_t)-1)
        record_add_number(out, "socket_uid", service->socket_uid);
    if (service->socket_gid != (gid_t)-1)
        record_add_number(out, "socket_gid", service->socket_gid);
    record_add(out, "pool_key", service->pool_key);
}

static void print_parts(struct record_out *out, const struct plan_service *service,
                        void (*print_one)(struct record_out *, const struct endpoint *))
{
    planrules_print(out, service);
    for (size_t i = 0; i < service->option_count; i++) {
        record_begin(out, "option");
        record_add(out, "key", service->options[i].key);
        record_add(out, "value", service->options[i].value);
        record_end(out);
    }
    planlimits_print(out, service);
    for (size_t i = 0; i < service->endpoint_count; i++)
        print_one(out, &service->endpoints[i]);
}

void planwire_print_service(struct record_out *out, const struct plan_service *service)
{
    record_begin(out, "service");
    record_add(out, "name", service->name);
    print_keys(out, keys_service, service);
    print_computed(out, service);
    record_end(out);
    print_parts(out, service, print_as_written);
}

static void print_service(struct record_out *out, const struct plan_service *service)
{
    record_begin(out, "service");
    record_add(out, "name", service->name);
    record_add(out, "file", service->file);
    record_add_number(out, "line", service->line);
    print_keys(out, keys_service, service);
    print_computed(out, service);
    record_end(out);
    print_parts(out, service, print_endpoint);
}

void planwire_print_globals(struct record_out *out, const struct plan_globals *globals)
{
    record_begin(out, "global");
    print_keys(out, keys_global, globals);
    record_add_number(out, "worker_count", globals->worker_count);
    record_add_number(out, "control_read_gid", globals->control_read_gid);
    record_add_number(out, "control_operate_gid", globals->control_operate_gid);
    record_end(out);
}

void planwire_print(struct record_out *out, const struct plan *plan)
{
    record_begin(out, "plan");
    record_add(out, "config", plan->config);
    record_add_number(out, "services", (int64_t)plan->service_count);
    record_end(out);
    planwire_print_globals(out, &plan->globals);
    for (size_t i = 0; i < plan->service_count; i++)
        print_service(out, &plan->services[i]);
}
