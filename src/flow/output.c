#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "flow/conn.h"

#define ROOM_STEP 4096

static void count_out(struct conn *conn, size_t count)
{
    struct row *row = conn_row(conn);

    page_add(&row->counts->bytes_out, count);
    if (row->service->log_connections)
        conn->more->bytes_out += count;
}

/* How many bytes the system took; 0 where it takes none now; -1: the peer is gone. */
static ssize_t try_send(struct conn *conn, const char *bytes, size_t count, int flags)
{
    ssize_t sent = send(conn->fd, bytes, count, flags | MSG_NOSIGNAL | MSG_DONTWAIT);

    if (sent >= 0)
        count_out(conn, (size_t)sent);
    else if (errno == EAGAIN || errno == EINTR || errno == ENOBUFS || errno == ENOMEM)
        sent = 0;
    else
        conn_over(conn, USHER_GONE_PEER);
    return sent;
}

/* ---- what is kept ------------------------------------------------------------------ */

static int make_room(struct conn_more *more, size_t count)
{
    size_t room = more->output_room > 0 ? more->output_room : ROOM_STEP;
    char *fresh;

    if (more->output_at > 0) {
        memmove(more->output, more->output + more->output_at, more->output_count);
        more->output_at = 0;
    }
    while (room < more->output_count + count)
        room *= 2;
    if (room == more->output_room)
        return 0;
    fresh = mem_try(room);
    if (fresh == NULL)
        return -1;
    if (more->output_count > 0)
        memcpy(fresh, more->output, more->output_count);
    mem_free(&more->output);
    more->output = fresh;
    more->output_room = room;
    return 0;
}

static void append(struct conn_more *more, const void *bytes, size_t count)
{
    memcpy(more->output + more->output_at + more->output_count, bytes, count);
    more->output_count += count;
}

static int keep(struct conn *conn, const char *bytes, size_t count)
{
    struct conn_more *more;
    uint32_t length = (uint32_t)count;
    bool is_packet = (conn->flags & CONN_PACKETS) != 0;
    size_t needed = count + (is_packet ? sizeof(length) : 0);

    more = conn_more(conn);
    if (more == NULL)
        return -1;
    if (more->output_room - more->output_at - more->output_count < needed &&
        make_room(more, needed) == -1) {
        conn_over(conn, USHER_GONE_OUTPUT);
        return -1;
    }
    if (is_packet)
        append(more, &length, sizeof(length));
    append(more, bytes, count);
    conn->flags |= CONN_FULL;
    conn_touch(conn);
    return 0;
}

static void drop(struct conn_more *more, size_t count)
{
    more->output_at += count;
    more->output_count -= count;
    if (more->output_count > 0)
        return;
    mem_free(&more->output);
    more->output_at = more->output_room = 0;
}

/* ---- host functions ---------------------------------------------------------------- */

size_t output_room(const struct usher_conn *head)
{
    const struct conn *conn = conn_of(head);
    const struct flow *flow = conn_row(conn)->flow;
    size_t kept = conn_kept_output(conn) + (flow->current == conn ? flow->staged : 0);

    if ((conn->flags & CONN_PACKETS) != 0 && kept > 0)
        kept += sizeof(uint32_t);
    return kept < CONN_OUTPUT ? CONN_OUTPUT - kept : 0;
}

static int send_or_keep(struct conn *conn, const char *bytes, size_t count, int flags)
{
    ssize_t sent = 0;

    if (conn_kept_output(conn) == 0)
        sent = try_send(conn, bytes, count, flags);
    if (sent == -1)
        return -1;
    return (size_t)sent == count ? 0 : keep(conn, bytes + sent, count - (size_t)sent);
}

void output_push(struct conn *conn)
{
    struct flow *flow = conn_row(conn)->flow;
    size_t count = flow->staged;

    flow->staged = 0;
    if (count == 0 || (conn->flags & CONN_OVER) != 0)
        return;
    /* The end of our side follows: it goes in the same packet. */
    send_or_keep(conn, flow->stage, count,
                 (conn->flags & CONN_ENDING) != 0 ? MSG_MORE : 0);
}

int output_write(struct usher_conn *head, const void *bytes, size_t count)
{
    struct conn *conn = conn_of(head);
    struct flow *flow = conn_row(conn)->flow;
    bool is_current = flow->current == conn;

    if ((conn->flags & CONN_DEAF) != 0)
        return -1;
    if (count > output_room(head)) {
        conn_over(conn, USHER_GONE_OUTPUT);
        return -1;
    }
    if (count == 0)
        return 0;
    if (is_current && (conn->flags & CONN_PACKETS) == 0 &&
        count <= sizeof(flow->stage) - flow->staged) {
        memcpy(flow->stage + flow->staged, bytes, count);
        flow->staged += count;
        return 0;
    }
    if (is_current)
        output_push(conn);
    return (conn->flags & CONN_OVER) != 0 ? -1 : send_or_keep(conn, bytes, count, 0);
}

/* ---- when the peer takes more ------------------------------------------------------ */

static void flush_packets(struct conn *conn)
{
    struct conn_more *more = conn->more;

    while (more->output_count > 0) {
        const char *at = more->output + more->output_at;
        uint32_t length;

        memcpy(&length, at, sizeof(length));
        if (try_send(conn, at + sizeof(length), length, 0) <= 0)
            return;
        drop(more, sizeof(length) + length);
    }
}

void output_flush(struct conn *conn)
{
    struct conn_more *more = conn->more;
    ssize_t sent;

    if ((conn->flags & CONN_PACKETS) != 0) {
        flush_packets(conn);
        return;
    }
    sent = try_send(conn, more->output + more->output_at, more->output_count, 0);
    if (sent > 0)
        drop(more, (size_t)sent);
}
