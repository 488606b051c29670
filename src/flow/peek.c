/*
 * Reading for rows whose plugin hands connections over: what data() has not used stays in the
 * socket, so that the next service finds it. SO_RCVLOWAT keeps the loop quiet until there is more
 * than data() has seen.
 */
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "flow/conn.h"

#define READS 4 /* an event */

static size_t seen(const struct conn *conn)
{
    return conn->more != NULL ? conn->more->peeked : 0;
}

static void wait_for_more_than(struct conn *conn, size_t count)
{
    int least = (int)count + 1;

    if (count == seen(conn))
        return;
    conn_more(conn)->peeked = count;
    setsockopt(conn->fd, SOL_SOCKET, SO_RCVLOWAT, &least, sizeof(least));
}

/* Woken, but nothing new: the end of file, which stands behind what is left, or a reset. */
static void look_for_end(struct conn *conn)
{
    struct pollfd look = { .fd = conn->fd, .events = POLLRDHUP };

    if (poll(&look, 1, 0) != 1)
        return;
    if ((look.revents & (POLLERR | POLLHUP)) != 0)
        conn_over(conn, USHER_GONE_PEER);
    else if ((look.revents & POLLRDHUP) != 0)
        conn->flags |= CONN_FINISHED;
}

/* It is there: we saw it. */
static void consume(struct conn *conn, size_t count)
{
    struct row *row = conn_row(conn);

    page_add(&row->counts->bytes_in, count);
    if (row->service->log_connections)
        conn->more->bytes_in += count;
    while (count > 0) {
        ssize_t got = recv(conn->fd, row->flow->buffer, count, MSG_DONTWAIT);

        if (got <= 0)
            return;
        count -= (size_t)got;
    }
}

/* Whether it is worth looking for more. */
static bool show(struct conn *conn, size_t count)
{
    struct row *row = conn_row(conn);
    size_t used = count;

    if (row->calls->data != NULL)
        used = row->calls->data(&conn->head, row->flow->buffer, count);
    output_push(conn);
    if (used > count)
        used = count;
    consume(conn, used);
    if ((conn->flags & CONN_DEAF) != 0)
        return false;
    if (used == 0 && count >= input_max(row) && (conn->flags & CONN_PAUSED) == 0) {
        input_refuse(conn, count);
        return false;
    }
    wait_for_more_than(conn, count - used);
    return used > 0;
}

void peek_read(struct conn *conn, int64_t now_ms)
{
    struct row *row = conn_row(conn);

    for (int reads = READS; reads > 0 && conn_wants_input(conn); reads--) {
        ssize_t count = recv(conn->fd, row->flow->buffer, input_max(row),
                             MSG_PEEK | MSG_DONTWAIT);

        if (count == 0)
            conn->flags |= CONN_FINISHED;
        else if (count == -1 && errno != EAGAIN && errno != EINTR)
            conn_over(conn, USHER_GONE_PEER);
        if (count <= 0)
            return;
        if ((size_t)count <= seen(conn)) {
            look_for_end(conn);
            return;
        }
        if ((conn->flags & CONN_HEARD) == 0)
            deadline_heard(conn, now_ms);
        deadline_touch(conn, now_ms);
        if (!show(conn, (size_t)count))
            return;
    }
}

void peek_again(struct conn *conn)
{
    wait_for_more_than(conn, 0);
    peek_read(conn, clock_ms());
}

void peek_finish(struct conn *conn)
{
    struct row *row = conn_row(conn);
    ssize_t count = recv(conn->fd, row->flow->buffer, input_max(row), MSG_PEEK | MSG_DONTWAIT);

    if (row->calls->finished != NULL)
        row->calls->finished(&conn->head, row->flow->buffer, count > 0 ? (size_t)count : 0);
    else
        conn_end(&conn->head);
}
