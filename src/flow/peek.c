/*
 * Reading for rows whose plugin hands connections over: what data() has not used stays in
 * the socket, so that the next service finds it. SO_RCVLOWAT keeps the loop quiet until
 * there is more than data() has seen.
 *
 * Where the kernel wakes us all the same, we would see the same bytes for ever: it does
 * so in front of an urgent byte, which no look gets past, and when it is short of memory.
 * Then what was seen is taken out and kept. Urgent bytes are skipped, as in every other
 * read.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "flow/conn.h"

#define READS 4 /* an event */

/* Of this many, `kept` are ours already and the others in the socket. */
static size_t seen(const struct conn *conn)
{
    return conn->more != NULL ? conn->more->peeked : 0;
}

static size_t kept(const struct conn *conn)
{
    return conn->more != NULL ? conn->more->input_count : 0;
}

static void wait_for_more_than(struct conn *conn, size_t count)
{
    int least = (int)(count > kept(conn) ? count - kept(conn) : 0) + 1;

    if (count == seen(conn) || conn_more(conn) == NULL)
        return;
    conn->more->peeked = count;
    setsockopt(conn->fd, SOL_SOCKET, SO_RCVLOWAT, &least, sizeof(least));
}

/* Everything that data() has not used goes to the worker's buffer; yields how much that
 * is. What the kernel says of the socket is in *result. */
static size_t look(struct conn *conn, ssize_t *result)
{
    struct row *row = conn_row(conn);
    char *buffer = row->flow->buffer;
    size_t count = kept(conn), room = input_max(row) - count;

    if (count > 0)
        memcpy(buffer, conn->more->input, count);
    *result = -1;
    errno = EAGAIN;
    if (room > 0)
        *result = recv(conn->fd, buffer + count, room, MSG_PEEK | MSG_DONTWAIT);
    return count + (*result > 0 ? (size_t)*result : 0);
}

/* Whether something came out. */
static bool take_out(struct conn *conn, size_t count)
{
    struct conn_more *more = conn_more(conn);
    char *input = more != NULL ? mem_try(more->input_count + count) : NULL;
    ssize_t got;
    int any = 1;

    if (input == NULL) {
        conn_over(conn, USHER_GONE_INPUT);
        return false;
    }
    if (more->input_count > 0)
        memcpy(input, more->input, more->input_count);
    mem_free(&more->input);
    more->input = input;
    got = recv(conn->fd, input + more->input_count, count, MSG_DONTWAIT);
    if (got > 0)
        more->input_count += (size_t)got;
    setsockopt(conn->fd, SOL_SOCKET, SO_RCVLOWAT, &any, sizeof(any));
    return got > 0;
}

/* The end is there, so all that stands before it is, too: also what came after we had
 * looked and found nothing. */
static bool look_before_end(struct conn *conn)
{
    ssize_t result;

    if (look(conn, &result) > seen(conn))
        return true;
    conn->flags |= CONN_FINISHED;
    return false;
}

/* Woken, but nothing new: the end of file, which stands behind what is left, a reset, or
 * a kernel that would wake us again. Whether it is worth another look. */
static bool look_for_end(struct conn *conn, ssize_t count)
{
    struct pollfd what = { .fd = conn->fd, .events = POLLIN | POLLPRI | POLLRDHUP };

    if (count == 0)
        conn->flags |= CONN_FINISHED;
    if (count == 0 || poll(&what, 1, 0) != 1)
        return false;
    if ((what.revents & (POLLERR | POLLHUP)) != 0)
        conn_over(conn, USHER_GONE_PEER);
    else if ((what.revents & (POLLRDHUP | POLLPRI)) == POLLRDHUP)
        return look_before_end(conn);
    else if ((what.revents & POLLIN) != 0)
        return take_out(conn, count > 0 ? (size_t)count : 1);
    return false;
}

static void consume_kept(struct conn_more *more, size_t count)
{
    more->input_count -= count;
    if (more->input_count > 0)
        memmove(more->input, more->input + count, more->input_count);
    else
        mem_free(&more->input);
}

/* It is there: we saw it. */
static void consume(struct conn *conn, size_t count)
{
    struct row *row = conn_row(conn);
    size_t ours = count < kept(conn) ? count : kept(conn);

    page_add(&row->counts->bytes_in, count);
    if (row->service->log_connections)
        conn->more->bytes_in += count;
    if (ours > 0)
        consume_kept(conn->more, ours);
    count -= ours;
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
    for (int reads = READS; reads > 0 && conn_wants_input(conn); reads--) {
        ssize_t result;
        size_t count = look(conn, &result);

        if (result == -1 && errno != EAGAIN && errno != EINTR) {
            conn_over(conn, USHER_GONE_PEER);
            return;
        }
        if (count <= seen(conn)) {
            if (!look_for_end(conn, result))
                return;
            continue;
        }
        if ((conn->flags & CONN_HEARD) == 0)
            deadline_heard(conn, now_ms);
        deadline_touch(conn, now_ms);
        if (!show(conn, count))
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
    ssize_t result;
    size_t count = look(conn, &result);

    if (row->calls->finished != NULL)
        row->calls->finished(&conn->head, row->flow->buffer, count);
    else
        conn_end(&conn->head);
}
