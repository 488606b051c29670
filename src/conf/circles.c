#include <ifaddrs.h>
#include <stdio.h>
#include <string.h>

#include "base/addr.h"
#include "base/mem.h"
#include "base/opt.h"
#include "conf/checking.h"

/* What goes to an address of the table comes in again: a row that sends to itself, or to
 * one that sends back, would do so for ever. TCP stays TCP on the way, and UDP stays
 * UDP. */
struct search {
    struct checking *all;
    struct ifaddrs *locals; /* NULL: not known */
    enum endpoint_kind kind;
    size_t start;
    bool seen[PLAN_SERVICES];
};

static bool is_ours(const struct search *search, const struct usher_address *target)
{
    for (const struct ifaddrs *at = search->locals; at != NULL; at = at->ifa_next) {
        struct usher_address local = { 0 };

        if (at->ifa_addr == NULL || at->ifa_addr->sa_family != target->storage.ss_family)
            continue;
        local.length = target->length; /* of one family */
        memcpy(&local.storage, at->ifa_addr, local.length);
        if (addr_same_host(&local, target))
            return true;
    }
    return addr_is_loopback(target) || addr_is_any(target);
}

static bool leads_to(const struct search *search, const struct usher_address *target,
                     const struct endpoint *endpoint)
{
    const struct usher_address *addr = &endpoint->addr;

    if (endpoint->kind != search->kind || addr_port(addr) == 0
        || addr_port(addr) != addr_port(target)
        || addr->storage.ss_family != target->storage.ss_family)
        return false;
    return addr_same_host(addr, target)
           || (addr_is_any(addr) && is_ours(search, target))
           || (addr_is_any(target) && addr_is_loopback(addr));
}

static bool has_kind(const struct plan_service *service, enum endpoint_kind kind)
{
    for (size_t i = 0; i < service->endpoint_count; i++)
        if (service->endpoints[i].kind == kind)
            return true;
    return false;
}

static bool is_reached(const struct search *search, const struct usher_address *target,
                       const struct plan_service *service)
{
    for (size_t i = 0; service->enabled && i < service->endpoint_count; i++)
        if (leads_to(search, target, &service->endpoints[i]))
            return true;
    return false;
}

/* Whether the row's option is an address, and which. */
static bool read_target(const struct search *search, const struct plan_service *service,
                        const struct plan_option *option, struct usher_address *out)
{
    const struct check_catalogue *catalogue = search->all->input->catalogue;
    struct err err = ERR_EMPTY;
    const struct descriptor *descriptor = catalogue->describe(
        catalogue->context, search->all->plan->globals.plugin_dir, service->plugin, &err);
    const struct usher_option *row =
        descriptor != NULL ? opt_find(descriptor->options, option->key) : NULL;

    return row != NULL && row->type == USHER_TYPE_ADDRESS
           && addr_parse(option->value, out, &err) == 0;
}

static bool comes_back(struct search *search, const struct usher_address *target);

static bool sends_back(struct search *search, size_t row)
{
    const struct plan_service *service = &search->all->plan->services[row];
    struct usher_address target;

    for (size_t i = 0; i < service->option_count; i++)
        if (read_target(search, service, &service->options[i], &target)
            && comes_back(search, &target))
            return true;
    return false;
}

static bool comes_back(struct search *search, const struct usher_address *target)
{
    const struct plan *plan = search->all->plan;

    for (size_t i = 0; i < plan->service_count; i++) {
        if (search->seen[i] || !is_reached(search, target, &plan->services[i]))
            continue;
        if (i == search->start)
            return true;
        search->seen[i] = true;
        if (sends_back(search, i))
            return true;
    }
    return false;
}

static bool is_circle(struct search *search, const struct usher_address *target)
{
    static const enum endpoint_kind kinds[] = { ENDPOINT_TCP, ENDPOINT_UDP };

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        search->kind = kinds[i];
        memset(search->seen, 0, sizeof(search->seen));
        if (has_kind(&search->all->plan->services[search->start], kinds[i])
            && comes_back(search, target))
            return true;
    }
    return false;
}

static void check_row(struct search *search)
{
    struct checking *all = search->all;
    struct row_check row = { all, &all->table.rows[search->start],
                             &all->plan->services[search->start], NULL };
    struct usher_address target;

    for (size_t i = 0; row.service->enabled && i < row.service->option_count; i++) {
        const struct plan_option *option = &row.service->options[i];
        char key[DESCRIPTOR_NAME + 16];

        if (!read_target(search, row.service, option, &target) ||
            !is_circle(search, &target))
            continue;
        snprintf(key, sizeof(key), "options.%s", option->key);
        row_mistake(&row, key, "%s leads back to this row", option->value);
    }
}

void circles_check_all(struct checking *all)
{
    struct search search = { .all = all };

    if (getifaddrs(&search.locals) == -1)
        search.locals = NULL;
    for (size_t i = 0; i < all->plan->service_count; i++) {
        search.start = i;
        check_row(&search);
    }
    if (search.locals != NULL)
        freeifaddrs(search.locals);
}
