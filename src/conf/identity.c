#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/opt.h"
#include "base/str.h"
#include "conf/checking.h"
#include "conf/keys.h"
#include "conf/resolve.h"

#define KEY_MAX 10240 /* room for a pool's key: groups and two paths are the long parts */

static bool is_program(const struct row_check *row)
{
    return row->service->exec.count > 0;
}

/* ---- supplementary groups -------------------------------------------------------- */

static int by_number(const void *a, const void *b)
{
    gid_t first = *(const gid_t *)a, second = *(const gid_t *)b;

    return (first > second) - (first < second);
}

/* In order and once each, so that equal sets look equal. */
static void check_groups(struct row_check *row)
{
    struct plan_service *service = row->service;
    struct err err = ERR_EMPTY;
    gid_t gid;
    size_t kept = 0;

    for (size_t i = 0; i < service->groups.count; i++) {
        if (resolve_group(service->groups.at[i], &gid, &err) == -1)
            row_mistake_at(row, "groups", i, "%s", err.text);
        else
            *MEM_PUSH(service->gids, service->gid_count) = gid;
    }
    if (service->gid_count > 1)
        qsort(service->gids, service->gid_count, sizeof(gid_t), by_number);
    for (size_t i = 0; i < service->gid_count; i++)
        if (kept == 0 || service->gids[i] != service->gids[kept - 1])
            service->gids[kept++] = service->gids[i];
    service->gid_count = kept;
}

/* ---- run by root ----------------------------------------------------------------- */

static int resolve_own_user(struct row_check *row, const char *user, gid_t *gid_out)
{
    struct err err = ERR_EMPTY;

    if (resolve_user(user, &row->service->uid, gid_out, &err) == -1) {
        row_mistake(row, "user", "%s", err.text);
        return -1;
    }
    return 0;
}

/* Where it is set and is not there, what was wrong with it has been said. */
static bool may_lack_user(const struct row_check *row)
{
    return row->all->is_main_bad || row_says(row, "user")
           || table_find(&row->all->table.defaults, "user") != NULL;
}

/* The user by name; -1: there is none, which has been said. */
static int find_user(struct row_check *row, gid_t *gid_out)
{
    struct plan_service *service = row->service;
    const struct plan_globals *globals = &row->all->plan->globals;
    struct err err = ERR_EMPTY;

    if (service->user != NULL)
        return resolve_own_user(row, service->user, gid_out);
    if (is_program(row)) {
        if (!may_lack_user(row))
            row_mistake(row, NULL,
                        "a program needs user: without it, it would run as root");
        return -1;
    }
    if (row->all->is_user_bad
        || resolve_user(globals->user, &service->uid, gid_out, NULL) == -1)
        return -1;
    if (globals->group != NULL && resolve_group(globals->group, gid_out, &err) == -1)
        return -1;
    opt_set(opt_find(keys_service, "user"), service, globals->user, NULL);
    return 0;
}

static void check_as_root(struct row_check *row)
{
    struct plan_service *service = row->service;
    struct err err = ERR_EMPTY;
    bool is_own = service->user != NULL;
    gid_t gid = (gid_t)-1;
    bool has_user = find_user(row, &gid) == 0;

    if (has_user && service->uid == 0 && !is_program(row))
        row_mistake(row, is_own ? "user" : NULL, "a plugin never runs as root");
    if (service->group != NULL && resolve_group(service->group, &gid, &err) == -1)
        row_mistake(row, "group", "%s", err.text);
    else if (has_user && gid == (gid_t)-1 && !row->all->is_main_bad)
        row_mistake(row, is_own ? "user" : NULL,
                    "user %s has no entry: group is needed too", service->user);
    service->gid = gid;
    check_groups(row);
}

/* ---- run by anybody else --------------------------------------------------------- */

static void refuse_what_takes_root(struct row_check *row, uid_t uid, gid_t gid)
{
    const struct plan_service *service = row->service;
    const struct check_input *input = row->all->input;

    if (uid != input->uid)
        row_mistake(row, "user", "\"%s\": only root can run services as somebody else",
                    service->user);
    if (gid != input->gid)
        row_mistake(row, "group", "\"%s\": only root can run services in another group",
                    service->group);
    if (service->groups.count > 0)
        row_mistake(row, "groups", "only root can give services more groups");
    if (service->root != NULL)
        row_mistake(row, "root", "only root can give programs another root directory");
    if (service->nice < 0)
        row_mistake(row, "nice", "%d: only root can raise the priority", service->nice);
}

/* A row that is off may be for root alone: the same table serves both. */
static void check_as_caller(struct row_check *row)
{
    struct plan_service *service = row->service;
    const struct check_input *input = row->all->input;
    struct err err = ERR_EMPTY;
    uid_t uid = input->uid;
    gid_t gid = input->gid, unused;

    if (service->user != NULL && resolve_user(service->user, &uid, &unused, &err) == -1)
        row_mistake(row, "user", "%s", err.text);
    if (service->group != NULL && resolve_group(service->group, &gid, &err) == -1)
        row_mistake(row, "group", "%s", err.text);
    if (service->enabled)
        refuse_what_takes_root(row, uid, gid);
    service->uid = input->uid;
    service->gid = input->gid;
    if (service->user == NULL) {
        char *name = resolve_user_name(input->uid);

        opt_set(opt_find(keys_service, "user"), service, name, NULL);
        mem_free(&name);
    }
}

/* ---- sockets --------------------------------------------------------------------- */

static void check_socket(struct row_check *row)
{
    struct plan_service *service = row->service;
    struct err err = ERR_EMPTY;
    gid_t unused;

    service->socket_uid = (uid_t)-1;
    service->socket_gid = (gid_t)-1;
    if (service->socket_user != NULL
        && resolve_user(service->socket_user, &service->socket_uid, &unused, &err) == -1)
        row_mistake(row, "socket_user", "%s", err.text);
    else if (service->socket_user != NULL && !row->all->input->is_root
             && service->socket_uid != row->all->input->uid)
        row_mistake(row, "socket_user", "\"%s\": only root can give a socket away",
                    service->socket_user);
    if (service->socket_group != NULL
        && resolve_group(service->socket_group, &service->socket_gid, &err) == -1)
        row_mistake(row, "socket_group", "%s", err.text);
}

void identity_check(struct row_check *row)
{
    if (row->all->input->is_root)
        check_as_root(row);
    else
        check_as_caller(row);
    check_socket(row);
}

/* ---- pools ----------------------------------------------------------------------- */

/* Its pool keeps the real root directory: nobody else's shall for that. */
static bool answers_paths(const struct plan_service *service)
{
    for (size_t i = 0; i < service->endpoint_count; i++)
        if (service->endpoints[i].kind == ENDPOINT_UNIX_DGRAM)
            return service->plugin != NULL;
    return false;
}

char *identity_pool_key(const struct plan_service *service)
{
    char text[KEY_MAX];
    struct str key;

    str_init(&key, text, sizeof(text));
    str_add(&key, "%s", plan_way_name(service->way));
    if (service->way == PLAN_WAY_WAIT)
        str_add(&key, " row=%s", service->name);
    str_add(&key, " uid=%lu gid=%lu groups=", (unsigned long)service->uid,
            (unsigned long)service->gid);
    for (size_t i = 0; i < service->gid_count; i++)
        str_add(&key, "%s%lu", i > 0 ? "," : "", (unsigned long)service->gids[i]);
    if (answers_paths(service))
        str_add(&key, " paths=1");
    if (service->root != NULL)
        str_add(&key, " root=%s", service->root);
    str_add(&key, " umask=%04o nice=%d privileges=%d needs=%u pool=%s directory=%s",
            service->umask, service->nice, service->privileges, service->needs,
            service->pool != NULL ? service->pool : "", service->directory);
    return mem_text(text);
}
