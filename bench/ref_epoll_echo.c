/*
 * The bare TCP echo: one epoll set, level-triggered, one buffer for all connections. A
 * connection costs no memory here until a write could not be finished; then the rest is
 * kept and reading stops until it is out.
 *
 * It reads right after accept: with a peer that speaks first the bytes are usually
 * there.
 */
#include "ref.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS 256
#define ACCEPT_BUDGET 64

struct rest {
    size_t at;
    size_t size;
    char bytes[];
};

static char buffer[65536];
static struct rest **rests; /* by descriptor; NULL: nothing is waiting */
static int epoll_fd;

static void watch(int op, int fd, uint32_t events)
{
    struct epoll_event event = { .events = events, .data.fd = fd };

    if (epoll_ctl(epoll_fd, op, fd, &event) == -1)
        ref_die("epoll_ctl");
}

static void hang_up(int fd)
{
    free(rests[fd]);
    rests[fd] = NULL;
    close(fd);
}

static void keep_rest(int fd, const char *bytes, size_t size)
{
    struct rest *rest = malloc(sizeof(*rest) + size);

    if (rest == NULL)
        ref_die("malloc");
    rest->at = 0;
    rest->size = size;
    memcpy(rest->bytes, bytes, size);
    rests[fd] = rest;
}

/* One read and its answer. False: the connection is over and closed. */
static bool echo_once(int fd)
{
    ssize_t got = recv(fd, buffer, sizeof(buffer), 0);
    ssize_t sent;

    if (got == -1 && errno == EAGAIN)
        return true;
    if (got <= 0) {
        hang_up(fd);
        return false;
    }
    sent = send(fd, buffer, (size_t)got, MSG_NOSIGNAL);
    if (sent == -1 && errno == EAGAIN)
        sent = 0;
    if (sent == -1) {
        hang_up(fd);
        return false;
    }
    if (sent < got)
        keep_rest(fd, buffer + sent, (size_t)(got - sent));
    return true;
}

static void send_rest(int fd)
{
    struct rest *rest = rests[fd];
    ssize_t sent = send(fd, rest->bytes + rest->at, rest->size - rest->at, MSG_NOSIGNAL);

    if (sent == -1 && errno == EAGAIN)
        return;
    if (sent == -1) {
        hang_up(fd);
        return;
    }
    rest->at += (size_t)sent;
    if (rest->at < rest->size)
        return;
    free(rest);
    rests[fd] = NULL;
    watch(EPOLL_CTL_MOD, fd, EPOLLIN);
}

static void serve(int fd)
{
    if (rests[fd] != NULL)
        send_rest(fd);
    else if (echo_once(fd) && rests[fd] != NULL)
        watch(EPOLL_CTL_MOD, fd, EPOLLOUT);
}

static void accept_some(int listener)
{
    for (int left = ACCEPT_BUDGET; left > 0; left--) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd == -1 && errno == EAGAIN)
            return;
        if (fd == -1 && errno == ECONNABORTED)
            continue;
        if (fd == -1)
            ref_die("accept");
        if (echo_once(fd))
            watch(EPOLL_CTL_ADD, fd, rests[fd] != NULL ? EPOLLOUT : EPOLLIN);
    }
}

int main(void)
{
    struct epoll_event events[EVENTS];
    struct rlimit files;
    int listener;

    if (getrlimit(RLIMIT_NOFILE, &files) == -1)
        ref_die("getrlimit");
    rests = calloc(files.rlim_cur, sizeof(struct rest *));
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (rests == NULL || epoll_fd == -1)
        ref_die("epoll_create1");
    listener = ref_open(SOCK_STREAM | SOCK_NONBLOCK);
    watch(EPOLL_CTL_ADD, listener, EPOLLIN);
    for (;;) {
        int count = epoll_wait(epoll_fd, events, EVENTS, -1);

        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == listener)
                accept_some(listener);
            else
                serve(events[i].data.fd);
        }
    }
}
