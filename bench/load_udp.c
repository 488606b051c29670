/*
 * udp-echo: at_once datagrams outstanding on one connected socket. Datagram number n
 * belongs to slot n modulo at_once; the slot's next one is n + at_once. What has not
 * come back after half a second is lost; if it comes later still, it was late.
 */
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define BATCH 64
#define RECEIVE_BUFFER (4 * 1024 * 1024)
#define LOST_AFTER_NS 500000000ull

struct slot {
    uint64_t number;
    uint64_t sent_ns;
    bool is_waiting;
};

struct run {
    const struct load_options *options;
    struct load_result *result;
    struct slot *slots;
    int fd;
    unsigned waiting;
    uint64_t started_ops;
    unsigned queued; /* filled entries of `out` */
    struct mmsghdr in[BATCH], out[BATCH];
    struct iovec in_parts[BATCH], out_parts[BATCH];
    char in_bytes[BATCH][LOAD_MAX_MESSAGE], out_bytes[BATCH][LOAD_MAX_MESSAGE];
};

static void open_socket(struct run *run)
{
    struct sockaddr_in source = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    const int buffer = RECEIVE_BUFFER;

    run->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (run->fd == -1 || bind(run->fd, (struct sockaddr *)&source, sizeof(source)) == -1
        || connect(run->fd, (const struct sockaddr *)&run->options->server,
                   sizeof(run->options->server)) == -1)
        load_die("udp socket");
    setsockopt(run->fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer));
}

static void prepare(struct run *run)
{
    for (unsigned i = 0; i < BATCH; i++) {
        run->in_parts[i] = (struct iovec){ run->in_bytes[i], LOAD_MAX_MESSAGE };
        run->out_parts[i] = (struct iovec){ run->out_bytes[i], run->options->size };
        run->in[i].msg_hdr.msg_iov = &run->in_parts[i];
        run->in[i].msg_hdr.msg_iovlen = 1;
        run->out[i].msg_hdr.msg_iov = &run->out_parts[i];
        run->out[i].msg_hdr.msg_iovlen = 1;
    }
}

static void flush(struct run *run)
{
    for (unsigned at = 0; at < run->queued;) {
        int sent = sendmmsg(run->fd, run->out + at, run->queued - at, 0);

        if (sent == -1) {
            load_count_errno(run->result, errno); /* its slot will expire as well */
            sent = 1;
        }
        at += (unsigned)sent;
    }
    run->queued = 0;
}

static void ask(struct run *run, unsigned at, uint64_t now)
{
    struct slot *slot = &run->slots[at];

    if (run->queued == BATCH)
        flush(run);
    slot->number += run->options->at_once;
    slot->sent_ns = now;
    slot->is_waiting = true;
    run->waiting++;
    run->started_ops++;
    load_fill(run->out_bytes[run->queued++], run->options->size, slot->number);
}

/* Every slot at rest asks again, unless the run is over. */
static void ask_all(struct run *run)
{
    uint64_t now = load_now_ns();

    for (unsigned i = 0; i < run->options->at_once; i++)
        if (!run->slots[i].is_waiting
            && !load_is_over(run->options, run->result, run->started_ops))
            ask(run, i, now);
    flush(run);
}

static struct slot *take(struct run *run, const char *bytes, size_t size)
{
    struct slot *slot;
    uint64_t number;

    if (size != run->options->size) {
        run->result->wrong++;
        return NULL;
    }
    memcpy(&number, bytes, sizeof(number));
    slot = &run->slots[number % run->options->at_once];
    if (!load_matches(bytes, size, number)) {
        run->result->wrong++;
        return NULL;
    }
    if (!slot->is_waiting || slot->number != number) {
        run->result->late++;
        return NULL;
    }
    return slot;
}

static void hear(struct run *run, unsigned count)
{
    uint64_t now = load_now_ns();
    bool is_over = load_is_over(run->options, run->result, run->started_ops);

    for (unsigned i = 0; i < count; i++) {
        struct slot *slot = take(run, run->in_bytes[i], run->in[i].msg_len);

        if (slot == NULL)
            continue;
        slot->is_waiting = false;
        run->waiting--;
        run->result->ops++;
        run->result->bytes += run->options->size;
        load_note_latency(run->result, now - slot->sent_ns);
        if (!is_over && run->started_ops < run->options->count)
            ask(run, (unsigned)(slot - run->slots), now);
    }
    flush(run);
}

static void expire(struct run *run)
{
    uint64_t now = load_now_ns();

    for (unsigned i = 0; i < run->options->at_once; i++)
        if (run->slots[i].is_waiting && now - run->slots[i].sent_ns > LOST_AFTER_NS) {
            run->slots[i].is_waiting = false;
            run->waiting--;
            run->result->lost++;
        }
    ask_all(run);
}

static void turn(struct run *run)
{
    struct pollfd ready = { .fd = run->fd, .events = POLLIN };
    int count = recvmmsg(run->fd, run->in, BATCH, MSG_DONTWAIT, NULL);

    if (count > 0)
        hear(run, (unsigned)count);
    else if (errno != EAGAIN)
        load_count_errno(run->result, errno);
    else if (poll(&ready, 1, LOAD_TICK_MS) == 0)
        expire(run);
}

void load_udp_echo(const struct load_options *options, struct load_result *result)
{
    struct run *run = load_alloc(1, sizeof(*run));

    run->options = options;
    run->result = result;
    run->slots = load_alloc(options->at_once, sizeof(struct slot));
    for (unsigned i = 0; i < options->at_once; i++)
        run->slots[i].number = i;
    open_socket(run);
    prepare(run);
    load_start(options, result);
    ask_all(run);
    while (run->waiting > 0)
        turn(run);
    load_finish(result);
    close(run->fd);
    free(run->slots);
    free(run);
}
