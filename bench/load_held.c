/*
 * The modes that hold connections: ping-pong and idle. All are opened first, one after
 * the other, and each must answer once before the clock starts.
 *
 * ping-pong: at_once messages are in flight, and the next one always goes to another
 * connection, in an order that visits all of them: so 10 000 connections are 10 000
 * that are used, not 64 that are used and 9 936 that are only there.
 */
#include "load.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define EVENTS 256
#define STRIDE 7919 /* a prime, so that neighbours in time are not neighbours in memory */

struct held {
    int fd; /* -1: given up */
    bool is_waiting;
    size_t got;
    uint64_t number;
    uint64_t sent_ns;
    char answer[LOAD_MAX_MESSAGE];
};

struct run {
    const struct load_options *options;
    struct load_result *result;
    struct held *all;
    int epoll_fd;
    unsigned cursor;
    unsigned open;
    unsigned in_flight;
    uint64_t started_ops;
};

/* Blocking, within the socket's deadlines. False: counted, and the socket is closed. */
static bool answers_once(struct run *run, struct held *held)
{
    size_t size = run->options->size;
    char message[LOAD_MAX_MESSAGE];
    ssize_t got;

    load_fill(message, size, held->number);
    got = send(held->fd, message, size, MSG_NOSIGNAL);
    if (got == (ssize_t)size)
        got = recv(held->fd, held->answer, size, MSG_WAITALL);
    if (got == (ssize_t)size && load_matches(held->answer, size, held->number))
        return true;
    if (got == -1)
        load_count_errno(run->result, errno);
    else if (got < (ssize_t)size)
        run->result->early_eof++;
    else
        run->result->wrong++;
    close(held->fd);
    held->fd = -1;
    return false;
}

static bool open_one(struct run *run, struct held *held)
{
    const struct timeval patience = { .tv_sec = LOAD_PATIENCE_NS / 1000000000u };

    held->fd = load_connect(run->options, 0);
    if (held->fd == -1) {
        load_count_errno(run->result, errno);
        return false;
    }
    setsockopt(held->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    setsockopt(held->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    if (!answers_once(run, held))
        return false;
    if (fcntl(held->fd, F_SETFL, O_NONBLOCK) == -1)
        load_die("fcntl");
    return true;
}

static void open_all(struct run *run)
{
    unsigned count = run->options->connections;

    run->all = load_alloc(count, sizeof(struct held));
    run->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (run->epoll_fd == -1)
        load_die("epoll_create1");
    for (unsigned i = 0; i < count; i++) {
        struct held *held = &run->all[i];
        struct epoll_event event = { .events = EPOLLIN, .data.ptr = held };

        held->fd = -1;
        held->number = i;
        if (load_failures(run->result) > LOAD_MAX_FAILURES || !open_one(run, held))
            continue;
        if (epoll_ctl(run->epoll_fd, EPOLL_CTL_ADD, held->fd, &event) == -1)
            load_die("epoll_ctl");
        run->open++;
    }
}

static void give_up(struct run *run, struct held *held)
{
    close(held->fd);
    held->fd = -1;
    run->open--;
    if (held->is_waiting)
        run->in_flight--;
    held->is_waiting = false;
}

static void ping(struct run *run, struct held *held)
{
    size_t size = run->options->size;
    char message[LOAD_MAX_MESSAGE];

    held->number = run->options->connections + run->started_ops++;
    held->got = 0;
    held->is_waiting = true;
    run->in_flight++;
    load_fill(message, size, held->number);
    held->sent_ns = load_now_ns();
    if (send(held->fd, message, size, MSG_NOSIGNAL) == (ssize_t)size)
        return;
    load_count_errno(run->result, errno);
    give_up(run, held);
}

/* The next connection in turn that has nothing in flight, or NULL. */
static struct held *next_free(struct run *run)
{
    unsigned count = run->options->connections;

    for (unsigned tries = 0; tries < count; tries++) {
        struct held *held = &run->all[run->cursor];

        run->cursor = (unsigned)((run->cursor + (uint64_t)STRIDE) % count);
        if (held->fd != -1 && !held->is_waiting)
            return held;
    }
    return NULL;
}

static void keep_in_flight(struct run *run)
{
    while (run->in_flight < run->options->at_once
           && !load_is_over(run->options, run->result, run->started_ops)) {
        struct held *held = next_free(run);

        if (held == NULL)
            return;
        ping(run, held);
    }
}

static void pong(struct run *run, struct held *held)
{
    size_t size = run->options->size;

    held->is_waiting = false;
    run->in_flight--;
    if (!load_matches(held->answer, size, held->number)) {
        run->result->wrong++;
        give_up(run, held);
        return;
    }
    run->result->ops++;
    run->result->bytes += size;
    load_note_latency(run->result, load_now_ns() - held->sent_ns);
}

static void hear(struct run *run, struct held *held)
{
    ssize_t got = recv(held->fd, held->answer + held->got,
                       sizeof(held->answer) - held->got, 0);

    if (got == -1 && errno == EAGAIN)
        return;
    if (got <= 0) {
        if (got == 0)
            run->result->early_eof++;
        else
            load_count_errno(run->result, errno);
        give_up(run, held);
        return;
    }
    held->got += (size_t)got;
    if (!held->is_waiting || held->got > run->options->size) {
        run->result->wrong++;
        give_up(run, held);
    } else if (held->got == run->options->size)
        pong(run, held);
}

static void expire(struct run *run)
{
    uint64_t now = load_now_ns();

    for (unsigned i = 0; i < run->options->connections; i++) {
        struct held *held = &run->all[i];

        if (held->is_waiting && now - held->sent_ns > LOAD_PATIENCE_NS) {
            run->result->timed_out++;
            give_up(run, held);
        }
    }
}

static void turn(struct run *run)
{
    struct epoll_event events[EVENTS];
    int count = epoll_wait(run->epoll_fd, events, EVENTS, LOAD_TICK_MS);

    for (int i = 0; i < count; i++) {
        hear(run, events[i].data.ptr);
        keep_in_flight(run);
    }
    if (count == 0)
        expire(run);
}

/* The connections stay open: they end with the process, after the result was read. */
void load_ping_pong(const struct load_options *options, struct load_result *result)
{
    struct run run = { .options = options, .result = result };

    open_all(&run);
    load_start(options, result);
    keep_in_flight(&run);
    while (run.in_flight > 0)
        turn(&run);
    load_finish(result);
    close(run.epoll_fd);
    free(run.all);
}

/* ops is how many connections stand and have answered. */
void load_idle(const struct load_options *options, struct load_result *result)
{
    struct run run = { .options = options, .result = result };

    load_start(options, result);
    open_all(&run);
    load_finish(result);
    result->ops = run.open;
    result->bytes = (uint64_t)run.open * options->size;
    close(run.epoll_fd);
    free(run.all);
}
