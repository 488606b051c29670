/*
 * Connections. What the target does not take stays with the host, which reads no more
 * meanwhile; what the caller does not take stays there too, and the target is not read.
 * When the target has finished first, the caller's descriptor is taken over: only so can
 * our side be closed while the caller goes on.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "redirect.h"

#define REST_MS 300000 /* for a caller that was taken over and says nothing */
#define LOOK_MS 1000   /* between looks at one who has to wait */

static char bytes_of_a_read[REDIRECT_READ]; /* one thread, one read at a time */

static struct stream *stream_of(const struct usher_conn *conn)
{
    return conn->mine;
}

static const struct usher_host *host_of(const struct usher_conn *conn)
{
    return conn->service->host;
}

static void target_ready(struct usher_conn *conn, int fd, unsigned what);

/* ---- the end ----------------------------------------------------------------------- */

static void reset_on_close(int fd)
{
    struct linger at_once = { .l_onoff = 1, .l_linger = 0 };

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
}

static void close_target(struct usher_conn *conn, bool is_reset)
{
    struct stream *stream = stream_of(conn);

    if (stream->target == -1)
        return;
    host_of(conn)->watch(conn, stream->target, 0, target_ready);
    if (is_reset)
        reset_on_close(stream->target);
    close(stream->target);
    stream->target = -1;
}

/* One that was taken over. */
static void close_caller(struct usher_conn *conn, bool is_reset)
{
    const struct stream *stream = stream_of(conn);

    host_of(conn)->watch(conn, stream->caller, 0, target_ready);
    if (is_reset)
        reset_on_close(stream->caller);
    close(stream->caller);
    host_of(conn)->done(conn);
}

/* Something broke: both sides see a reset, as they would without us between them. */
static void break_off(struct usher_conn *conn)
{
    struct stream *stream = stream_of(conn);

    if (stream->is_over)
        return;
    stream->is_over = true;
    close_target(conn, true);
    if (stream->caller == -1)
        usher_abort(conn);
    else
        close_caller(conn, true);
}

static void end_well(struct usher_conn *conn)
{
    struct stream *stream = stream_of(conn);

    if (stream->is_over)
        return;
    stream->is_over = true;
    close_target(conn, false);
    if (stream->caller == -1)
        usher_end(conn);
    else
        close_caller(conn, false);
}

/* ---- watching ---------------------------------------------------------------------- */

static void watch_target(struct usher_conn *conn)
{
    const struct stream *stream = stream_of(conn);
    unsigned what = 0;

    if (stream->is_over)
        return;
    if (!stream->is_connected || stream->is_blocked)
        what |= 2;
    if (stream->is_connected && !stream->target_done && !stream->is_full)
        what |= 1;
    if (host_of(conn)->watch(conn, stream->target, what, target_ready) == -1)
        break_off(conn);
}

/* ---- a caller that was taken over -------------------------------------------------- */

static void rested_too_long(struct usher_conn *conn)
{
    break_off(conn);
}

/* The host has shut it down, for its time is over or the daemon drains. Where the caller
 * has finished, the connection is in another state. */
static bool is_cut_off(int fd)
{
    struct pollfd what = { .fd = fd };
    struct tcp_info info;
    socklen_t length = sizeof(info);

    return poll(&what, 1, 0) == 1 &&
           getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) == 0 &&
           (info.tcpi_state == TCP_FIN_WAIT1 || info.tcpi_state == TCP_FIN_WAIT2);
}

/* While the target takes nothing, nobody tells us of the caller. */
static void look_at_caller(struct usher_conn *conn)
{
    struct stream *stream = stream_of(conn);

    if (is_cut_off(stream->caller) || ++stream->looks >= REST_MS / LOOK_MS)
        break_off(conn);
    else
        host_of(conn)->timer(conn, LOOK_MS, look_at_caller);
}

/* Reads no more than the target takes: what it does not take stays in the socket. */
static void caller_ready(struct usher_conn *conn, int fd, unsigned what)
{
    struct stream *stream = stream_of(conn);
    ssize_t count =
        recv(fd, bytes_of_a_read, sizeof(bytes_of_a_read), MSG_PEEK | MSG_DONTWAIT);
    ssize_t sent = 0;

    (void)what;
    if (count == -1 && (errno == EAGAIN || errno == EINTR))
        return;
    if (count == 0 && !is_cut_off(fd)) {
        end_well(conn);
        return;
    }
    if (count > 0)
        sent = send(stream->target, bytes_of_a_read, (size_t)count,
                    MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count <= 0 || (sent == -1 && errno != EAGAIN && errno != EINTR)) {
        break_off(conn);
        return;
    }
    host_of(conn)->timer(conn, REST_MS, rested_too_long);
    if (sent > 0)
        (void)!recv(fd, bytes_of_a_read, (size_t)sent, MSG_DONTWAIT);
    if (sent < count) {
        stream->is_blocked = true;
        stream->looks = 0;
        host_of(conn)->timer(conn, LOOK_MS, look_at_caller);
        host_of(conn)->watch(conn, fd, 0, caller_ready);
        watch_target(conn);
    }
}

/* The target sends no more. As long as the host keeps bytes of either side it has to
 * wait. */
static void close_our_side(struct usher_conn *conn)
{
    struct stream *stream = stream_of(conn);

    if (!stream->target_done || stream->caller != -1 || stream->is_owed ||
        stream->is_over)
        return;
    if (stream->caller_done) {
        end_well(conn);
        return;
    }
    stream->caller = host_of(conn)->take(conn);
    if (stream->caller == -1)
        return; /* drained() comes */
    shutdown(stream->caller, SHUT_WR);
    host_of(conn)->timer(conn, REST_MS, rested_too_long);
    if (host_of(conn)->watch(conn, stream->caller, 1, caller_ready) == -1)
        break_off(conn);
}

/* ---- the target -------------------------------------------------------------------- */

static void connected(struct usher_conn *conn)
{
    struct stream *stream = stream_of(conn);
    int code = 0;
    socklen_t length = sizeof(code);

    getsockopt(stream->target, SOL_SOCKET, SO_ERROR, &code, &length);
    if (code != 0) {
        errno = code;
        usher_log(conn->service, USHER_INFO, "fail target error=\"%m\"");
        break_off(conn);
        return;
    }
    stream->is_connected = true;
    host_of(conn)->timer(conn, -1, rested_too_long);
    usher_resume(conn);
    watch_target(conn);
}

static void read_target(struct usher_conn *conn)
{
    struct stream *stream = stream_of(conn);
    ssize_t count;

    if (usher_room(conn) < sizeof(bytes_of_a_read)) {
        stream->is_full = true; /* until drained() */
        watch_target(conn);
        return;
    }
    count = recv(stream->target, bytes_of_a_read, sizeof(bytes_of_a_read), MSG_DONTWAIT);
    if (count > 0)
        usher_write(conn, bytes_of_a_read, (size_t)count);
    else if (count == -1 && errno != EAGAIN && errno != EINTR)
        break_off(conn);
    else if (count == 0) {
        stream->target_done = true;
        watch_target(conn);
        close_our_side(conn);
    }
}

/* It takes more: the host gives what it kept, or we read on ourselves. */
static void unblock(struct usher_conn *conn)
{
    struct stream *stream = stream_of(conn);

    stream->is_blocked = false;
    watch_target(conn);
    if (stream->caller == -1)
        usher_resume(conn);
    else if (!stream->is_over &&
             host_of(conn)->watch(conn, stream->caller, 1, caller_ready) == -1)
        break_off(conn);
}

static void target_ready(struct usher_conn *conn, int fd, unsigned what)
{
    struct stream *stream = stream_of(conn);

    (void)fd;
    if (!stream->is_connected) {
        connected(conn);
        return;
    }
    if ((what & 2) != 0 && stream->is_blocked)
        unblock(conn);
    if ((what & 1) != 0 && !stream->is_over && !stream->target_done)
        read_target(conn);
}

/* ---- the caller -------------------------------------------------------------------- */

static void connect_too_slow(struct usher_conn *conn)
{
    usher_log(conn->service, USHER_INFO, "fail target error=\"connect_timeout\"");
    break_off(conn);
}

void stream_opened(struct usher_conn *conn)
{
    const struct redirect_conf *conf = conn->service->conf;
    struct stream *stream = stream_of(conn);

    stream->caller = -1;
    stream->target = redirect_connect(conf, SOCK_STREAM);
    if (stream->target == -1) {
        usher_log(conn->service, USHER_INFO, "fail target error=\"%m\"");
        usher_abort(conn);
        return;
    }
    usher_pause(conn);
    host_of(conn)->timer(conn, conf->connect_timeout, connect_too_slow);
    watch_target(conn);
}

size_t stream_data(struct usher_conn *conn, const void *bytes, size_t count)
{
    struct stream *stream = stream_of(conn);
    ssize_t sent = send(stream->target, bytes, count, MSG_NOSIGNAL | MSG_DONTWAIT);

    if (sent == -1 && errno != EAGAIN && errno != EINTR) {
        break_off(conn);
        return count;
    }
    if (sent == -1)
        sent = 0;
    stream->is_owed = stream->is_blocked = (size_t)sent < count;
    if (stream->is_blocked) {
        usher_pause(conn);
        watch_target(conn);
    } else
        close_our_side(conn);
    return (size_t)sent;
}

/* data() has used everything by now: where it cannot, it pauses. */
void stream_finished(struct usher_conn *conn, const void *rest, size_t count)
{
    struct stream *stream = stream_of(conn);

    (void)rest, (void)count;
    stream->caller_done = true;
    shutdown(stream->target, SHUT_WR);
    close_our_side(conn);
}

void stream_drained(struct usher_conn *conn)
{
    struct stream *stream = stream_of(conn);

    if (stream->is_full) {
        stream->is_full = false;
        watch_target(conn);
    }
    close_our_side(conn);
}

void stream_gone(struct usher_conn *conn, enum usher_reason reason)
{
    close_target(conn, reason != USHER_GONE_ENDED);
}
