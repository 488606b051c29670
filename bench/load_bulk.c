/*
 * bulk: one connection, MiB after MiB out and the same bytes back, never more than fits
 * into the sockets' buffers; at the end our side is closed first and the rest must
 * still come. An operation is one MiB.
 */
#include "load.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MIB (1024u * 1024u)
#define PIECE 65536
#define PERIOD 65521 /* a prime below PIECE: a lost or doubled buffer cannot go unseen */

struct run {
    const struct load_options *options;
    struct load_result *result;
    int fd;
    bool is_finished;    /* our side is closed */
    uint64_t sent, heard; /* bytes */
    char pattern[PERIOD + PIECE];
    char answer[PIECE];
};

static void speak(struct run *run)
{
    uint64_t of_this = MIB - run->sent % MIB;
    size_t size = of_this < PIECE ? (size_t)of_this : PIECE;
    ssize_t sent;

    if (run->sent % MIB == 0
        && load_is_over(run->options, run->result, run->sent / MIB)) {
        shutdown(run->fd, SHUT_WR);
        run->is_finished = true;
        return;
    }
    sent = send(run->fd, run->pattern + run->sent % PERIOD, size, MSG_NOSIGNAL);
    if (sent > 0)
        run->sent += (uint64_t)sent;
}

/* False: nothing more will come. */
static bool hear(struct run *run)
{
    ssize_t got = recv(run->fd, run->answer, sizeof(run->answer), 0);

    if (got == -1 && errno == EAGAIN)
        return true;
    if (got == -1)
        load_count_errno(run->result, errno);
    else if (got == 0 && (run->heard < run->sent || !run->is_finished))
        run->result->early_eof++;
    if (got <= 0)
        return false;
    if (memcmp(run->answer, run->pattern + run->heard % PERIOD, (size_t)got) != 0) {
        run->result->wrong++;
        return false;
    }
    run->heard += (uint64_t)got;
    return true;
}

static void exchange(struct run *run)
{
    bool goes_on = true;

    while (goes_on) {
        short wanted = run->is_finished ? POLLIN : POLLIN | POLLOUT;
        struct pollfd ready = { .fd = run->fd, .events = wanted };

        if (poll(&ready, 1, (int)(LOAD_PATIENCE_NS / 1000000)) == 0) {
            run->result->timed_out++;
            return;
        }
        if (ready.revents & (POLLIN | POLLERR | POLLHUP))
            goes_on = hear(run);
        if (goes_on && (ready.revents & POLLOUT))
            speak(run);
    }
}

void load_bulk(const struct load_options *options, struct load_result *result)
{
    struct run *run = load_alloc(1, sizeof(*run));

    run->options = options;
    run->result = result;
    load_fill(run->pattern, PERIOD, 1);
    for (size_t i = PERIOD; i < sizeof(run->pattern); i++)
        run->pattern[i] = run->pattern[i - PERIOD];
    run->fd = load_connect(options, SOCK_NONBLOCK);
    if (run->fd == -1)
        load_die("connect");
    load_start(options, result);
    exchange(run);
    load_finish(result);
    result->bytes = run->heard;
    result->ops = run->heard / MIB;
    close(run->fd);
    free(run);
}
