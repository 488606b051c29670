#include "talk.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>

#define LEFTOVER_MAX (1024 * 1024) /* more than this nobody sends in good faith */

static int64_t now_ms(const struct usher_run *run)
{
    return run->service->host->clock_ms();
}

/* Waits until the socket can be read or written; false: the deadline came first. */
static bool wait_ready(const struct usher_run *run, short events, int64_t deadline)
{
    struct pollfd one = { .fd = run->fd, .events = events };

    for (;;) {
        int64_t left = deadline - now_ms(run);
        int ready;

        if (left <= 0)
            return false;
        ready = poll(&one, 1, left < INT_MAX ? (int)left : INT_MAX);
        if (ready > 0)
            return true;
        if (ready == -1 && errno != EINTR)
            return false;
    }
}

/* -1: nothing more will come; 0: try again. */
static ssize_t hear_some(const struct usher_run *run, char *to, size_t room,
                         int64_t deadline)
{
    ssize_t count;

    if (!wait_ready(run, POLLIN, deadline))
        return -1;
    count = recv(run->fd, to, room, MSG_DONTWAIT);
    if (count > 0)
        return count;
    return count == -1 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}

int talk_hear(struct usher_run *run, struct finger_query *out)
{
    int64_t deadline = now_ms(run) + TALK_QUERY_MS;
    char bytes[FINGER_QUERY_MAX];
    size_t count = 0;

    do {
        ssize_t part = hear_some(run, bytes + count, sizeof(bytes) - count, deadline);

        if (part == -1)
            return -1;
        count += (size_t)part;
    } while (!finger_query_parse(bytes, count, out));
    return 0;
}

static void let_peer_end(struct usher_run *run)
{
    int64_t deadline = now_ms(run) + TALK_END_MS;
    char bytes[4096];
    ssize_t part;
    size_t count = 0;

    if (shutdown(run->fd, SHUT_WR) == -1)
        return;
    while (count < LEFTOVER_MAX &&
           (part = hear_some(run, bytes, sizeof(bytes), deadline)) >= 0)
        count += (size_t)part;
}

int talk_say(struct usher_run *run, const char *bytes, size_t count)
{
    int64_t deadline = now_ms(run) + TALK_ANSWER_MS;

    for (size_t sent = 0; sent < count;) {
        ssize_t part;

        if (!wait_ready(run, POLLOUT, deadline))
            return -1;
        part = send(run->fd, bytes + sent, count - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (part == -1 && errno != EAGAIN && errno != EINTR)
            return -1;
        sent += part > 0 ? (size_t)part : 0;
    }
    let_peer_end(run);
    return 0;
}
