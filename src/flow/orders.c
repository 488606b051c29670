#include "flow/orders.h"

#include <errno.h>
#include <string.h>

#include "base/fd.h"
#include "flow/conn.h"
#include "flow/door.h"
#include "flow/floor.h"
#include "flow/job.h"
#include "flow/listener.h"
#include "wire/channel.h"

#define COMMANDS 16        /* a wake-up */
#define STOP_KILL_MS 500   /* "stop" means at once: the master waits a second for us */

/* ---- ending ------------------------------------------------------------------------ */

static void stop_listening(struct flow *flow)
{
    for (size_t i = 0; i < flow->listener_count; i++)
        listener_close(&flow->listeners[i]);
    door_close(flow);
    floor_fill(flow->floor);
    atomic_store_explicit(&flow->page->is_accepting, 0, memory_order_relaxed);
    flow->is_draining = true;
}

/* Those of kept rows stay, and start when they may; the others may call again, and are
 * judged by the table that holds then. */
static void turn_away_parked(struct flow *flow)
{
    for (size_t i = 0; i < flow->row_count; i++)
        if (!flow->rows[i].is_kept)
            park_turn_away(&flow->rows[i]);
}

static void close_connections(struct row *row)
{
    struct list *node, *safe;

    LIST_EACH(&row->by_age, node, safe)
        conn_close(CONTAINER(node, struct conn, by_age), USHER_GONE_STOPPED);
}

static void end_row(struct row *row, int64_t kill_after_ms)
{
    if (row->is_kept)
        return;
    close_connections(row);
    job_stop_row(row, kill_after_ms);
}

static void end_rows(struct flow *flow, int64_t kill_after_ms)
{
    for (size_t i = 0; i < flow->row_count; i++)
        end_row(&flow->rows[i], kill_after_ms);
    flow_check_drained(flow);
}

static void drain_time_over(int fd, short what, void *context)
{
    struct orders *orders = context;

    (void)fd, (void)what;
    end_rows(orders->flow, JOB_KILL_MS);
}

static void drain(struct orders *orders, const struct record *record)
{
    struct flow *flow = orders->flow;
    int64_t timeout_ms = -1;
    struct err err = ERR_EMPTY;

    if (record_get(record, "timeout_ms") != NULL)
        record_number(record, "timeout_ms", -1, INT64_MAX / 4, &timeout_ms, &err);
    for (size_t i = 0; i < flow->row_count; i++) {
        struct row *row = &flow->rows[i];
        const char *name;

        row->is_kept = false;
        for (size_t n = 0; (name = record_item(record, "keep", n)) != NULL; n++)
            row->is_kept = row->is_kept || strcmp(name, row->service->name) == 0;
    }
    stop_listening(flow);
    turn_away_parked(flow);
    if (timeout_ms >= 0)
        timer_start(&flow->loop, &orders->timer, timeout_ms);
    flow_check_drained(flow);
}

static void stop(struct orders *orders)
{
    struct flow *flow = orders->flow;

    stop_listening(flow);
    for (size_t i = 0; i < flow->row_count; i++)
        flow->rows[i].is_kept = false;
    turn_away_parked(flow);
    farewell_fini(&flow->farewell);
    flow->farewell.emptied = NULL;
    end_rows(flow, STOP_KILL_MS);
    farewell_fini(&flow->farewell);
    flow_check_drained(flow);
}

/* Whoever starts the daemon again must find the ports free. */
static void orphan(struct orders *orders)
{
    struct flow *flow = orders->flow;

    watch_stop(&flow->loop, &orders->watch);
    fd_close(&flow->channel);
    stop_listening(flow);
    for (size_t i = 0; i < flow->row_count; i++)
        if (flow->rows[i].service->way == PLAN_WAY_WAIT)
            job_stop_row(&flow->rows[i], JOB_KILL_MS);
    flow_check_drained(flow);
}

/* ---- commands ---------------------------------------------------------------------- */

static void watch_row(struct flow *flow, const char *name)
{
    for (size_t i = 0; name != NULL && i < flow->listener_count; i++)
        if (flow->listeners[i].row->live == 0 &&
            strcmp(flow->listeners[i].row->service->name, name) == 0)
            listener_resume(&flow->listeners[i]);
}

/* The master asks whether we hang. That we came to this is the answer. */
static void say_pong(struct flow *flow)
{
    struct record_out out = RECORD_OUT_EMPTY;

    record_begin(&out, "pong");
    record_end(&out);
    channel_send(flow->channel, &out, NULL);
    record_out_free(&out);
}

static void obey(struct orders *orders, const struct record *record)
{
    if (record_is(record, "ping"))
        say_pong(orders->flow);
    else if (record_is(record, "drain"))
        drain(orders, record);
    else if (record_is(record, "stop"))
        stop(orders);
    else if (record_is(record, "watch"))
        watch_row(orders->flow, record_get(record, "service"));
    else
        log_warning("worker", "deny command=%s", record->word);
}

static void channel_ready(int fd, short what, void *context)
{
    struct orders *orders = context;

    (void)what;
    for (int left = COMMANDS; left > 0; left--) {
        struct record record = RECORD_EMPTY;
        struct err err = ERR_EMPTY;
        int result = channel_receive(fd, &record, &err);

        if (result == 1)
            obey(orders, &record);
        record_free(&record);
        if (result == 0)
            return;
        if (result == -1 && err.code != EBADMSG) {
            orphan(orders);
            return;
        }
    }
}

int orders_open(struct orders *orders, struct flow *flow, struct err *err)
{
    orders->flow = flow;
    timer_init(&orders->timer, drain_time_over, orders);
    watch_init(&orders->watch, flow->channel, LOOP_READ, channel_ready, orders);
    return watch_start(&flow->loop, &orders->watch, err);
}

void orders_close(struct orders *orders)
{
    if (orders->flow == NULL)
        return;
    watch_stop(&orders->flow->loop, &orders->watch);
    timer_stop(&orders->flow->loop, &orders->timer);
}
