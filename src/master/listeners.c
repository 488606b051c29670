#include "master/listeners.h"

#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "conf/plandiff.h"
#include "sock/bind.h"

#define DRAWS 16 /* tries to find one free port for all addresses of an endpoint */

/*
 * asked is what the plan said, with port 0 where one is drawn; opened is what came of it.
 * A drawn port belongs to its service: another service's port 0 is another socket.
 */
struct listener_slot {
    int fd;
    char *service;
    struct endpoint asked, opened;
    bool is_fresh; /* opened for the plan that is being prepared */
    bool is_wanted; /* named by the plan prepared last */
};

void listeners_init(struct listeners *listeners, const struct inherit *inherit)
{
    *listeners = (struct listeners){ .inherit = inherit };
}

static void copy_endpoint(struct endpoint *to, const struct endpoint *from)
{
    *to = *from;
    to->text = mem_text(from->text);
    to->name = mem_text(from->name);
}

static bool draws_port(const struct endpoint *endpoint)
{
    return (endpoint->kind == ENDPOINT_TCP || endpoint->kind == ENDPOINT_UDP)
        && addr_port(&endpoint->addr) == 0;
}

static bool serves(const struct listener_slot *slot, const char *service,
                   const struct endpoint *endpoint)
{
    if (slot->fd == -1)
        return false;
    if (endpoint_equal(&slot->opened, endpoint)
        && (!draws_port(&slot->asked) || strcmp(slot->service, service) == 0))
        return true; /* a plan that was prepared before has the drawn port in it */
    return endpoint_equal(&slot->asked, endpoint)
        && (!draws_port(endpoint) || (strcmp(slot->service, service) == 0
                                      && slot->asked.group == endpoint->group));
}

/* Endpoints that are equal have equal keys. */
static uint64_t key_of(const struct endpoint *endpoint)
{
    unsigned port = addr_port(&endpoint->addr);
    uint64_t key = index_key((uint64_t)endpoint->kind, &port, sizeof(port));
    char path[ADDR_TEXT];

    if (endpoint->kind == ENDPOINT_FD)
        return index_key(key, endpoint->name, strlen(endpoint->name));
    if (endpoint->addr.storage.ss_family != AF_UNIX)
        return key; /* addresses that share a port are few */
    addr_print(&endpoint->addr, path, sizeof(path));
    return index_key(key, path, strlen(path));
}

static struct listener_slot *find(const struct listeners *listeners, const char *service,
                                  const struct endpoint *endpoint)
{
    uint64_t key = key_of(endpoint);
    size_t cursor = INDEX_END, place;

    while ((place = index_next(&listeners->places, key, &cursor)) != INDEX_END)
        if (serves(&listeners->slots[place], service, endpoint))
            return &listeners->slots[place];
    return NULL;
}

/* A slot is found by what was asked and by what was opened: two entries each, in the
 * slots' order. */
static void index_slot(struct listeners *listeners, size_t place)
{
    index_add(&listeners->places, key_of(&listeners->slots[place].asked), place);
    index_add(&listeners->places, key_of(&listeners->slots[place].opened), place);
}

static void close_slot(struct listener_slot *slot)
{
    if (slot->asked.kind != ENDPOINT_FD) { /* inherited ones stay, for the next table */
        bind_unlink(slot->fd, &slot->opened);
        fd_close(&slot->fd);
    }
    mem_free(&slot->service);
    endpoint_free(&slot->asked);
    endpoint_free(&slot->opened);
}

/* Closes the slots of one kind and closes the gaps they leave. */
static void close_where(struct listeners *listeners,
                        bool (*is_over)(const struct listener_slot *))
{
    size_t kept = 0;

    for (size_t i = 0; i < listeners->count; i++) {
        struct listener_slot *slot = &listeners->slots[i];

        if (is_over(slot))
            close_slot(slot);
        else
            listeners->slots[kept++] = *slot;
    }
    listeners->count = kept;
    index_clear(&listeners->places);
    for (size_t i = 0; i < kept; i++)
        index_slot(listeners, i);
}

static bool is_fresh(const struct listener_slot *slot)
{
    return slot->is_fresh;
}

static bool is_unwanted(const struct listener_slot *slot)
{
    return !slot->is_wanted;
}

static bool is_any(const struct listener_slot *slot)
{
    (void)slot;
    return true;
}

static struct bind_options options_of(const struct plan_service *service)
{
    return (struct bind_options){
        .backlog = (int)service->backlog,
        .nodelay = service->nodelay,
        .keepalive = service->keepalive,
        .freebind = service->freebind,
        .defer_accept_sec = (int)((service->defer_accept + 999) / 1000),
        .interface = service->interface,
        .receive_buffer =
            service->receive_buffer == USHER_SIZE_NONE ? 0 : (int)service->receive_buffer,
        .send_buffer =
            service->send_buffer == USHER_SIZE_NONE ? 0 : (int)service->send_buffer,
        .socket_mode = service->socket_mode,
        .socket_uid = service->socket_uid,
        .socket_gid = service->socket_gid,
    };
}

/* The row's options, but no other interface than the one the service manager chose. */
static int apply_to_inherited(int fd, const struct endpoint *seen,
                              struct bind_options *options, struct err *err)
{
    char interface[IFNAMSIZ] = "";
    socklen_t length = sizeof(interface);

    if ((options->interface == NULL || options->interface[0] == '\0')
        && getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, interface, &length) == 0)
        options->interface = interface;
    return bind_apply(fd, seen, options, err);
}

/* From here on the endpoint is what the socket is: a TCP listener, say. */
static int open_inherited(const struct listeners *listeners, struct endpoint *endpoint,
                          struct bind_options *options, struct err *err)
{
    struct endpoint seen = { 0 };
    int fd = inherit_find(listeners->inherit, endpoint->name);

    if (fd == -1)
        return err_set(err, "no descriptor of that name was passed in (LISTEN_FDNAMES)");
    if (bind_inspect(fd, &seen, err) == -1)
        return -1;
    if (fd_set_nonblock(fd, true) == -1)
        return err_sys(err, "descriptor %d", fd);
    if (apply_to_inherited(fd, &seen, options, err) == -1)
        return -1;
    endpoint->kind = seen.kind;
    endpoint->addr = seen.addr;
    return fd;
}

/* Tells listeners that go with the plan that runs, and have the port for all addresses
 * where it is wanted for one, or the other way round; how many. */
static size_t make_room(const struct listeners *listeners,
                        const struct endpoint *endpoint, bool on)
{
    size_t count = 0;

    for (size_t i = 0; i < listeners->count; i++) {
        const struct listener_slot *slot = &listeners->slots[i];

        if (!slot->is_wanted && slot->asked.kind != ENDPOINT_FD
            && bind_overlaps(&slot->opened, endpoint) && bind_beside(slot->fd, on) == 0)
            count++;
    }
    return count;
}

static int open_one(const struct listeners *listeners, const struct plan_service *service,
                    struct endpoint *endpoint, struct err *err)
{
    struct bind_options options = options_of(service);
    int fd = -1;

    if (endpoint->kind == ENDPOINT_FD)
        return open_inherited(listeners, endpoint, &options, err);
    if (bind_open(endpoint, &options, &fd, err) == 0)
        return fd;
    if (err->code != EADDRINUSE || make_room(listeners, endpoint, true) == 0)
        return -1;
    options.beside = true;
    (void)bind_open(endpoint, &options, &fd, err);
    (void)make_room(listeners, endpoint, false);
    return fd;
}

/* An open listener joins the set, and its port the plan. */
static void add_slot(struct listeners *listeners, const struct plan_service *service,
                     const struct endpoint *asked, const struct endpoint *opened, int fd)
{
    struct listener_slot *slot = MEM_PUSH(listeners->slots, listeners->count);

    slot->fd = fd;
    slot->service = mem_text(service->name);
    copy_endpoint(&slot->asked, asked);
    copy_endpoint(&slot->opened, opened);
    slot->is_fresh = slot->is_wanted = true;
    index_slot(listeners, listeners->count - 1);
}

static bool is_absent_address(const struct endpoint *endpoint, const struct err *err)
{
    return endpoint->is_optional
        && (err->code == EADDRNOTAVAIL || err->code == EAFNOSUPPORT);
}

/*
 * The endpoints of one group, from `first` on, that stand side by side: one text of the
 * table. The port of the first that draws one is tried for all; when another address has
 * it taken, the whole group is given back and drawn again.
 */
struct group {
    struct listeners *listeners;
    const struct plan_service *service;
    size_t first, end;
    size_t opened; /* slots added in this try */
    size_t served; /* endpoints that have a listener, kept ones included */
};

static size_t group_end(const struct plan_service *service, size_t first)
{
    size_t end = first + 1;

    while (end < service->endpoint_count
           && service->endpoints[end].group == service->endpoints[first].group)
        end++;
    return end;
}

/* What stays open gets its row's options when nothing can fail any more; an interface
 * that is not there would leave it open to all. */
static int check_kept(const struct plan_service *service, struct err *err)
{
    const char *interface = service->interface;

    if (interface == NULL || interface[0] == '\0' || if_nametoindex(interface) != 0)
        return 0;
    return err_sys(err, "the interface %s", interface);
}

/* 0 open, kept, or left out; -1 failed. */
static int open_member(struct group *group, size_t i, unsigned *port, struct err *err)
{
    struct endpoint *endpoint = &group->service->endpoints[i];
    struct endpoint asked = *endpoint;
    struct listener_slot *kept = find(group->listeners, group->service->name, endpoint);
    int fd;

    if (kept != NULL) {
        if (check_kept(group->service, err) == -1)
            return -1;
        kept->is_wanted = true;
        endpoint->kind = kept->opened.kind;
        endpoint->addr = kept->opened.addr;
        *port = addr_port(&endpoint->addr);
        group->served++;
        return 0;
    }
    if (draws_port(endpoint) && *port != 0)
        addr_set_port(&endpoint->addr, *port);
    fd = open_one(group->listeners, group->service, endpoint, err);
    if (fd == -1) {
        endpoint->addr = asked.addr; /* the kind changes only where nothing fails after
                                        it */
        return is_absent_address(endpoint, err) ? 0 : -1;
    }
    add_slot(group->listeners, group->service, &asked, endpoint, fd);
    *port = addr_port(&endpoint->addr);
    group->opened++;
    group->served++;
    return 0;
}

/* Takes back what this try opened, and asks for any port again. */
static void undo_group(struct group *group, const struct usher_address *asked)
{
    for (; group->opened > 0; group->opened--) {
        close_slot(&group->listeners->slots[--group->listeners->count]);
        index_drop_last(&group->listeners->places);
        index_drop_last(&group->listeners->places);
    }
    for (size_t i = group->first; i < group->end; i++)
        group->service->endpoints[i].addr = asked[i - group->first];
    group->served = 0;
}

static int try_group(struct group *group, struct err *err)
{
    unsigned port = 0;

    for (size_t i = group->first; i < group->end; i++)
        if (open_member(group, i, &port, err) == -1) {
            (void)err_prefix(err, "%s", group->service->endpoints[i].text);
            return -1;
        }
    return 0;
}

static void note_left_out(const struct group *group)
{
    for (size_t i = group->first; i < group->end; i++) {
        const struct endpoint *endpoint = &group->service->endpoints[i];
        char text[ADDR_TEXT];

        if (find(group->listeners, group->service->name, endpoint) == NULL)
            log_info(group->service->name,
                     "open endpoint=%s left_out=%s reason=\"not an address "
                     "of this machine\"",
                     endpoint->text,
                     addr_print_host(&endpoint->addr, text, sizeof(text)));
    }
}

static int open_group(struct group *group, struct err *err)
{
    size_t count = group->end - group->first;
    bool draws = draws_port(&group->service->endpoints[group->first]);
    struct usher_address *asked = mem_array(count, sizeof(*asked));
    int result = -1;

    for (size_t i = 0; i < count; i++)
        asked[i] = group->service->endpoints[group->first + i].addr;
    for (int tries = draws ? DRAWS : 1; tries > 0 && result == -1; tries--) {
        result = try_group(group, err);
        if (result == -1) {
            undo_group(group, asked);
            if (err->code != EADDRINUSE)
                break;
        }
    }
    mem_free(&asked);
    if (result == 0 && group->served == 0)
        return err_set(err, "%s: none of its addresses could be opened: %s",
                       group->service->endpoints[group->first].text, err->text);
    if (result == 0)
        note_left_out(group);
    return result;
}

static void prepare_service(struct listeners *listeners,
                            const struct plan_service *service, struct mistakes *mistakes)
{
    struct group group = { .listeners = listeners, .service = service };

    for (size_t i = 0; i < service->endpoint_count; i = group.end) {
        struct err err = ERR_EMPTY;

        group.first = i;
        group.end = group_end(service, i);
        group.opened = group.served = 0;
        if (open_group(&group, &err) == -1)
            mistake_add(mistakes, service->file, service->line, "listen: %s", err.text);
    }
}

/* What the plan keeps: known before anything is opened. */
static void mark_wanted(struct listeners *listeners, const struct plan_service *service)
{
    for (size_t i = 0; service->enabled && i < service->endpoint_count; i++) {
        struct listener_slot *slot =
            find(listeners, service->name, &service->endpoints[i]);

        if (slot != NULL)
            slot->is_wanted = true;
    }
}

int listeners_prepare(struct listeners *listeners, struct plan *plan,
                      struct mistakes *mistakes)
{
    size_t before = mistakes->count;

    for (size_t i = 0; i < listeners->count; i++)
        listeners->slots[i].is_wanted = listeners->slots[i].is_fresh = false;
    for (size_t i = 0; i < plan->service_count; i++)
        mark_wanted(listeners, &plan->services[i]);
    for (size_t i = 0; i < plan->service_count; i++)
        if (plan->services[i].enabled)
            prepare_service(listeners, &plan->services[i], mistakes);
    if (mistakes->count == before)
        return 0;
    listeners_abandon(listeners);
    return -1;
}

void listeners_abandon(struct listeners *listeners)
{
    close_where(listeners, is_fresh);
}

/* Kept listeners get the options of the new plan; what fails there is no reason to
 * stop. */
static void apply_options(struct listeners *listeners, const struct plan_service *service)
{
    struct bind_options options = options_of(service);

    for (size_t i = 0; i < service->endpoint_count; i++) {
        struct listener_slot *slot =
            find(listeners, service->name, &service->endpoints[i]);
        struct err err = ERR_EMPTY;

        if (slot == NULL || slot->is_fresh || slot->asked.kind == ENDPOINT_FD)
            continue;
        mem_free(&slot->service);
        slot->service = mem_text(service->name);
        if (bind_apply(slot->fd, &slot->opened, &options, &err) == -1)
            log_warning(service->name, "fail endpoint=%s reason=\"%s\"", slot->asked.text,
                        err.text);
    }
}

void listeners_commit(struct listeners *listeners, const struct plan *old,
                      const struct plan *plan)
{
    for (size_t i = 0; i < plan->service_count; i++)
        if (old != NULL && plan->services[i].enabled
            && plandiff_service(old, plan, plan->services[i].name) != PLANDIFF_SAME)
            apply_options(listeners, &plan->services[i]);
    close_where(listeners, is_unwanted);
    for (size_t i = 0; i < listeners->count; i++)
        listeners->slots[i].is_fresh = false;
}

void listeners_close(struct listeners *listeners)
{
    close_where(listeners, is_any);
    mem_free(&listeners->slots);
}

int listeners_fd(const struct listeners *listeners, const struct plan_service *service,
                 size_t endpoint)
{
    const struct listener_slot *slot =
        find(listeners, service->name, &service->endpoints[endpoint]);

    return slot == NULL ? -1 : slot->fd;
}

bool listeners_is_new(const struct listeners *listeners,
                      const struct plan_service *service)
{
    for (size_t i = 0; i < service->endpoint_count; i++) {
        const struct listener_slot *slot =
            find(listeners, service->name, &service->endpoints[i]);

        if (slot != NULL && slot->is_fresh)
            return true;
    }
    return false;
}
