#include "support/mock_host.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct mock *of_conn(const struct usher_conn *conn)
{
    return (struct mock *)(void *)((char *)(uintptr_t)conn - offsetof(struct mock, conn));
}

static struct mock *of_instance(const struct usher_instance *instance)
{
    return (struct mock *)(void *)((char *)(uintptr_t)instance
                                   - offsetof(struct mock, instance));
}

/* Grows by doubling; a last NUL is there for assert_string_equal(). */
static void append(struct mock_bytes *to, const void *bytes, size_t count)
{
    if (to->count + count + 1 > to->space) {
        to->space = 2 * (to->count + count + 1);
        to->at = realloc(to->at, to->space);
        assert(to->at != NULL);
    }
    memcpy(to->at + to->count, bytes, count);
    to->count += count;
    to->at[to->count] = '\0';
}

static bool is_over(const struct mock *mock)
{
    return mock->has_ended || mock->has_aborted || mock->has_overflowed
           || mock->gone_count > 0;
}

static size_t kept(const struct mock *mock)
{
    return mock->unread > mock->window ? mock->unread - mock->window : 0;
}

/* ---- the host's functions ------------------------------------------------------ */

static size_t host_room(const struct usher_conn *conn)
{
    return MOCK_ROOM - kept(of_conn(conn));
}

static int host_write(struct usher_conn *conn, const void *bytes, size_t count)
{
    struct mock *mock = of_conn(conn);

    if (is_over(mock))
        return -1;
    if (count > host_room(conn)) {
        mock->has_overflowed = true;
        return -1;
    }
    append(&mock->out, bytes, count);
    if (mock->window != SIZE_MAX)
        mock->unread += count;
    mock->is_kept = kept(mock) > 0;
    return 0;
}

static void host_end(struct usher_conn *conn)
{
    of_conn(conn)->has_ended = true;
}

static void host_abort(struct usher_conn *conn)
{
    of_conn(conn)->has_aborted = true;
}

static void host_pause(struct usher_conn *conn)
{
    of_conn(conn)->is_paused = true;
}

static void host_resume(struct usher_conn *conn)
{
    of_conn(conn)->is_resumed = of_conn(conn)->is_paused;
    of_conn(conn)->is_paused = false;
}

static void host_timer(struct usher_conn *conn, int64_t after_ms,
                       void (*expired)(struct usher_conn *conn))
{
    of_conn(conn)->timer_ms = after_ms < 0 ? -1 : after_ms;
    of_conn(conn)->expired = expired;
}

static int host_watch(struct usher_conn *conn, int fd, unsigned what,
                      void (*ready)(struct usher_conn *conn, int fd, unsigned what))
{
    (void)conn, (void)fd, (void)what, (void)ready;
    return -1;
}

static void host_address(const struct usher_conn *conn, struct usher_address *out)
{
    (void)conn;
    memset(out, 0, sizeof(*out));
}

static int host_take(struct usher_conn *conn)
{
    (void)conn;
    return -1;
}

static void host_done(struct usher_conn *conn)
{
    (void)conn;
}

static void host_reply(struct usher_dgram *dgram, const void *bytes, size_t count)
{
    struct mock *mock = of_instance(dgram->service);

    assert(count <= sizeof(mock->reply));
    memcpy(mock->reply, bytes, count);
    mock->reply_count = count;
    mock->replies++;
}

__attribute__((format(printf, 3, 0))) static void
host_log(const struct usher_instance *service, enum usher_level level, const char *format,
         va_list args)
{
    struct mock *mock = of_instance(service);

    mock->logs++;
    mock->log_level = level;
    if (!mock->is_quiet)
        vsnprintf(mock->log, sizeof(mock->log), format, args);
}

static int64_t host_clock_ms(void)
{
    return 0;
}

static const struct usher_host mock_host = {
    .size = sizeof(mock_host),
    .write = host_write,
    .room = host_room,
    .end = host_end,
    .abort = host_abort,
    .pause = host_pause,
    .resume = host_resume,
    .timer = host_timer,
    .watch = host_watch,
    .peer = host_address,
    .local = host_address,
    .take = host_take,
    .done = host_done,
    .reply = host_reply,
    .log = host_log,
    .clock_ms = host_clock_ms,
};

/* ---- what follows from an event ------------------------------------------------ */

static void go(struct mock *mock, enum usher_reason reason)
{
    if (mock->gone_count > 0)
        return;
    mock->gone_count++;
    mock->reason = reason;
    if (mock->service->gone != NULL)
        mock->service->gone(&mock->conn, reason);
}

static void give_data(struct mock *mock)
{
    size_t limit = mock->service->max_input > 0 ? mock->service->max_input : 4096;
    size_t used = mock->in.count;

    if (mock->service->data != NULL)
        used = mock->service->data(&mock->conn, mock->in.at, mock->in.count);
    assert(used <= mock->in.count);
    mock->in.count -= used;
    memmove(mock->in.at, mock->in.at + used, mock->in.count);
    if (used == 0 && mock->in.count >= limit && !mock->is_paused && !is_over(mock))
        go(mock, USHER_GONE_INPUT);
}

static void give_finished(struct mock *mock)
{
    mock->was_told = true;
    if (mock->service->finished != NULL)
        mock->service->finished(&mock->conn, mock->in.at, mock->in.count);
    else
        host_end(&mock->conn);
}

static bool may_give(const struct mock *mock)
{
    return !is_over(mock) && !mock->is_paused && kept(mock) == 0;
}

/* After any callback: drained, resumed, finished and gone, in the order a host has. */
static void settle(struct mock *mock)
{
    if (mock->is_kept && kept(mock) == 0 && !mock->has_aborted && mock->gone_count == 0) {
        mock->is_kept = false;
        if (mock->service->drained != NULL && !mock->has_ended)
            mock->service->drained(&mock->conn);
    }
    while (mock->is_resumed && may_give(mock)) {
        mock->is_resumed = false;
        if (mock->in.count > 0)
            give_data(mock);
    }
    if (mock->has_peer_finished && !mock->was_told && may_give(mock))
        give_finished(mock);
    if (mock->has_overflowed)
        go(mock, USHER_GONE_OUTPUT);
    else if (mock->has_aborted)
        go(mock, USHER_GONE_ABORTED);
    else if (mock->has_ended && kept(mock) == 0)
        go(mock, USHER_GONE_ENDED);
}

/* ---- the test's side ----------------------------------------------------------- */

int mock_start(struct mock *mock, const struct usher_service *service, const void *conf)
{
    memset(mock, 0, sizeof(*mock));
    mock->service = service;
    mock->window = SIZE_MAX;
    mock->instance.size = sizeof(mock->instance);
    mock->instance.host = &mock_host;
    mock->instance.name = service->name;
    mock->instance.conf = conf;
    return service->open != NULL ? service->open(&mock->instance, &mock->instance.state)
                                 : 0;
}

void mock_stop(struct mock *mock)
{
    if (mock->conn.service != NULL)
        go(mock, USHER_GONE_STOPPED);
    if (mock->service->close != NULL)
        mock->service->close(mock->instance.state);
    free(mock->conn.mine);
    free(mock->out.at);
    free(mock->in.at);
}

void mock_connect(struct mock *mock)
{
    size_t size = mock->service->conn_size;

    assert(mock->conn.service == NULL || mock->gone_count == 1);
    free(mock->conn.mine);
    mock->conn.size = sizeof(mock->conn);
    mock->conn.service = &mock->instance;
    mock->conn.mine = calloc(1, size > 0 ? size : 1);
    mock->timer_ms = -1;
    mock->out.count = mock->unread = mock->in.count = 0;
    mock->is_kept = mock->is_paused = mock->is_resumed = false;
    mock->has_ended = mock->has_aborted = mock->has_overflowed = false;
    mock->has_peer_finished = mock->was_told = false;
    mock->gone_count = 0;
    if (mock->service->opened != NULL)
        mock->service->opened(&mock->conn);
    settle(mock);
}

void mock_send(struct mock *mock, const void *bytes, size_t count)
{
    append(&mock->in, bytes, count);
    if (!may_give(mock)) {
        mock->is_resumed = !mock->is_paused; /* waits in the socket's buffer */
        return;
    }
    give_data(mock);
    settle(mock);
}

void mock_read(struct mock *mock, size_t count)
{
    mock->unread -= count < mock->unread ? count : mock->unread;
    settle(mock);
}

void mock_finish(struct mock *mock)
{
    mock->has_peer_finished = true;
    settle(mock);
}

void mock_reset(struct mock *mock)
{
    go(mock, USHER_GONE_PEER);
}

void mock_expire(struct mock *mock)
{
    assert(mock->timer_ms >= 0);
    mock->timer_ms = -1;
    mock->expired(&mock->conn);
    settle(mock);
}

bool mock_is_gone(const struct mock *mock)
{
    return mock->gone_count > 0;
}

void mock_datagram(struct mock *mock, const void *bytes, size_t count)
{
    static const struct usher_address peer;
    struct usher_dgram dgram = {
        .size = sizeof(dgram),
        .service = &mock->instance,
        .bytes = bytes,
        .count = count,
        .peer = &peer,
    };

    mock->replies = 0;
    mock->reply_count = 0;
    mock->service->datagram(&dgram);
}
