#include "support/mock_host.h"

#include <assert.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int64_t now_ms; /* of all mocks: mock_start() sets it back */

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
           || mock->handed_to[0] != '\0' || mock->gone_count > 0;
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

static struct mock_watch *find_watch(struct mock *mock, int fd)
{
    for (size_t i = 0; i < MOCK_WATCHES; i++)
        if (mock->watches[i].fd == fd)
            return &mock->watches[i];
    return NULL;
}

static struct mock_watch *change_watch(struct mock *mock, int fd, unsigned what)
{
    struct mock_watch *watch = find_watch(mock, fd);

    if (watch == NULL)
        watch = find_watch(mock, -1);
    assert(watch != NULL);
    memset(watch, 0, sizeof(*watch));
    watch->fd = what != 0 ? fd : -1;
    watch->what = what;
    return watch;
}

static int host_watch(struct usher_conn *conn, int fd, unsigned what,
                      void (*ready)(struct usher_conn *conn, int fd, unsigned what))
{
    change_watch(of_conn(conn), fd, what)->ready = ready;
    return 0;
}

static int host_service_watch(const struct usher_instance *service, int fd, unsigned what,
                              void (*ready)(const struct usher_instance *service, int fd,
                                            unsigned what))
{
    change_watch(of_instance(service), fd, what)->service_ready = ready;
    return 0;
}

static void host_service_timer(const struct usher_instance *service, int64_t after_ms,
                               void (*expired)(const struct usher_instance *service))
{
    of_instance(service)->service_timer_ms = after_ms < 0 ? -1 : after_ms;
    of_instance(service)->service_expired = expired;
}

static void host_address(const struct usher_conn *conn, struct usher_address *out)
{
    *out = of_conn(conn)->peer;
}

static int host_take(struct usher_conn *conn)
{
    struct mock *mock = of_conn(conn);

    if (is_over(mock) || mock->is_kept)
        return -1;
    mock->is_taken = mock->take_fd != -1;
    return mock->take_fd;
}

static void host_done(struct usher_conn *conn)
{
    of_conn(conn)->is_taken = false;
    of_conn(conn)->has_ended = true;
}

static void host_ticket(const struct usher_dgram *dgram, struct usher_ticket *out)
{
    memset(out, 0, sizeof(*out));
    out->size = sizeof(*out);
    out->peer = *dgram->peer;
    out->count = dgram->count;
}

static void host_reply(struct usher_dgram *dgram, const void *bytes, size_t count)
{
    struct mock *mock = of_instance(dgram->service);

    assert(count <= sizeof(mock->reply));
    memcpy(mock->reply, bytes, count);
    mock->reply_count = count;
    mock->replies++;
}

static int host_answer(const struct usher_instance *service, struct usher_ticket *ticket,
                       const void *bytes, size_t count)
{
    struct mock *mock = of_instance(service);
    bool was_used = ticket->is_used;

    ticket->is_used = true;
    if (!mock->does_amplify && (was_used || count > ticket->count))
        return -1;
    assert(count <= sizeof(mock->reply));
    memcpy(mock->reply, bytes, count);
    mock->reply_count = count;
    mock->replies++;
    return 0;
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
    return now_ms;
}

static const char *host_offered(const struct usher_instance *service, size_t index)
{
    const struct mock *mock = of_instance(service);

    for (size_t i = 0; mock->offers != NULL && mock->offers[i] != NULL; i++)
        if (i == index)
            return mock->offers[i];
    return NULL;
}

static int host_hand_over(struct usher_conn *conn, const char *service)
{
    struct mock *mock = of_conn(conn);
    const char *name;

    for (size_t i = 0; (name = host_offered(conn->service, i)) != NULL; i++)
        if (strcasecmp(name, service) == 0 && !is_over(mock)) {
            snprintf(mock->handed_to, sizeof(mock->handed_to), "%s", name);
            return 0;
        }
    return -1;
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
    .hand_over = host_hand_over,
    .offered = host_offered,
    .service_watch = host_service_watch,
    .service_timer = host_service_timer,
    .ticket = host_ticket,
    .answer = host_answer,
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
    return !is_over(mock) && !mock->is_taken && !mock->is_paused && kept(mock) == 0;
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
    else if (mock->handed_to[0] != '\0')
        go(mock, USHER_GONE_HANDED);
    else if (mock->has_ended && kept(mock) == 0)
        go(mock, USHER_GONE_ENDED);
}

/* ---- the test's side ----------------------------------------------------------- */

int mock_start(struct mock *mock, const struct usher_service *service, const void *conf)
{
    memset(mock, 0, sizeof(*mock));
    now_ms = 0;
    mock->service = service;
    mock->window = SIZE_MAX;
    mock->service_timer_ms = mock->take_fd = -1;
    for (size_t i = 0; i < MOCK_WATCHES; i++)
        mock->watches[i].fd = -1;
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
    mock->is_kept = mock->is_paused = mock->is_resumed = mock->is_taken = false;
    mock->has_ended = mock->has_aborted = mock->has_overflowed = false;
    mock->has_peer_finished = mock->was_told = false;
    mock->handed_to[0] = '\0';
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

static void call_ready(struct mock *mock, int fd, unsigned what)
{
    struct mock_watch *watch = find_watch(mock, fd);

    if (watch == NULL)
        return; /* it was dropped meanwhile */
    if (watch->service_ready != NULL)
        watch->service_ready(&mock->instance, fd, what & watch->what);
    else if (!is_over(mock))
        watch->ready(&mock->conn, fd, what & watch->what);
    if (mock->conn.service != NULL)
        settle(mock);
}

static nfds_t list_watches(const struct mock *mock, struct pollfd *out)
{
    nfds_t count = 0;

    for (size_t i = 0; i < MOCK_WATCHES; i++) {
        const struct mock_watch *watch = &mock->watches[i];

        if (watch->fd != -1)
            out[count++] = (struct pollfd){
                .fd = watch->fd,
                .events = (short)(((watch->what & 1) != 0 ? POLLIN : 0) |
                                  ((watch->what & 2) != 0 ? POLLOUT : 0)),
            };
    }
    return count;
}

int mock_turn(struct mock *mock, int ms)
{
    struct pollfd all[MOCK_WATCHES];
    nfds_t count = list_watches(mock, all);
    bool is_timed = mock->service_timer_ms >= 0 && mock->service_timer_ms <= ms;
    int ready = poll(all, count, is_timed ? (int)mock->service_timer_ms : ms);

    for (nfds_t i = 0; i < count; i++)
        if (all[i].revents != 0)
            call_ready(
                mock, all[i].fd,
                ((all[i].revents & (POLLIN | POLLHUP | POLLERR)) != 0 ? 1u : 0u) |
                    ((all[i].revents & (POLLOUT | POLLHUP | POLLERR)) != 0 ? 2u : 0u));
    if (ready == 0 && is_timed)
        mock_expire_service(mock);
    return ready;
}

void mock_expire_service(struct mock *mock)
{
    assert(mock->service_timer_ms >= 0);
    now_ms += mock->service_timer_ms;
    mock->service_timer_ms = -1;
    mock->service_expired(&mock->instance);
    if (mock->conn.service != NULL)
        settle(mock);
}

bool mock_is_gone(const struct mock *mock)
{
    return mock->gone_count > 0;
}

void mock_datagram(struct mock *mock, const void *bytes, size_t count)
{
    struct usher_dgram dgram = {
        .size = sizeof(dgram),
        .service = &mock->instance,
        .bytes = bytes,
        .count = count,
        .peer = &mock->peer,
    };

    mock->replies = 0;
    mock->reply_count = 0;
    mock->service->datagram(&dgram);
}
