#include "flow/listener.h"

#include <errno.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "flow/conn.h"
#include "flow/run.h"
#include "flow/run_dispatch.h"
#include "flow/run_fork.h"
#include "flow/run_wait.h"
#include "sock/bind.h"

/* ---- states ----------------------------------------------------------------------------- */

static void leave_open(struct listener *listener, enum listener_state state)
{
    if (listener->state == LISTENER_OPEN)
        watch_stop(&listener->row->flow->loop, &listener->watch);
    timer_stop(&listener->row->flow->loop, &listener->timer);
    listener->state = state;
}

static void say_pause(struct listener *listener, const struct err *err)
{
    char name[ADDR_TEXT];
    unsigned long left_out;

    if (log_limit(&listener->row->wait_limit, &left_out))
        log_warning(listener->row->service->name, "hold endpoint=%s error=\"%s\" left_out=%lu",
                    endpoint_print(listener->endpoint, name, sizeof(name)), err->text,
                    left_out);
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
    leave_open(listener, LISTENER_FULL);
    if (row_has_siblings(listener->row))
        timer_start(&listener->row->flow->loop, &listener->timer, LISTENER_RECHECK_MS);
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
    timer_stop(&listener->row->flow->loop, &listener->timer);
    if (listener_start(listener, &err) == -1)
        listener_pause(listener, LISTENER_PAUSE_MS, &err);
}

void listener_wake_row(struct row *row)
{
    struct flow *flow = row->flow;

    for (size_t i = 0; i < flow->listener_count; i++)
        if (flow->listeners[i].row == row && flow->listeners[i].state == LISTENER_FULL)
            listener_resume(&flow->listeners[i]);
}

/* ---- accepting -------------------------------------------------------------------------- */

static bool is_shortage(int code)
{
    return code == EMFILE || code == ENFILE || code == ENOMEM || code == ENOBUFS;
}

/* That caller went away, or the network did: not our listener's trouble. */
static bool is_passing(int code)
{
    static const int passing[] = { ECONNABORTED, EPROTO,       ENETDOWN,    ENOPROTOOPT,
                                   EHOSTDOWN,    ENONET,       EHOSTUNREACH, EOPNOTSUPP,
                                   ENETUNREACH,  EINTR,        EPERM,        ETIMEDOUT,
                                   ECONNRESET };

    for (size_t i = 0; i < ARRAY_LEN(passing); i++)
        if (passing[i] == code)
            return true;
    return false;
}

/* 0: served, or its caller is gone; -1: not now, fd is still ours. */
static int serve(struct listener *listener, int fd, const struct peer *peer, struct err *err)
{
    return run_stream(listener->row, &listener->env, fd, peer, err);
}

static void hold_and_pause(struct listener *listener, int fd, const struct peer *peer,
                           const struct err *err)
{
    listener->held = fd;
    listener->held_peer = *peer;
    listener_pause(listener, LISTENER_PAUSE_MS, err);
}

static void describe(const struct listener *listener, struct err *err)
{
    bool is_select = strcmp(loop_method(&listener->row->flow->loop), "select") == 0;

    err_sys(err, "accept");
    if (err->code == EMFILE && is_select)
        err_prefix(err, "loop = \"select\" holds at most %d descriptors", FD_SETSIZE);
}

/* false: nothing more now. */
static bool accept_one(struct listener *listener, int flags)
{
    struct sockaddr_storage addr;
    socklen_t length = sizeof(addr);
    struct peer peer;
    struct err err = ERR_EMPTY;
    int fd = accept4(listener->fd, (struct sockaddr *)&addr, &length, flags);

    if (fd == -1) {
        if (errno == EAGAIN || is_passing(errno))
            return errno != EAGAIN;
        describe(listener, &err);
        listener_pause(listener, is_shortage(err.code) ? LISTENER_PAUSE_MS : 1000, &err);
        return false;
    }
    peer_set(&peer, &addr, length);
    if (serve(listener, fd, &peer, &err) == -1) {
        hold_and_pause(listener, fd, &peer, &err);
        return false;
    }
    return listener->state == LISTENER_OPEN;
}

static void accept_some(struct listener *listener)
{
    int flags = SOCK_CLOEXEC | (run_is_blocking(listener->row) ? 0 : SOCK_NONBLOCK);

    for (int left = LISTENER_BUDGET; left > 0; left--) {
        if (row_is_full(listener->row)) {
            listener_fill(listener);
            return;
        }
        if (!accept_one(listener, flags))
            return;
    }
}

/* ---- events ------------------------------------------------------------------------------ */

static void listener_ready(int fd, short what, void *context)
{
    struct listener *listener = context;

    (void)fd, (void)what;
    if (listener->row->service->way == PLAN_WAY_WAIT)
        run_wait_ready(listener);
    else if (endpoint_is_stream(listener->endpoint->kind)) {
        accept_some(listener);
        conn_look_again(listener->row->flow);
    } else if (listener->row->service->way == PLAN_WAY_FORK)
        run_fork_datagrams(listener);
    else
        run_dispatch_datagrams(listener);
}

static void pause_ended(int fd, short what, void *context)
{
    struct listener *listener = context;
    struct err err = ERR_EMPTY;
    int held = listener->held;

    (void)fd, (void)what;
    if (listener->state == LISTENER_FULL && row_is_full(listener->row)) {
        listener_fill(listener);
        return;
    }
    listener->held = -1;
    if (held != -1 && serve(listener, held, &listener->held_peer, &err) == -1)
        hold_and_pause(listener, held, &listener->held_peer, &err);
    else
        listener_resume(listener);
    conn_look_again(listener->row->flow);
}

void listener_init(struct listener *listener, struct row *row, const struct endpoint *endpoint,
                   int fd)
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
    int held = listener->held;

    listener->held = -1;
    if (held != -1 && serve(listener, held, &listener->held_peer, &err) == -1)
        fd_close(&held);
    conn_look_again(listener->row->flow);
}

void listener_close(struct listener *listener)
{
    struct row *row = listener->row;

    leave_open(listener, LISTENER_CLOSED);
    let_go_of_held(listener);
    if (row->service->way != PLAN_WAY_FORK || endpoint_is_stream(listener->endpoint->kind))
        fd_close(&listener->fd);
}

void listener_free(struct listener *listener)
{
    listener_close(listener);
    fd_close(&listener->fd);
    env_fini(&listener->env);
    endpoint_free(&listener->inspected);
}
