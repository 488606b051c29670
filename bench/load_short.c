/*
 * The modes that use a connection once: tcp-echo (speak, hear the same, close), exec
 * and daytime (connect, read until the server closes). at_once slots, each with one
 * connection.
 */
#include "load.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS 256
#define DAYTIME_SIZE 26

struct slot {
    int fd; /* -1: at rest */
    bool has_sent;
    size_t got;
    uint64_t number;
    uint64_t started_ns;
    char answer[LOAD_MAX_MESSAGE];
};

struct run {
    const struct load_options *options;
    struct load_result *result;
    size_t speaks;  /* bytes we send first */
    size_t expects; /* bytes of the whole answer */
    bool until_eof; /* the server closes, and only then it is whole */
    bool (*is_right)(const struct run *run, const struct slot *slot);
    struct slot *slots;
    int epoll_fd;
    unsigned busy;
    uint64_t started_ops;
};

static bool is_same_message(const struct run *run, const struct slot *slot)
{
    return load_matches(slot->answer, run->expects, slot->number);
}

static bool is_expected_text(const struct run *run, const struct slot *slot)
{
    return memcmp(slot->answer, run->options->expect, run->expects) == 0;
}

/*
 * "Sat Nov 21 00:42:00 2026" and CRLF: the shape; what time it is, is not our question.
 */
static bool is_daytime(const struct run *run, const struct slot *slot)
{
    const char *text = slot->answer;

    (void)run;
    return text[3] == ' ' && text[7] == ' ' && text[10] == ' ' && text[13] == ':'
           && text[16] == ':' && text[19] == ' ' && text[20] == '2' && text[24] == '\r'
           && text[25] == '\n';
}

static void watch(const struct run *run, int op, struct slot *slot, uint32_t events)
{
    struct epoll_event event = { .events = events, .data.ptr = slot };

    if (epoll_ctl(run->epoll_fd, op, slot->fd, &event) == -1)
        load_die("epoll_ctl");
}

static void rest(struct run *run, struct slot *slot)
{
    close(slot->fd);
    slot->fd = -1;
    run->busy--;
}

static void fail(struct run *run, struct slot *slot, int error)
{
    load_count_errno(run->result, error);
    rest(run, slot);
}

/* 1: the message is out; 0: not connected yet; -1: failed, errno says why. */
static int speak(const struct run *run, struct slot *slot)
{
    char message[LOAD_MAX_MESSAGE];
    ssize_t sent;

    if (run->speaks == 0)
        return 1;
    load_fill(message, run->speaks, slot->number);
    sent = send(slot->fd, message, run->speaks, MSG_NOSIGNAL);
    if (sent == -1 && (errno == EAGAIN || errno == ENOTCONN))
        return 0;
    return sent == (ssize_t)run->speaks ? 1 : -1;
}

/*
 * Connect, and speak at once when the connection stands already, as it does on
 * loopback.
 */
static void start(struct run *run, struct slot *slot)
{
    int spoke;

    slot->number = run->started_ops++;
    slot->got = 0;
    slot->started_ns = load_now_ns();
    slot->fd = load_connect(run->options, SOCK_NONBLOCK);
    if (slot->fd == -1) {
        load_count_errno(run->result, errno);
        return;
    }
    run->busy++;
    spoke = speak(run, slot);
    if (spoke == -1) {
        fail(run, slot, errno);
        return;
    }
    slot->has_sent = spoke == 1;
    watch(run, EPOLL_CTL_ADD, slot, slot->has_sent ? EPOLLIN : EPOLLOUT);
}

static void judge(struct run *run, struct slot *slot)
{
    if (slot->got < run->expects)
        run->result->early_eof++;
    else if (slot->got > run->expects || !run->is_right(run, slot))
        run->result->wrong++;
    else {
        run->result->ops++;
        run->result->bytes += slot->got;
        load_note_latency(run->result, load_now_ns() - slot->started_ns);
    }
    rest(run, slot);
}

static void hear(struct run *run, struct slot *slot)
{
    ssize_t got = recv(slot->fd, slot->answer + slot->got,
                       sizeof(slot->answer) - slot->got, 0);

    if (got == -1 && errno == EAGAIN)
        return;
    if (got == -1) {
        fail(run, slot, errno);
        return;
    }
    slot->got += (size_t)got;
    if (got == 0 || slot->got > run->expects
        || (slot->got == run->expects && !run->until_eof))
        judge(run, slot);
}

static void proceed(struct run *run, struct slot *slot)
{
    int spoke;

    if (slot->has_sent) {
        hear(run, slot);
        return;
    }
    spoke = speak(run, slot);
    if (spoke == -1)
        fail(run, slot, errno);
    if (spoke != 1)
        return;
    slot->has_sent = true;
    watch(run, EPOLL_CTL_MOD, slot, EPOLLIN);
}

static void expire(struct run *run)
{
    uint64_t now = load_now_ns();

    for (unsigned i = 0; i < run->options->at_once; i++) {
        struct slot *slot = &run->slots[i];

        if (slot->fd != -1 && now - slot->started_ns > LOAD_PATIENCE_NS)
            fail(run, slot, ETIMEDOUT);
    }
}

static void fill_slots(struct run *run)
{
    for (unsigned i = 0; i < run->options->at_once; i++)
        if (run->slots[i].fd == -1
            && !load_is_over(run->options, run->result, run->started_ops))
            start(run, &run->slots[i]);
}

static void turn(struct run *run)
{
    struct epoll_event events[EVENTS];
    int count = epoll_wait(run->epoll_fd, events, EVENTS, LOAD_TICK_MS);

    for (int i = 0; i < count; i++) {
        struct slot *slot = events[i].data.ptr;

        proceed(run, slot);
        if (slot->fd == -1
            && !load_is_over(run->options, run->result, run->started_ops))
            start(run, slot);
    }
    if (count == 0)
        expire(run);
}

/* `run` says what kind of exchange it is; the rest is set here. */
static void work(struct run *run)
{
    run->slots = load_alloc(run->options->at_once, sizeof(struct slot));
    for (unsigned i = 0; i < run->options->at_once; i++)
        run->slots[i].fd = -1;
    run->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (run->epoll_fd == -1)
        load_die("epoll_create1");
    load_start(run->options, run->result);
    do {
        fill_slots(run);
        if (run->busy > 0)
            turn(run);
    } while (run->busy > 0
             || !load_is_over(run->options, run->result, run->started_ops));
    load_finish(run->result);
}

void load_tcp_echo(const struct load_options *options, struct load_result *result)
{
    struct run run = { .options = options, .result = result, .speaks = options->size,
                       .expects = options->size, .is_right = is_same_message };

    work(&run);
}

void load_exec(const struct load_options *options, struct load_result *result)
{
    struct run run = { .options = options, .result = result, .until_eof = true,
                       .expects = strlen(options->expect), .is_right = is_expected_text };

    work(&run);
}

void load_daytime(const struct load_options *options, struct load_result *result)
{
    struct run run = { .options = options, .result = result, .until_eof = true,
                       .expects = DAYTIME_SIZE, .is_right = is_daytime };

    work(&run);
}
