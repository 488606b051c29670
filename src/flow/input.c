#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/mem.h"
#include "flow/conn.h"

#define READS 4      /* an event */
#define MAX_INPUT 4096 /* where the plugin does not say */

size_t input_max(const struct row *row)
{
    return row->calls->max_input > 0 ? row->calls->max_input : MAX_INPUT;
}

/* bytes may lie in what was kept before: that is freed by whoever took it out. */
static void keep(struct conn *conn, const char *bytes, size_t count)
{
    struct conn_more *more;

    if (count == 0)
        return;
    more = conn_more(conn);
    if (more == NULL)
        return;
    more->input = mem_try(count);
    if (more->input == NULL) {
        conn_over(conn, USHER_GONE_INPUT);
        return;
    }
    memcpy(more->input, bytes, count);
    more->input_count = count;
}

static void refuse(struct conn *conn, const char *what, size_t count, size_t max)
{
    struct row *row = conn_row(conn);
    unsigned long left_out;

    if (log_limit(&row->limit, &left_out))
        log_info(row->service->name, "fail input %s=%zu max=%zu left_out=%lu", what,
                 count, max, left_out);
    conn_over(conn, USHER_GONE_INPUT);
}

void input_refuse(struct conn *conn, size_t count)
{
    refuse(conn, "kept", count, input_max(conn_row(conn)));
}

static void offer(struct conn *conn, const char *bytes, size_t count)
{
    struct row *row = conn_row(conn);
    size_t max = input_max(row);

    for (;;) {
        size_t used = count;

        if (row->calls->data != NULL)
            used = row->calls->data(&conn->head, bytes, count);
        output_push(conn);
        if (used > count)
            used = count;
        bytes += used;
        count -= used;

        if (count == 0 || (conn->flags & CONN_DEAF) != 0)
            return;
        if ((conn->flags & CONN_PAUSED) != 0 || count < max)
            break;
        if (conn_kept_output(conn) > 0) {
            conn->flags |= CONN_RESUMED; /* the rest, when it is gone */
            break;
        }
        if (used == 0) {
            input_refuse(conn, count);
            return;
        }
    }
    keep(conn, bytes, count);
}

/* Yields what was kept, which is the caller's now. */
static char *take_kept(struct conn *conn, size_t *count_out)
{
    char *kept = NULL;

    *count_out = 0;
    if (conn->more != NULL) {
        kept = conn->more->input;
        *count_out = conn->more->input_count;
        conn->more->input = NULL;
        conn->more->input_count = 0;
    }
    return kept;
}

void input_offer_kept(struct conn *conn)
{
    size_t count;
    char *kept;

    if (row_hands_over(conn_row(conn))) {
        peek_again(conn);
        return;
    }
    kept = take_kept(conn, &count);
    if (count > 0)
        offer(conn, kept, count);
    mem_free(&kept);
}

void input_finish(struct conn *conn)
{
    const struct usher_service *calls = conn_row(conn)->calls;
    size_t count;
    char *kept;

    if (row_hands_over(conn_row(conn))) {
        peek_finish(conn);
        return;
    }
    kept = take_kept(conn, &count);
    if (calls->finished != NULL)
        calls->finished(&conn->head, kept != NULL ? kept : "", count);
    else
        conn_end(&conn->head);
    mem_free(&kept);
}

static void take_in(struct conn *conn, size_t count, int64_t now_ms)
{
    struct row *row = conn_row(conn);
    struct flow *flow = row->flow;
    size_t kept_count;
    char *at = flow->buffer + flow->buffer_kept, *kept;

    page_add(&row->counts->bytes_in, count);
    if ((conn->flags & CONN_HEARD) == 0)
        deadline_heard(conn, now_ms);
    deadline_touch(conn, now_ms);

    kept = take_kept(conn, &kept_count);
    if (kept_count > 0) {
        at -= kept_count;
        memcpy(at, kept, kept_count);
        mem_free(&kept);
    }
    if (row->service->log_connections)
        conn->more->bytes_in += count;
    offer(conn, at, kept_count + count);
}

/* After a read that brought nothing. */
static bool is_at_end(const struct conn *conn)
{
    return (conn->flags & CONN_PACKETS) == 0 || fd_packets_ended(conn->fd);
}

void input_read(struct conn *conn, int64_t now_ms)
{
    struct flow *flow = conn_row(conn)->flow;
    /* The whole length of a packet; of a stream it would throw bytes away. */
    int flags = MSG_DONTWAIT | ((conn->flags & CONN_PACKETS) != 0 ? MSG_TRUNC : 0);

    if (row_hands_over(conn_row(conn))) {
        peek_read(conn, now_ms);
        return;
    }
    for (int reads = READS; reads > 0 && conn_wants_input(conn); reads--) {
        ssize_t count =
            recv(conn->fd, flow->buffer + flow->buffer_kept, FLOW_READ, flags);

        if (count > (ssize_t)FLOW_READ)
            refuse(conn, "packet", (size_t)count, FLOW_READ);
        else if (count > 0)
            take_in(conn, (size_t)count, now_ms);
        else if (count == 0 && is_at_end(conn))
            conn->flags |= CONN_FINISHED;
        else if (count == -1 && errno != EAGAIN && errno != EINTR)
            conn_over(conn, USHER_GONE_PEER);
        if (count < (ssize_t)FLOW_READ)
            return;
    }
}
