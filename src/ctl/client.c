#include "ctl/client.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "base/addr.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "wire/channel.h"

/* A connection waits in the kernel while usherd is busy with others, but no longer than
 * an answer may take. */
static int set_deadline(int fd, struct err *err)
{
    struct timeval limit = { .tv_sec = CLIENT_TIMEOUT_MS / 1000 };

    if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) == -1)
        return err_sys(err, "socket");
    return 0;
}

static int refused(const char *path, struct err *err)
{
    switch (errno) {
    case ENOENT:
    case ECONNREFUSED:
        return err_set(err, "%s: usherd does not run, or listens elsewhere (-s)", path);
    case EAGAIN: return err_set(err, "%s: usherd did not answer in time", path);
    default: return err_sys(err, "%s", path);
    }
}

static int connect_to(const char *path, int *fd_out, struct err *err)
{
    struct usher_address addr;
    int fd, result;

    if (addr_parse_unix(path, &addr, err) == -1)
        return -1;
    fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd == -1)
        return err_sys(err, "socket");
    result = set_deadline(fd, err);
    if (result == 0) {
        do { /* an interrupted one has not begun: a UNIX socket connects at once, or
                waits */
            result = connect(fd, (const struct sockaddr *)&addr.storage, addr.length);
        } while (result == -1 && errno == EINTR);
        if (result == -1)
            refused(path, err);
    }
    if (result == -1)
        fd_close(&fd);
    *fd_out = fd;
    return result;
}

/* It ends, or has no place for callers who may do nothing anyway. */
static int closed(struct err *err)
{
    return err_set(err, "usherd closed the connection: it is ending, or you may not ask");
}

static bool is_hang_up(const struct err *err)
{
    return err->code == 0 || err->code == EPIPE || err->code == ECONNRESET;
}

/* One record, waited for. */
static int next_record(int fd, int64_t until_ms, struct record *record, struct err *err)
{
    struct pollfd ready = { .fd = fd, .events = POLLIN };
    int got;

    while ((got = channel_receive(fd, record, err)) == 0) {
        int64_t left_ms = until_ms - clock_ms();

        if (left_ms <= 0)
            return err_set(err, "usherd did not answer in time");
        if (poll(&ready, 1, (int)left_ms) == -1 && errno != EINTR)
            return err_sys(err, "poll");
    }
    if (got == -1 && is_hang_up(err))
        return closed(err);
    return got == -1 ? -1 : 0;
}

static int status_of(const struct record *end, struct err *err)
{
    static const char *const statuses[] = { "ok", "table", "usage", "system" };
    const char *status = record_get(end, "status"), *text = record_get(end, "text");
    char safe[LOG_LINE];

    if (text != NULL) /* usherd escaped what it quotes; who else answers has not */
        err_set(err, "%s", str_is_printable(text)
                               ? text
                               : log_escape(safe, sizeof(safe), text, strlen(text)));
    for (int i = 0; i < (int)ARRAY_LEN(statuses); i++)
        if (status != NULL && strcmp(status, statuses[i]) == 0)
            return i;
    return 3; /* "denied" */
}

static int read_answer(int fd, struct client_call *call, struct err *err)
{
    int64_t until_ms = clock_ms() + CLIENT_TIMEOUT_MS;
    struct record record = RECORD_EMPTY;

    while (next_record(fd, until_ms, &record, err) == 0) {
        bool is_end = record_is(&record, "end");

        if (is_end)
            call->status = status_of(&record, err);
        else
            call->each(&record, call->context);
        record_free(&record);
        if (is_end)
            return 0;
    }
    return -1;
}

static int ask(int fd, struct client_call *call, struct err *err)
{
    if (channel_send(fd, &call->request, err) == -1)
        return is_hang_up(err) ? closed(err) : -1;
    return read_answer(fd, call, err);
}

int client_ask(struct client_call *call, struct err *err)
{
    int fd = -1, result;

    result = connect_to(call->path, &fd, err);
    if (result == 0)
        result = ask(fd, call, err);
    fd_close(&fd);
    record_out_free(&call->request);
    return result;
}
