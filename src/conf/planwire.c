#include "conf/planwire.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "base/mem.h"
#include "base/opt.h"
#include "base/str.h"
#include "conf/keys.h"
#include "conf/planrules.h"

#define OPTIONS_MAX 1024
#define GIDS_MAX    64
#define WORKERS_MAX 1024
#define ID_MAX      ((int64_t)UINT32_MAX - 1)

static const struct {
    const char *name;
    int resource;
} resources[] = {
    { "nofile", RLIMIT_NOFILE },   { "as", RLIMIT_AS },       { "cpu", RLIMIT_CPU },
    { "core", RLIMIT_CORE },       { "fsize", RLIMIT_FSIZE }, { "nproc", RLIMIT_NPROC },
    { "memlock", RLIMIT_MEMLOCK }, { "stack", RLIMIT_STACK }, { "data", RLIMIT_DATA },
};

/* ---- printing -------------------------------------------------------------------- */

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

static const char *limit_name(int resource)
{
    for (size_t i = 0; i < ARRAY_LEN(resources); i++)
        if (resources[i].resource == resource)
            return resources[i].name;
    return "none";
}

static void print_limit(struct record_out *out, const struct plan_limit *limit)
{
    char text[32];

    record_begin(out, "limit");
    record_add(out, "resource", limit_name(limit->resource));
    record_add(out, "value",
               limit->value == USHER_SIZE_UNLIMITED
                   ? "unlimited"
                   : str_size(text, sizeof(text), limit->value));
    record_end(out);
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
    for (size_t i = 0; i < service->limit_count; i++)
        print_limit(out, &service->limits[i]);
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

/* ---- reading: nothing is believed ------------------------------------------------ */

struct reading {
    struct plan *plan;
    size_t expected;
    bool has_globals;
};

/* A field that is no key: in names, at most once unless it is `many`. */
static int check_field(const struct record *record, size_t at, const char *const *names,
                       struct err *err)
{
    const char *key = record->fields[at].key;
    bool is_known = false;

    for (; *names != NULL; names++)
        is_known = is_known || strcmp(*names, key) == 0;
    if (!is_known)
        return err_set(err, "unknown field %s", key);
    for (size_t i = 0; i < at; i++)
        if (strcmp(record->fields[i].key, key) == 0 && strcmp(key, "gids") != 0)
            return err_set(err, "%s came twice", key);
    return 0;
}

static int check_fields(const struct record *record, const char *const *names,
                        struct err *err)
{
    for (size_t i = 0; i < record->count; i++)
        if (check_field(record, i, names, err) == -1)
            return -1;
    return 0;
}

/* Whether the key of field `at` came before: then its list goes on, or it came twice. */
static bool came_before(const struct record *record, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (strcmp(record->fields[i].key, record->fields[at].key) == 0)
            return true;
    return false;
}

static int read_key(const struct usher_option *row, const struct record *record,
                    size_t at, void *into, struct err *err)
{
    bool is_again = came_before(record, at);

    if (planrules_has(row->key))
        return err_set(err, "%s: not expected here", row->key);
    if (is_again && row->type != USHER_TYPE_LIST)
        return err_set(err, "%s came twice", row->key);
    if (!is_again)
        opt_clear(row, into);
    if (opt_set(row, into, record->fields[at].value, err) == -1)
        return err_prefix(err, "%s", row->key);
    return 0;
}

/* Fills the keys of `into` from the record; every other field must be one of names. */
static int read_keys(const struct usher_option *keys, const struct record *record,
                     void *into, const char *const *names, struct err *err)
{
    for (size_t i = 0; i < record->count; i++) {
        const struct usher_option *row = opt_find(keys, record->fields[i].key);
        int result = row != NULL ? read_key(row, record, i, into, err)
                                 : check_field(record, i, names, err);

        if (result == -1)
            return -1;
    }
    return 0;
}

static int take_plan(struct reading *reading, const struct record *record,
                     struct err *err)
{
    static const char *const names[] = { "config", "services", NULL };
    int64_t count;

    if (reading->plan->config != NULL)
        return err_set(err, "came twice");
    if (check_fields(record, names, err) == -1
        || record_number(record, "services", 0, PLAN_SERVICES, &count, err) == -1)
        return -1;
    if (record_get(record, "config") == NULL)
        return err_set(err, "config is missing");
    reading->plan->config = mem_text(record_get(record, "config"));
    reading->expected = (size_t)count;
    reading->plan->services = mem_array((size_t)count, sizeof(*reading->plan->services));
    return 0;
}

static int take_globals(struct reading *reading, const struct record *record,
                        struct err *err)
{
    static const char *const names[] = { "worker_count", "control_read_gid",
                                         "control_operate_gid", NULL };
    struct plan_globals *globals = &reading->plan->globals;
    int64_t workers, read_gid, operate_gid;

    if (reading->has_globals || reading->plan->config == NULL)
        return err_set(err, "not expected here");
    reading->has_globals = true;
    if (opt_preset(keys_global, globals, err) == -1
        || read_keys(keys_global, record, globals, names, err) == -1
        || record_number(record, "worker_count", 1, WORKERS_MAX, &workers, err) == -1
        || record_number(record, "control_read_gid", 0, ID_MAX, &read_gid, err) == -1
        || record_number(record, "control_operate_gid", 0, ID_MAX, &operate_gid, err)
               == -1)
        return -1;
    globals->worker_count = (unsigned)workers;
    globals->control_read_gid = (gid_t)read_gid;
    globals->control_operate_gid = (gid_t)operate_gid;
    return 0;
}

static int read_way(const struct record *record, enum plan_way *out, struct err *err)
{
    const char *name = record_get(record, "way");

    for (enum plan_way way = PLAN_WAY_DISPATCH; name != NULL && way <= PLAN_WAY_WAIT;
         way++)
        if (strcmp(plan_way_name(way), name) == 0) {
            *out = way;
            return 0;
        }
    return err_set(err, "way: none of ours");
}

static int read_gids(struct plan_service *service, const struct record *record,
                     struct err *err)
{
    const char *text;

    for (size_t i = 0; (text = record_item(record, "gids", i)) != NULL; i++) {
        int64_t gid;

        if (i == GIDS_MAX || str_to_int(text, 0, ID_MAX, &gid) == -1)
            return err_set(err, "gids: \"%.20s\"", text);
        *MEM_PUSH(service->gids, service->gid_count) = (gid_t)gid;
    }
    return 0;
}

/* An id that may be missing. */
static int read_id(const struct record *record, const char *key, int64_t *out,
                   struct err *err)
{
    *out = -1;
    return record_get(record, key) != NULL
               ? record_number(record, key, 0, ID_MAX, out, err)
               : 0;
}

static int read_computed(struct plan_service *service, const struct record *record,
                         struct err *err)
{
    int64_t line, blocking, needs, uid, gid, socket_uid, socket_gid;

    if (read_way(record, &service->way, err) == -1
        || record_number(record, "line", 0, INT32_MAX, &line, err) == -1
        || record_number(record, "blocking", 0, 1, &blocking, err) == -1
        || record_number(record, "needs", 0, UINT32_MAX, &needs, err) == -1
        || record_number(record, "uid", 0, ID_MAX, &uid, err) == -1
        || record_number(record, "gid", 0, ID_MAX, &gid, err) == -1
        || read_id(record, "socket_uid", &socket_uid, err) == -1
        || read_id(record, "socket_gid", &socket_gid, err) == -1
        || read_gids(service, record, err) == -1)
        return -1;
    service->line = (unsigned)line;
    service->is_blocking = blocking == 1;
    service->needs = (unsigned)needs;
    service->uid = (uid_t)uid;
    service->gid = (gid_t)gid;
    service->socket_uid = (uid_t)socket_uid;
    service->socket_gid = (gid_t)socket_gid;
    service->plugin_path = mem_text(record_get(record, "plugin_path"));
    service->file = mem_text(record_get(record, "file"));
    service->pool_key = mem_text(record_get(record, "pool_key"));
    if (service->file == NULL || service->pool_key == NULL)
        return err_set(err, "file or pool_key is missing");
    return 0;
}

/* What the rest of the daemon lives by, whatever the reader made of the table. */
static int check_service(const struct plan_service *service, struct err *err)
{
    bool is_plugin = service->way == PLAN_WAY_DISPATCH || service->way == PLAN_WAY_FORK;
    const char *path = service->plugin_path;

    if (is_plugin != (service->plugin != NULL) || is_plugin != (service->exec.count == 0))
        return err_set(err, "way, plugin and exec do not go together");
    if (!is_plugin && service->exec.at[0][0] != '/')
        return err_set(err, "exec is not absolute");
    if (is_plugin && service->uid == 0)
        return err_set(err, "a plugin would run as root");
    if (path != NULL && path[0] != '/' && strcmp(path, "built-in") != 0)
        return err_set(err, "plugin_path is not absolute");
    if (is_plugin && service->enabled && path == NULL)
        return err_set(err, "plugin_path is missing");
    if ((service->way == PLAN_WAY_WAIT) != service->wait)
        return err_set(err, "way and wait do not go together");
    if (service->tcpmux
        && (service->wait || plan_hands_over(service)))
        return err_set(err, "tcpmux does not go with what the row is");
    return planrules_check(service, err);
}

static int take_service(struct reading *reading, const struct record *record,
                        struct err *err)
{
    static const char *const names[] = {
        "name", "file", "line", "way",        "plugin_path", "blocking", "needs",
        "uid",  "gid",  "gids", "socket_uid", "socket_gid",  "pool_key", NULL
    };
    const char *name = record_get(record, "name");
    struct plan_service *service;

    if (!reading->has_globals || reading->plan->service_count == reading->expected)
        return err_set(err, "not expected here");
    if (name == NULL || name[0] == '\0' || plan_find(reading->plan, name) != NULL)
        return err_set(err, "its name is missing, or came before");
    service = &reading->plan->services[reading->plan->service_count++];
    service->name = mem_text(name);
    if (opt_preset(keys_service, service, err) == -1
        || read_keys(keys_service, record, service, names, err) == -1
        || read_computed(service, record, err) == -1)
        return -1;
    return check_service(service, err);
}

static int take_option(struct plan_service *service, const struct record *record,
                       struct err *err)
{
    static const char *const names[] = { "key", "value", NULL };
    struct plan_option *option;

    if (service->option_count == OPTIONS_MAX)
        return err_set(err, "too many");
    if (check_fields(record, names, err) == -1)
        return -1;
    if (record_get(record, "key") == NULL || record_get(record, "value") == NULL)
        return err_set(err, "key or value is missing");
    option = MEM_PUSH(service->options, service->option_count);
    option->key = mem_text(record_get(record, "key"));
    option->value = mem_text(record_get(record, "value"));
    return 0;
}

static int take_limit(struct plan_service *service, const struct record *record,
                      struct err *err)
{
    static const char *const names[] = { "resource", "value", NULL };
    const char *name = record_get(record, "resource"),
               *value = record_get(record, "value");
    struct plan_limit limit = { -1, USHER_SIZE_UNLIMITED };

    if (check_fields(record, names, err) == -1)
        return -1;
    for (size_t i = 0; name != NULL && i < ARRAY_LEN(resources); i++)
        if (strcmp(resources[i].name, name) == 0)
            limit.resource = resources[i].resource;
    if (limit.resource == -1 || service->limit_count == ARRAY_LEN(resources))
        return err_set(err, "resource: none of ours");
    if (value == NULL
        || (strcmp(value, "unlimited") != 0 && str_to_size(value, &limit.value) == -1))
        return err_set(err, "value: not a size");
    *MEM_PUSH(service->limits, service->limit_count) = limit;
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

static int take_endpoint(struct plan_service *service, const struct record *record,
                         struct err *err)
{
    static const char *const names[] = { "kind", "address",  "path",  "name",
                                         "text", "optional", "group", NULL };
    const char *kind = record_get(record, "kind");
    struct endpoint endpoint = { 0 };
    int64_t optional, group;

    if (service->endpoint_count == PLAN_ENDPOINTS)
        return err_set(err, "too many");
    if (check_fields(record, names, err) == -1
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

/* ---- the whole ------------------------------------------------------------------- */

static int take_part(struct reading *reading, const struct record *record,
                     struct err *err)
{
    struct plan *plan = reading->plan;
    struct plan_service *service =
        plan->service_count > 0 ? &plan->services[plan->service_count - 1] : NULL;

    if (service == NULL)
        return err_set(err, "not expected here");
    if (record_is(record, "rules"))
        return planrules_take(service, record, err);
    if (record_is(record, "option"))
        return take_option(service, record, err);
    if (record_is(record, "limit"))
        return take_limit(service, record, err);
    if (record_is(record, "endpoint"))
        return take_endpoint(service, record, err);
    return err_set(err, "unknown record");
}

static int take(const struct record *record, void *context, struct err *err)
{
    struct reading *reading = context;
    int result;

    if (record_is(record, "plan"))
        result = take_plan(reading, record, err);
    else if (record_is(record, "global"))
        result = take_globals(reading, record, err);
    else if (record_is(record, "service"))
        result = take_service(reading, record, err);
    else
        result = take_part(reading, record, err);
    return result == -1 ? err_prefix(err, "plan: %s", record->word) : 0;
}

struct plan *planwire_parse(const char *text, size_t count, struct err *err)
{
    struct reading reading = { .plan = mem_new(sizeof(struct plan)) };
    int result = record_each(text, count, take, &reading, err);

    if (result == 0
        && (!reading.has_globals || reading.plan->service_count != reading.expected))
        result = err_set(err, "plan: it is not complete");
    if (result == -1)
        plan_free(&reading.plan);
    return reading.plan;
}
