#include "flow/queue.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/fd.h"

union stamp {
    struct cmsghdr header; /* for its alignment */
    char bytes[256];       /* packet info may come too */
};

static int64_t find_stamp(struct msghdr *message)
{
    struct timespec at;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL;
         c = CMSG_NXTHDR(message, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
            memcpy(&at, CMSG_DATA(c), sizeof(at));
            return (int64_t)at.tv_sec * 1000000000 + at.tv_nsec;
        }
    return 0;
}

/* The stamp is made at the first look and stays with the datagram; a program that
 * receives it does not see it, since it is asked for during the look only. */
static struct queue_mark look_at_datagram(int fd)
{
    struct queue_mark mark = { .is_empty = true };
    union stamp control;
    char byte;
    struct iovec iov = { &byte, 1 };
    struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
                              .msg_controllen = sizeof(control) };
    int on = 1, off = 0;
    ssize_t count;

    setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on));
    count = recvmsg(fd, &message, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT);
    if (count >= 0) {
        mark.is_empty = false;
        mark.length = count;
        mark.stamp = find_stamp(&message);
    }
    setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &off, sizeof(off));
    return mark;
}

static struct queue_mark look_at_stream(int fd)
{
    struct pollfd ready = { .fd = fd, .events = POLLIN };
    struct queue_mark mark = { .is_empty = poll(&ready, 1, 0) <= 0, .length = 1 };
    struct tcp_info info;
    socklen_t length = sizeof(info);

    /* Of a listening socket this is the number of callers that nobody has accepted. */
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) == 0)
        mark.length = info.tcpi_unacked;
    return mark;
}

struct queue_mark queue_look(int fd, bool is_stream)
{
    return is_stream ? look_at_stream(fd) : look_at_datagram(fd);
}

bool queue_is_same(struct queue_mark before, struct queue_mark now, bool is_stream)
{
    if (before.is_empty || now.is_empty)
        return false;
    if (is_stream)
        return now.length >= before.length;
    return now.stamp == before.stamp && now.length == before.length;
}

void queue_drop_first(int fd, bool is_stream)
{
    char byte;
    int caller;

    if (!is_stream) {
        (void)!recv(fd, &byte, sizeof(byte), MSG_DONTWAIT);
        return;
    }
    caller = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
    fd_close(&caller);
}

bool queue_is_shut(int fd)
{
    struct pollfd ready = { .fd = fd, .events = POLLRDHUP };

    return poll(&ready, 1, 0) == 1 && (ready.revents & (POLLRDHUP | POLLHUP)) != 0;
}
