#include "flow/row.h"

#include <string.h>

#include "base/addr.h"
#include "base/mem.h"
#include "flow/conn.h"
#include "flow/host.h"
#include "flow/job.h"
#include "flow/limits.h"
#include "flow/listener.h"
#include "flow/service_tools.h"

void row_init(struct row *row, struct flow *flow, const struct plan_service *service,
              struct page_row *counts)
{
    memset(row, 0, sizeof(*row));
    row->flow = flow;
    row->service = service;
    row->counts = counts;
    row->instance.size = sizeof(row->instance);
    row->instance.host = &host_table;
    row->instance.name = service->name;
    deadline_init(row);
    job_init(row);
    park_init(row);
    refusal_init(row);
}

/* ---- the plugin -------------------------------------------------------------------- */

static const void *fill_conf(struct row *row, struct err *err)
{
    const struct plan_service *service = row->service;
    const char **keys = mem_array(service->option_count + 1, sizeof(*keys));
    const char **values = mem_array(service->option_count + 1, sizeof(*values));
    const void *conf;

    for (size_t i = 0; i < service->option_count; i++) {
        keys[i] = service->options[i].key;
        values[i] = service->options[i].value;
    }
    conf = plug_conf(&row->plug, keys, values, service->option_count, err);
    mem_free(&keys);
    mem_free(&values);
    return conf;
}

int row_open(struct row *row, struct err *err)
{
    const struct plan_service *service = row->service;

    if (limits_check(service, err) == -1)
        return -1;
    if (plug_load(&row->plug, row->flow->plan->globals.plugin_dir, service->plugin,
                  err) == -1)
        return err_prefix(err, "%s", service->name);
    row->calls = &row->plug.service;
    row->instance.conf = fill_conf(row, err);
    if (row->instance.conf == NULL)
        return err_prefix(err, "%s: options", service->name);
    if (row->calls->open != NULL &&
        row->calls->open(&row->instance, &row->instance.state) != 0)
        return err_set(err, "%s: plugin %s: open failed, its reason is in the log",
                       service->name, service->plugin);
    row->is_open = true;
    return 0;
}

void row_close(struct row *row)
{
    timer_stop(&row->flow->loop, &row->deadline);
    timer_stop(&row->flow->loop, &row->reaper);
    if (row->is_open && row->calls->close != NULL)
        row->calls->close(row->instance.state);
    row->is_open = false;
    service_tools_free(row);
    plug_free(&row->plug);
    park_fini(row);
    refusal_fini(row);
    admit_close(row);
}

/* ---- slots ------------------------------------------------------------------------- */

void row_take(struct row *row, const struct peer *peer)
{
    struct flow *flow = row->flow;
    struct source_entry *source = flow_source(flow, peer);

    row->live++;
    if (flow->is_child)
        return; /* the worker counts */
    if (source != NULL)
        source_hold(source);
    flow->connections += row_files(row);
    page_add(&row->counts->accepted, 1);
    page_add(&row->counts->active, 1);
}

void row_release(struct row *row, const struct peer *peer)
{
    struct flow *flow = row->flow;
    struct source_entry *source = flow_source(flow, peer);

    row->live--;
    if (flow->is_child) {
        timer_stop(&flow->loop, &row->deadline); /* or it would keep the child alive */
        return;
    }
    if (source != NULL)
        source_let_go(source);
    flow->connections -= row_files(row);
    page_subtract(&row->counts->active, 1);
    if (row->park.count > 0)
        park_wake(row); /* who waits there was first */
    else if (row->full_count > 0)
        listener_wake_row(row);
    flow_check_drained(flow);
}

static uint64_t active(const struct row *row)
{
    return pages_active(row->flow->pages, row->flow->pool, row->service->number);
}

bool row_is_full(const struct row *row)
{
    return active(row) >= row->service->max_connections;
}

bool row_has_siblings(const struct row *row)
{
    return pages_has_others(row->flow->pages, row->flow->pool);
}

size_t row_free(const struct row *row)
{
    uint64_t taken = active(row);

    return taken < row->service->max_connections ? row->service->max_connections - taken
                                                 : 0;
}

/* ---- log_connections --------------------------------------------------------------- */

void row_log_begin(const struct row *row, const struct peer *peer)
{
    struct usher_address address;
    char text[ADDR_TEXT];

    if (row->flow->is_child)
        return; /* its worker did */
    peer_get(peer, &address);
    if (row->flow->plan->globals.log_addresses == ADDR_FULL && peer->kind == PEER_IP)
        log_info(row->service->name, "Connection established with (%s, %u)",
                 addr_print_host(&address, text, sizeof(text)), (unsigned)peer->port);
    else
        log_info(row->service->name, "Connection established with (%s, -)",
                 addr_print_log(&address, text, sizeof(text)));
}

void row_log_end(const struct row *row, const struct peer *peer, int64_t ms,
                 const char *how)
{
    struct usher_address address;
    char text[ADDR_TEXT];

    peer_get(peer, &address);
    log_info(row->service->name, "end peer=%s ms=%lld %s",
             addr_print_log(&address, text, sizeof(text)), (long long)ms, how);
}
