#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "conf/checking.h"
#include "conf/keys.h"
#include "conf/resolve.h"

/* One text of a row's listen. */
struct item {
    struct row_check *row;
    size_t number;
    const char *text;
    struct endpoint_spec spec;
    unsigned port;
    bool is_optional;
};

/* ---- what is refused ------------------------------------------------------------- */

/* "vsock://..." and their like are refused by name. */
static const char *never(const char *text)
{
    const char *colon = strstr(text, "://");
    char *scheme;
    const char *name;

    if (colon == NULL)
        return NULL;
    scheme = mem_bytes(text, (size_t)(colon - text));
    name = keys_never(scheme);
    mem_free(&scheme);
    return name;
}

static int split(struct item *item)
{
    struct err err = ERR_EMPTY;

    if (never(item->text) != NULL) {
        row_mistake_at(item->row, "listen", item->number, "%s: %s is not in this version",
                       item->text, never(item->text));
        return -1;
    }
    if (endpoint_split(item->text, &item->spec, &err) == 0)
        return 0;
    row_mistake_at(item->row, "listen", item->number, "%s", err.text);
    return -1;
}

static int find_port(struct item *item)
{
    unsigned offset = item->row->all->plan->globals.port_offset;
    const char *protocol = item->spec.kind == ENDPOINT_UDP ? "udp" : "tcp";
    struct err err = ERR_EMPTY;

    if (resolve_port(item->spec.port, protocol, &item->port, &err) == -1) {
        row_mistake_at(item->row, "listen", item->number, "%s", err.text);
        return -1;
    }
    if (item->port != 0 && item->port + offset > 65535) {
        row_mistake_at(item->row, "listen", item->number,
                       "%u and port_offset, %u, are together above 65535", item->port,
                       offset);
        return -1;
    }
    item->port += item->port != 0 ? offset : 0;
    return 0;
}

/* ---- from a text to endpoints ---------------------------------------------------- */

static struct endpoint *push(struct item *item)
{
    struct plan_service *service = item->row->service;
    struct endpoint *endpoint;

    if (service->endpoint_count == PLAN_ENDPOINTS) {
        row_mistake(item->row, "listen", "more than %d endpoints", PLAN_ENDPOINTS);
        return NULL;
    }
    endpoint = MEM_PUSH(service->endpoints, service->endpoint_count);
    endpoint->kind = item->spec.kind;
    endpoint->text = mem_text(item->text);
    endpoint->is_optional = item->is_optional;
    endpoint->group = (unsigned)item->number;
    return endpoint;
}

static int push_address(struct item *item, const struct usher_address *addr)
{
    struct plan_service *service = item->row->service;
    struct endpoint *endpoint;
    struct usher_address full = *addr;

    addr_set_port(&full, item->port);
    for (size_t i = 0; i < service->endpoint_count; i++)
        if (service->endpoints[i].group == item->number
            && addr_equal(&service->endpoints[i].addr, &full))
            return 0; /* the bind list may name an address twice */
    endpoint = push(item);
    if (endpoint == NULL)
        return -1;
    endpoint->addr = full;
    return 0;
}

/* Adds the addresses of one host that are of the wanted family. Where a name gives
 * several, this machine need not have all of them. */
static int push_host(struct item *item, const char *host, int family, struct err *err)
{
    struct usher_address found[RESOLVE_HOSTS];
    int count = resolve_host(host, family, found, err);

    item->is_optional = item->is_optional || count > 1;
    for (int i = 0; i < count; i++)
        if (item->spec.family == AF_UNSPEC
            || found[i].storage.ss_family == item->spec.family)
            if (push_address(item, &found[i]) == -1)
                return 0;
    return count == -1 ? -1 : 0;
}

static void push_bind(struct item *item)
{
    const struct usher_list *bind = &item->row->all->plan->globals.bind;
    size_t before = item->row->service->endpoint_count;

    if (item->row->all->is_bind_bad || before == PLAN_ENDPOINTS)
        return;
    item->is_optional = true;
    for (size_t i = 0; i < bind->count; i++)
        push_host(item, bind->at[i], AF_UNSPEC, NULL);
    if (item->row->service->endpoint_count == before)
        row_mistake_at(item->row, "listen", item->number, "%s: bind has no IPv%d address",
                       item->text, item->spec.family == AF_INET ? 4 : 6);
}

static void push_inet(struct item *item)
{
    struct err err = ERR_EMPTY;

    if (find_port(item) == -1)
        return;
    if (item->spec.host[0] == '\0') {
        push_bind(item);
        return;
    }
    item->is_optional = strcmp(item->spec.host, "*") == 0;
    if (push_host(item, item->spec.host, item->spec.family, &err) == -1)
        row_mistake_at(item->row, "listen", item->number, "%s: %s", item->text, err.text);
}

static void push_unix(struct item *item)
{
    struct endpoint *endpoint = push(item);
    struct err err = ERR_EMPTY;

    if (endpoint != NULL && addr_parse_unix(item->spec.host, &endpoint->addr, &err) == -1)
        row_mistake_at(item->row, "listen", item->number, "%s: %s", item->text, err.text);
}

static void push_fd(struct item *item)
{
    struct endpoint *endpoint = push(item);

    if (endpoint != NULL)
        endpoint->name = mem_text(item->spec.host);
}

void endpoints_check(struct row_check *row)
{
    const struct usher_list *listen = &row->service->listen;

    for (size_t i = 0; i < listen->count; i++) {
        struct item item = { .row = row, .number = i, .text = listen->at[i] };

        if (split(&item) == -1)
            continue;
        if (item.spec.kind == ENDPOINT_TCP || item.spec.kind == ENDPOINT_UDP)
            push_inet(&item);
        else if (item.spec.kind == ENDPOINT_FD)
            push_fd(&item);
        else
            push_unix(&item);
    }
}

/* ---- one socket, one row --------------------------------------------------------- */

/* "*" and an address of the same family and port cannot both be open, unless a network
 * interface keeps them apart. */
static bool overlaps(const struct endpoint *a, const struct endpoint *b)
{
    return a->kind == b->kind && (a->kind == ENDPOINT_TCP || a->kind == ENDPOINT_UDP)
           && a->addr.storage.ss_family == b->addr.storage.ss_family
           && addr_port(&a->addr) == addr_port(&b->addr)
           && (addr_is_any(&a->addr) || addr_is_any(&b->addr));
}

/* The table leaves the port to the system. */
static bool has_any_port(const struct endpoint *endpoint)
{
    return (endpoint->kind == ENDPOINT_TCP || endpoint->kind == ENDPOINT_UDP)
           && addr_port(&endpoint->addr) == 0;
}

/* 0: they are apart; 1: the same; 2: one takes in the other. */
static int clash(const struct plan_service *of_a, const struct endpoint *a,
                 const struct plan_service *of_b, const struct endpoint *b)
{
    if (a->kind != b->kind || has_any_port(a) || has_any_port(b))
        return 0;
    if (endpoint_equal(a, b))
        return 1;
    return of_a->interface == NULL && of_b->interface == NULL && overlaps(a, b) ? 2 : 0;
}

struct place {
    const struct row_check *row;
    const struct endpoint *endpoint;
};

static void say_clash(const struct place *here, const struct place *there, int kind)
{
    char mine[ADDR_TEXT + 32], theirs[ADDR_TEXT + 32];
    unsigned line;
    const char *file = row_place(there->row, "listen", there->endpoint->group, &line);

    endpoint_print(here->endpoint, mine, sizeof(mine));
    endpoint_print(there->endpoint, theirs, sizeof(theirs));
    if (kind == 1 && here->row == there->row)
        row_mistake_at(here->row, "listen", here->endpoint->group, "%s stands here twice",
                       mine);
    else if (kind == 1)
        row_mistake_at(here->row, "listen", here->endpoint->group,
                       "%s is taken by service %s (%s:%u)", mine,
                       there->row->service->name, file, line);
    else
        row_mistake_at(here->row, "listen", here->endpoint->group,
                       "%s cannot be open beside %s of service %s (%s:%u)", mine, theirs,
                       there->row->service->name, file, line);
}

/* Whether one endpoint of here clashes with one of there; one mistake a pair of rows is
 * enough. */
static bool check_pair(const struct row_check *here, const struct row_check *there)
{
    const struct plan_service *mine = here->service, *theirs = there->service;

    for (size_t i = 0; i < mine->endpoint_count; i++)
        for (size_t j = 0; j < (mine == theirs ? i : theirs->endpoint_count); j++) {
            int kind = clash(mine, &mine->endpoints[i], theirs, &theirs->endpoints[j]);

            if (kind == 0)
                continue;
            say_clash(&(struct place){ here, &mine->endpoints[i] },
                      &(struct place){ there, &theirs->endpoints[j] }, kind);
            return true;
        }
    return false;
}

void endpoints_check_all(struct checking *all)
{
    for (size_t i = 0; i < all->plan->service_count; i++) {
        struct row_check here = { all, &all->table.rows[i], &all->plan->services[i],
                                  NULL };

        for (size_t j = 0; here.service->enabled && j <= i; j++) {
            struct row_check there = { all, &all->table.rows[j], &all->plan->services[j],
                                       NULL };

            if (there.service->enabled)
                check_pair(&here, i == j ? &here : &there);
        }
    }
}
