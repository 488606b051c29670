#include "visit.h"

#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "engine.h"

#define SLOW 16384  /* bytes a second that somebody reads at least */
#define LOOKS 8     /* in the time that an answer may stand still */
#define REST_MS 50  /* who says nothing for so long may have finished */
#define AGAIN_MS 10000 /* and is asked again, where no time ends a request */
#define DRAINS 128  /* reads; more than a socket holds */

static int64_t timeout_of(const struct visit *visit)
{
    const struct http_conf *conf = visit->conn->service->conf;

    return conf->timeout;
}

static void set_timer(const struct visit *visit, int64_t after_ms,
                      void (*expired)(struct usher_conn *conn))
{
    visit->conn->service->host->timer(visit->conn, after_ms, expired);
}

/* The library sees the end and closes. */
static void close_now(const struct visit *visit)
{
    shutdown(visit->fd, SHUT_RDWR);
}

/* ---- the answer -------------------------------------------------------------------- */

static bool is_unsent(const struct visit *visit)
{
    int count = 0;

    return ioctl(visit->fd, SIOCOUTQ, &count) == 0 && count > 0;
}

/* Another number, whenever the client took something; of TCP, how many bytes it took. */
static uint64_t taken(const struct visit *visit, bool *is_count)
{
    struct tcp_info info;
    socklen_t length = sizeof(info);
    int count = 0;

    *is_count = getsockopt(visit->fd, IPPROTO_TCP, TCP_INFO, &info, &length) == 0 &&
                length >= offsetof(struct tcp_info, tcpi_bytes_acked) +
                          sizeof(info.tcpi_bytes_acked);
    if (*is_count)
        return info.tcpi_bytes_acked;
    ioctl(visit->fd, SIOCOUTQ, &count);
    return (uint64_t)count;
}

/* A whole answer is the kernel's to deliver; of a part, nobody needs the rest. */
static void give_up(const struct visit *visit)
{
    struct linger at_once = { .l_onoff = 1, .l_linger = 0 };

    if (!visit->is_written)
        setsockopt(visit->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    close_now(visit);
}

static void look(struct usher_conn *conn);

static void look_later(const struct visit *visit)
{
    int64_t timeout = timeout_of(visit);

    set_timer(visit, timeout >= 0 ? timeout / LOOKS : -1, look);
}

/* A client's kernel takes megabytes at once, and then hides what the client reads of them
 * until a good part is free. So for as long as reading them may last, nobody stands
 * still; unless it took all there was, because the file ends before its answer does. */
static bool is_still(struct visit *visit)
{
    bool is_count;
    uint64_t now = taken(visit, &is_count);
    uint64_t read = (uint64_t)timeout_of(visit) / LOOKS * SLOW / 1000;
    bool has_moved = now != visit->taken;

    if (is_count && now > visit->taken)
        visit->ahead += now - visit->taken;
    visit->taken = now;
    if (!has_moved && (visit->ahead == 0 || !is_unsent(visit)))
        return true;
    visit->ahead -= visit->ahead < read ? visit->ahead : read;
    return false;
}

static void look(struct usher_conn *conn)
{
    struct visit *visit = conn->mine;

    visit->still = is_still(visit) ? visit->still + 1 : 0;
    if (visit->still >= LOOKS)
        give_up(visit);
    else if (visit->is_written && !is_unsent(visit))
        visit_await(visit);
    else
        look_later(visit);
}

static void begin_to_look(struct visit *visit, bool is_written)
{
    visit->is_written = is_written;
    visit->still = 0;
    look_later(visit);
}

void visit_answer(struct visit *visit)
{
    begin_to_look(visit, false);
}

/* ---- the request ------------------------------------------------------------------- */

static void too_slow(struct usher_conn *conn)
{
    struct visit *visit = conn->mine;

    if (is_unsent(visit))
        begin_to_look(visit, true);
    else
        close_now(visit);
}

/* Nothing can come any more, and nothing is left of what came. */
static bool is_finished(const struct visit *visit)
{
    struct pollfd what = { .fd = visit->fd, .events = POLLRDHUP };
    int count = 0;

    return poll(&what, 1, 0) == 1 && ioctl(visit->fd, FIONREAD, &count) == 0 &&
           count == 0;
}

/* The library reads as often as it is told to: it misses an end that came together with
 * the request. */
static void look_for_end(struct usher_conn *conn)
{
    struct visit *visit = conn->mine;
    int64_t timeout = timeout_of(visit);

    if (!is_finished(visit) && timeout < 0)
        set_timer(visit, AGAIN_MS, look_for_end);
    else if (!is_finished(visit))
        set_timer(visit, timeout - REST_MS, too_slow);
    else if (engine_is_busy(conn->service->state))
        set_timer(visit, REST_MS, look_for_end);
    else
        close_now(visit); /* the kernel has the answers, and delivers them */
}

void visit_await(struct visit *visit)
{
    set_timer(visit, REST_MS, look_for_end);
}

/* ---- the end ----------------------------------------------------------------------- */

/* Bytes that nobody has read turn a close into a reset, which takes from the client what
 * it has not read yet: the end of the answer to its last request. */
void visit_leave(const struct visit *visit)
{
    static char unread[65536];

    for (int left = DRAINS; left > 0; left--)
        if (recv(visit->fd, unread, sizeof(unread), MSG_DONTWAIT) <= 0)
            return;
}
