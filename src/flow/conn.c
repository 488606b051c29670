#include "flow/conn.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/addr.h"
#include "base/fd.h"
#include "base/mem.h"
#include "flow/hand_over.h"
#include "flow/listener.h"

#define CALLBACKS 8 /* that follow one event at most; the rest waits a turn */
#define MEMORY 8    /* so many attempts turn a row's luck */
#define RETRY 32    /* out of luck, one of so many is made all the same */

/* ---- entering and leaving ---------------------------------------------------------- */

int64_t conn_enter(struct conn *conn)
{
    struct row *row = conn_row(conn);

    row->flow->current = conn;
    return flow_enter(row->flow, row->service->number, &conn->peer);
}

static struct conn_more *make_more(struct conn *conn)
{
    struct conn_more *more = mem_try(sizeof(*more));

    if (more == NULL)
        return NULL;
    memset(more, 0, sizeof(*more));
    list_init(&more->pending);
    list_init(&more->handing);
    more->owner = conn;
    conn->more = more;
    return more;
}

struct conn_more *conn_more(struct conn *conn)
{
    if (conn->more == NULL && make_more(conn) == NULL)
        conn_starve(conn);
    return conn->more;
}

void conn_touch(struct conn *conn)
{
    struct flow *flow = conn_row(conn)->flow;
    struct conn_more *more;

    if (flow->current == conn)
        return;
    more = conn_more(conn);
    if (more == NULL || !list_is_empty(&more->pending))
        return;
    if (list_is_empty(&flow->pending))
        timer_start(&flow->loop, &flow->again, 0);
    list_append(&flow->pending, &more->pending);
}

/* They could not even be noted down as pending. */
static void end_starved(struct flow *flow)
{
    struct list *node, *safe;

    if (!flow->has_starved)
        return;
    flow->has_starved = false;
    for (size_t i = 0; i < flow->row_count; i++) {
        LIST_EACH(&flow->rows[i].by_age, node, safe) {
            struct conn *conn = CONTAINER(node, struct conn, by_age);

            if ((conn->flags & CONN_OVER) == 0)
                continue;
            conn_enter(conn);
            conn_leave(conn);
        }
    }
}

void conn_again(int fd, short what, void *context)
{
    struct flow *flow = context;
    struct list *end = &flow->turn;

    (void)fd, (void)what;
    end_starved(flow);
    /* Who is touched meanwhile has its turn after everybody else's. */
    list_init(end);
    list_append(&flow->pending, end);
    while (flow->pending.next != end) {
        struct conn_more *more = CONTAINER(flow->pending.next, struct conn_more, pending);
        struct conn *conn = more->owner;

        list_remove(&more->pending);
        conn_enter(conn);
        conn_leave(conn);
    }
    list_remove(end);
    if (!list_is_empty(&flow->pending))
        timer_start(&flow->loop, &flow->again, 0);
}

/* The one callback that is due now, if any. */
static bool run_due(struct conn *conn)
{
    const struct usher_service *calls = conn_row(conn)->calls;

    if ((conn->flags & CONN_DEAF) != 0 || conn_kept_output(conn) > 0)
        return false;
    if ((conn->flags & CONN_FULL) != 0) {
        conn->flags &= (uint16_t)~CONN_FULL;
        if (calls->drained != NULL)
            calls->drained(&conn->head);
        return true;
    }
    if ((conn->flags & CONN_PAUSED) != 0)
        return false;
    if ((conn->flags & CONN_RESUMED) != 0) {
        conn->flags &= (uint16_t)~CONN_RESUMED;
        input_offer_kept(conn);
        return true;
    }
    if ((conn->flags & (CONN_FINISHED | CONN_TOLD)) == CONN_FINISHED) {
        conn->flags |= CONN_TOLD;
        input_finish(conn);
        return true;
    }
    return false;
}

static void close_socket(struct conn *conn)
{
    struct flow *flow = conn_row(conn)->flow;
    struct linger at_once = { .l_onoff = 1, .l_linger = 0 };

    switch ((enum usher_reason)conn->reason) {
    case USHER_GONE_ENDED:
    case USHER_GONE_INPUT:
        /* Where bytes were left in the socket, its end is behind them. */
        if (((conn->flags & CONN_FINISHED) == 0 || row_hands_over(conn_row(conn))) &&
            conn->fd != -1) {
            farewell_add(&flow->farewell, conn->fd, clock_ms(),
                         (conn->flags & CONN_PACKETS) != 0);
            conn->fd = -1;
        }
        break;
    case USHER_GONE_ABORTED:
    case USHER_GONE_OUTPUT:
        setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
        break;
    case USHER_GONE_PEER:
    case USHER_GONE_TIMEOUT:
    case USHER_GONE_STOPPED:
    case USHER_GONE_HANDED:
        break;
    }
    fd_close(&conn->fd);
}

static const char *reason_name(enum usher_reason reason)
{
    static const char *const names[] = {
        [USHER_GONE_ENDED] = "ended",     [USHER_GONE_ABORTED] = "aborted",
        [USHER_GONE_PEER] = "reset",      [USHER_GONE_TIMEOUT] = "timeout",
        [USHER_GONE_OUTPUT] = "output",   [USHER_GONE_INPUT] = "input",
        [USHER_GONE_STOPPED] = "stopped", [USHER_GONE_HANDED] = "handed",
    };

    return names[reason];
}

static void log_end(struct conn *conn)
{
    struct row *row = conn_row(conn);
    char how[96];
    const struct conn_more *more = conn->more;

    if (!row->service->log_connections)
        return;
    snprintf(how, sizeof(how), "bytes_in=%llu bytes_out=%llu reason=%s",
             more != NULL ? (unsigned long long)more->bytes_in : 0,
             more != NULL ? (unsigned long long)more->bytes_out : 0,
             reason_name((enum usher_reason)conn->reason));
    row_log_end(row, &conn->peer, clock_ms() - conn->opened_ms, how);
}

/* The plugin's mistake, not the peer's: it wrote without asking for room(). */
static void say_output(struct conn *conn)
{
    struct row *row = conn_row(conn);
    unsigned long left_out;

    if (conn->reason == USHER_GONE_OUTPUT && log_limit(&row->limit, &left_out))
        log_warning(row->service->name, "fail output kept=%zu max=%u left_out=%lu",
                    conn_kept_output(conn), CONN_OUTPUT, left_out);
}

static void free_more(struct conn *conn)
{
    struct conn_more *more = conn->more;

    if (more == NULL)
        return;
    list_remove(&more->pending);
    list_remove(&more->handing);
    tools_free(conn);
    mem_free(&more->output);
    mem_free(&more->input);
    mem_free(&conn->more);
}

/* It ends before its batch is looked at again. */
static void leave_fresh(struct conn *conn)
{
    struct flow *flow = conn_row(conn)->flow;

    for (size_t i = 0; i < flow->fresh_count; i++)
        if (flow->fresh[i] == conn)
            flow->fresh[i] = NULL;
}

static void finish(struct conn *conn)
{
    struct row *row = conn_row(conn);
    struct peer peer = conn->peer;

    if (conn->watching != 0)
        watch_stop(&row->flow->loop, &conn->watch);
    if ((conn->flags & CONN_DEFERRED) != 0)
        leave_fresh(conn);
    deadline_remove(conn);
    if (row->calls->gone != NULL)
        row->calls->gone(&conn->head, (enum usher_reason)conn->reason);
    if (conn->reason == USHER_GONE_PEER)
        page_add(&row->counts->failed, 1);
    log_end(conn);
    say_output(conn);
    free_more(conn);
    close_socket(conn);
    mem_free(&conn);
    row_release(row, &peer);
}

/* Nothing of it is in use: an idle connection has no more than its block. */
static void shed_more(struct conn *conn)
{
    struct conn_more *more = conn->more;

    if (more != NULL && more->output == NULL && more->input == NULL &&
        more->tools == NULL && more->peeked == 0 && more->offer == NULL &&
        list_is_empty(&more->pending) && !conn_row(conn)->service->log_connections)
        mem_free(&conn->more);
}

/* Whoever is served right after accept often ends within the same moment: it meets the
 * loop only if it is still there when the others of its batch are served. */
static bool defer(struct conn *conn)
{
    struct flow *flow = conn_row(conn)->flow;

    if (flow->fresh_count == ARRAY_LEN(flow->fresh))
        return false;
    flow->fresh[flow->fresh_count++] = conn;
    conn->flags |= CONN_DEFERRED;
    return true;
}

static void rewatch(struct conn *conn)
{
    struct flow *flow = conn_row(conn)->flow;
    bool is_fresh = (conn->flags & CONN_FRESH) != 0;
    short what = 0;
    struct err err = ERR_EMPTY;

    /* Nobody looks again after another batch than its own. */
    conn->flags &= (uint16_t)~CONN_FRESH;
    if (conn_kept_output(conn) > 0)
        what = LOOP_WRITE;
    else if (conn_wants_input(conn))
        what = LOOP_READ;
    if (what == conn->watching || (what == LOOP_READ && is_fresh && defer(conn)))
        return;

    conn->watching = (uint8_t)what;
    if (what == 0)
        watch_stop(&flow->loop, &conn->watch);
    else if (watch_change(&flow->loop, &conn->watch, what, &err) == -1) {
        conn->watching = 0;
        listener_pause_row(conn_row(conn), &err);
        conn_over(conn, USHER_GONE_STOPPED);
    }
}

void conn_leave(struct conn *conn)
{
    struct flow *flow = conn_row(conn)->flow;
    int left = CALLBACKS;

    for (output_push(conn); left > 0 && run_due(conn); left--)
        output_push(conn);
    if ((conn->flags & CONN_ENDING) != 0 && conn_kept_output(conn) == 0)
        conn_over(conn, USHER_GONE_ENDED);
    if ((conn->flags & (CONN_HANDED | CONN_OVER)) == CONN_HANDED)
        hand_over_send(conn);
    if ((conn->flags & CONN_OVER) == 0)
        rewatch(conn);

    if ((conn->flags & CONN_OVER) != 0)
        finish(conn);
    else if (left > 0)
        shed_more(conn);
    else {
        flow->current = NULL; /* or its touch would be taken for one of this callback */
        conn_touch(conn);
    }
    flow->current = NULL;
    flow_leave(flow);
}

/* ---- beginning and end ------------------------------------------------------------- */

static void conn_ready(int fd, short what, void *context)
{
    struct conn *conn = context;
    int64_t now_ms = conn_enter(conn);

    (void)fd;
    if ((what & LOOP_WRITE) != 0 && conn_kept_output(conn) > 0) {
        conn->flags |= CONN_MOVED;
        deadline_touch(conn, now_ms);
        output_flush(conn);
    }
    if ((what & LOOP_READ) != 0 && conn_wants_input(conn))
        input_read(conn, now_ms);
    conn_leave(conn);
}

/* Something is worth trying while it succeeds, and now and then otherwise. */
static bool is_promising(struct luck *luck)
{
    return luck->score >= 0 || ++luck->skipped % RETRY == 0;
}

static void learn(struct luck *luck, bool has_succeeded)
{
    if (has_succeeded && luck->score < MEMORY)
        luck->score++;
    else if (!has_succeeded && luck->score > -MEMORY)
        luck->score--;
}

/* Many peers have spoken by the time we accept them: then one read saves a turn of the
 * loop. Where they have not, it is a wasted call: so each row learns. */
static void read_early(struct conn *conn, int64_t now_ms)
{
    struct row *row = conn_row(conn);

    if (!conn_wants_input(conn) || !is_promising(&row->early))
        return;
    input_read(conn, now_ms);
    learn(&row->early, (conn->flags & (CONN_HEARD | CONN_FINISHED)) != 0);
    if ((conn->flags & CONN_HEARD) != 0 && !row->flow->is_child &&
        is_promising(&row->brief))
        conn->flags |= CONN_FRESH;
}

void conn_look_again(struct flow *flow)
{
    for (size_t i = 0; i < flow->fresh_count; i++) {
        struct conn *conn = flow->fresh[i];
        int64_t now_ms;

        if (conn == NULL)
            continue;
        conn->flags &= (uint16_t)~CONN_DEFERRED;
        now_ms = conn_enter(conn);
        if (conn_wants_input(conn))
            input_read(conn, now_ms);
        learn(&conn_row(conn)->brief, (conn->flags & (CONN_FINISHED | CONN_OVER)) != 0);
        conn_leave(conn);
    }
    flow->fresh_count = 0;
}

/* A row may listen on streams of bytes as well. */
static bool is_of_packets(const struct row *row, int fd)
{
    int type = SOCK_STREAM;
    socklen_t length = sizeof(type);

    return row->is_packets &&
           getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0 &&
           type == SOCK_SEQPACKET;
}

int conn_open(struct row *row, int fd, const struct peer *peer)
{
    size_t size = sizeof(struct conn) + row->calls->conn_size;
    struct conn *conn = mem_try(size);
    int64_t now_ms;

    if (conn == NULL)
        return -1;
    memset(conn, 0, size);
    conn->head.size = sizeof(conn->head);
    conn->head.service = &row->instance;
    conn->head.mine = conn->mine;
    conn->peer = *peer;
    conn->fd = fd;
    conn->flags = is_of_packets(row, fd) ? CONN_PACKETS : 0;
    /* With log_connections it counts its bytes, from the first to the last. */
    if (row->service->log_connections && make_more(conn) == NULL) {
        mem_free(&conn);
        return -1;
    }
    watch_init(&conn->watch, fd, LOOP_READ, conn_ready, conn);

    row_take(row, peer);
    now_ms = conn_enter(conn);
    conn->opened_ms = now_ms;
    deadline_add(conn);
    if (row->service->log_connections)
        row_log_begin(row, peer);
    if (row->calls->opened != NULL)
        row->calls->opened(&conn->head);
    read_early(conn, now_ms);
    conn_leave(conn);
    return 0;
}

static bool mark_over(struct conn *conn, enum usher_reason reason)
{
    if ((conn->flags & CONN_OVER) != 0)
        return false;
    if ((conn->flags & CONN_TAKEN) != 0) {
        /* The descriptor is the plugin's, which sees its end and calls done(). */
        shutdown(conn->fd, SHUT_RDWR);
        return false;
    }
    conn->flags |= CONN_OVER;
    conn->reason = (uint8_t)reason;
    return true;
}

void conn_over(struct conn *conn, enum usher_reason reason)
{
    if (mark_over(conn, reason))
        conn_touch(conn);
}

void conn_starve(struct conn *conn)
{
    struct row *row = conn_row(conn);
    unsigned long left_out;

    if (log_limit(&row->wait_limit, &left_out))
        log_warning(row->service->name, "fail memory left_out=%lu", left_out);
    mark_over(conn, USHER_GONE_STOPPED);
    if (row->flow->current == conn)
        return;
    row->flow->has_starved = true;
    timer_start(&row->flow->loop, &row->flow->again, 0);
}

void conn_close(struct conn *conn, enum usher_reason reason)
{
    conn_enter(conn);
    conn_over(conn, reason);
    conn_leave(conn);
}

/* ---- host functions ---------------------------------------------------------------- */

static bool is_deaf(const struct conn *conn)
{
    return (conn->flags & CONN_DEAF) != 0;
}

void conn_end(struct usher_conn *head)
{
    struct conn *conn = conn_of(head);

    if (is_deaf(conn))
        return;
    conn->flags |= CONN_ENDING;
    conn_touch(conn);
}

void conn_abort(struct usher_conn *head)
{
    struct conn *conn = conn_of(head);

    if (!is_deaf(conn))
        conn_over(conn, USHER_GONE_ABORTED);
}

void conn_pause(struct usher_conn *head)
{
    struct conn *conn = conn_of(head);

    if (is_deaf(conn))
        return;
    conn->flags |= CONN_PAUSED;
    conn_touch(conn);
}

void conn_resume(struct usher_conn *head)
{
    struct conn *conn = conn_of(head);

    if (is_deaf(conn) || (conn->flags & CONN_PAUSED) == 0)
        return;
    conn->flags &= (uint16_t)~CONN_PAUSED;
    conn->flags |= CONN_RESUMED;
    conn_touch(conn);
}

static void ask_socket(int fd, int (*ask)(int, struct sockaddr *, socklen_t *),
                       struct usher_address *out)
{
    socklen_t length = sizeof(out->storage);

    memset(out, 0, sizeof(*out));
    if (fd != -1 && ask(fd, (struct sockaddr *)&out->storage, &length) == 0) {
        out->length = length;
        addr_normalize(out);
    }
}

void conn_peer(const struct usher_conn *head, struct usher_address *out)
{
    const struct conn *conn = conn_of(head);

    if (conn->peer.kind == PEER_UNIX)
        ask_socket(conn->fd, getpeername, out);
    else
        peer_get(&conn->peer, out);
}

void conn_local(const struct usher_conn *head, struct usher_address *out)
{
    ask_socket(conn_of(head)->fd, getsockname, out);
}

int conn_take(struct usher_conn *head)
{
    struct conn *conn = conn_of(head);

    /* What this callback has written comes before what the plugin writes by itself. */
    if (conn_row(conn)->flow->current == conn)
        output_push(conn);
    if (is_deaf(conn) || conn_kept_output(conn) > 0)
        return -1;
    if (conn->watching != 0)
        watch_stop(&conn_row(conn)->flow->loop, &conn->watch);
    conn->watching = 0;
    deadline_take(conn);
    conn->rested_ms = conn->opened_ms;
    conn->flags |= CONN_TAKEN;
    conn_touch(conn);
    return conn->fd;
}

void conn_done(struct usher_conn *head)
{
    struct conn *conn = conn_of(head);

    if ((conn->flags & CONN_TAKEN) == 0)
        return;
    conn->flags &= (uint16_t)~CONN_TAKEN;
    conn->fd = -1;
    conn_over(conn, USHER_GONE_ENDED);
}
