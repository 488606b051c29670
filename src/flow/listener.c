#include "flow/listener.h"

#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "flow/conn.h"
#include "flow/intake.h"
#include "flow/run_dispatch.h"
#include "flow/run_fork.h"
#include "flow/run_wait.h"
#include "flow/silent.h"
#include "sock/bind.h"

/* ---- states ------------------------------------------------------------------------ */

static void leave_open(struct listener *listener, enum listener_state state)
{
    struct row *row = listener->row;

    if (listener->state == LISTENER_OPEN)
        watch_stop(&row->flow->loop, &listener->watch);
    timer_stop(&row->flow->loop, &listener->timer);
    row->full_count -= listener->state == LISTENER_FULL;
    row->full_count += state == LISTENER_FULL;
    listener->state = state;
}

static void say_pause(struct listener *listener, const struct err *err)
{
    char name[ADDR_TEXT];
    unsigned long left_out;

    if (log_limit(&listener->row->wait_limit, &left_out))
        log_warning(
            listener->row->service->name, "hold endpoint=%s error=\"%s\" left_out=%lu",
            endpoint_print(listener->endpoint, name, sizeof(name)), err->text, left_out);
}

void listener_pause(struct listener *listener, int64_t ms, const struct err *err)
{
    if (listener->state == LISTENER_CLOSED)
        return;
    if (err != NULL)
        say_pause(listener, err);
    leave_open(listener, LISTENER_PAUSED);
    timer_start(&listener->row->flow->loop, &listener->timer, ms);
}

void listener_pause_row(struct row *row, const struct err *err)
{
    struct flow *flow = row->flow;

    for (size_t i = 0; i < flow->listener_count; i++)
        if (flow->listeners[i].row == row && flow->listeners[i].state == LISTENER_OPEN)
            listener_pause(&flow->listeners[i], LISTENER_PAUSE_MS, err);
}

void listener_fill(struct listener *listener)
{
    struct row *row = listener->row;

    leave_open(listener, LISTENER_FULL);
    /* Others have slots, or had them when the row was found full: who of them lets go
     * does not tell us. */
    if (row->live < row->service->max_connections)
        timer_start(&row->flow->loop, &listener->timer, LISTENER_RECHECK_MS);
    else if (silent_exists(row))
        timer_start(&row->flow->loop, &listener->timer, LISTENER_SILENT_MS);
}

void listener_lend(struct listener *listener)
{
    if (listener->state != LISTENER_CLOSED)
        leave_open(listener, LISTENER_LENT);
}

int listener_start(struct listener *listener, struct err *err)
{
    if (watch_start(&listener->row->flow->loop, &listener->watch, err) == -1)
        return -1;
    listener->state = LISTENER_OPEN;
    return 0;
}

void listener_resume(struct listener *listener)
{
    struct err err = ERR_EMPTY;

    if (listener->state == LISTENER_CLOSED || listener->state == LISTENER_OPEN)
        return;
    leave_open(listener, LISTENER_PAUSED);
    if (listener_start(listener, &err) == -1)
        listener_pause(listener, LISTENER_PAUSE_MS, &err);
}

/* A plugin can, with a copy that it sent to itself. */
static void say_mended(const struct listener *listener)
{
    char name[ADDR_TEXT];
    unsigned long left_out;

    if (log_limit(&listener->row->limit, &left_out))
        log_error(listener->row->service->name,
                  "fail endpoint=%s error=\"its socket was shut down in a worker\" "
                  "action=\"listening "
                  "again\" left_out=%lu",
                  endpoint_print(listener->endpoint, name, sizeof(name)), left_out);
}

static bool is_listening(int fd)
{
    int value = 0;
    socklen_t length = sizeof(value);

    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &value, &length) == 0 && value != 0;
}

bool listener_mend(struct listener *listener)
{
    if (is_listening(listener->fd) ||
        listen(listener->fd, (int)listener->row->service->backlog) == -1)
        return false;
    say_mended(listener);
    return true;
}

void listener_wake_row(struct row *row)
{
    struct flow *flow = row->flow;

    for (size_t i = 0; i < flow->listener_count; i++)
        if (flow->listeners[i].row == row && flow->listeners[i].state == LISTENER_FULL)
            listener_resume(&flow->listeners[i]);
}

/* ---- events ------------------------------------------------------------------------ */

static void listener_ready(int fd, short what, void *context)
{
    struct listener *listener = context;

    (void)fd, (void)what;
    if (listener->row->service->way == PLAN_WAY_WAIT)
        run_wait_ready(listener);
    else if (endpoint_is_stream(listener->endpoint->kind)) {
        intake_accept(listener);
        conn_look_again(listener->row->flow);
    } else if (listener->row->service->way == PLAN_WAY_FORK)
        run_fork_datagrams(listener);
    else
        run_dispatch_datagrams(listener);
}

static void pause_ended(int fd, short what, void *context)
{
    struct listener *listener = context;
    struct row *row = listener->row;
    struct err err = ERR_EMPTY;

    (void)fd, (void)what;
    if (listener->state == LISTENER_FULL && row_is_full(row) && !silent_exists(row)) {
        listener_fill(listener);
        return;
    }
    if (intake_serve_held(listener, &err) == -1)
        listener_pause(listener, LISTENER_PAUSE_MS, &err);
    else
        listener_resume(listener);
    conn_look_again(row->flow);
}

void listener_init(struct listener *listener, struct row *row,
                   const struct endpoint *endpoint, int fd)
{
    memset(listener, 0, sizeof(*listener));
    listener->row = row;
    listener->endpoint = endpoint;
    listener->fd = fd;
    listener->held = -1;
    listener->state = LISTENER_LENT;
    watch_init(&listener->watch, fd, LOOP_READ, listener_ready, listener);
    timer_init(&listener->timer, pause_ended, listener);
}

int listener_inspect(struct listener *listener, struct err *err)
{
    if (listener->endpoint->kind != ENDPOINT_FD)
        return 0;
    if (bind_inspect(listener->fd, &listener->inspected, err) == -1)
        return -1;
    listener->endpoint = &listener->inspected;
    return 0;
}

/* Whom we accepted has the last try now. */
static void let_go_of_held(struct listener *listener)
{
    struct err err = ERR_EMPTY;

    if (intake_serve_held(listener, &err) == -1) {
        refusal_stream(listener->row, listener->held, &listener->held_peer, ADMIT_WAITED);
        listener->held = -1;
    }
    conn_look_again(listener->row->flow);
}

void listener_close(struct listener *listener)
{
    struct row *row = listener->row;

    leave_open(listener, LISTENER_CLOSED);
    let_go_of_held(listener);
    if (row->service->way != PLAN_WAY_FORK ||
        endpoint_is_stream(listener->endpoint->kind))
        fd_close(&listener->fd);
}

void listener_free(struct listener *listener)
{
    listener_close(listener);
    fd_close(&listener->fd);
    env_fini(&listener->env);
    endpoint_free(&listener->inspected);
}
