#include <string.h>

#include "base/mem.h"
#include "base/opt.h"
#include "base/str.h"
#include "conf/keys.h"
#include "conf/planrules.h"
#include "conf/planwire_parse.h"

#define GIDS_MAX 64

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

        if (i == GIDS_MAX || str_to_int(text, 0, PLANWIRE_ID_MAX, &gid) == -1)
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
               ? record_number(record, key, 0, PLANWIRE_ID_MAX, out, err)
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
        || record_number(record, "uid", 0, PLANWIRE_ID_MAX, &uid, err) == -1
        || record_number(record, "gid", 0, PLANWIRE_ID_MAX, &gid, err) == -1
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
    if (service->tcpmux && (service->wait || plan_hands_over(service)))
        return err_set(err, "tcpmux does not go with what the row is");
    return planrules_check(service, err);
}

int planwire_take_service(struct plan *plan, const struct record *record, struct err *err)
{
    static const char *const names[] = {
        "name", "file", "line", "way",        "plugin_path", "blocking", "needs",
        "uid",  "gid",  "gids", "socket_uid", "socket_gid",  "pool_key", NULL
    };
    const char *name = record_get(record, "name");
    struct plan_service *service;

    if (name == NULL || name[0] == '\0' || plan_find(plan, name) != NULL)
        return err_set(err, "its name is missing, or came before");
    service = &plan->services[plan->service_count++];
    service->name = mem_text(name);
    if (opt_preset(keys_service, service, err) == -1
        || planwire_read_keys(keys_service, record, service, names, err) == -1
        || read_computed(service, record, err) == -1)
        return -1;
    return check_service(service, err);
}
