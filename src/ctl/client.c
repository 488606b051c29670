#include "ctl/client.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "base/addr.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "wire/channel.h"

static int connect_to(const char *path, int *fd_out, struct err *err)
{
    struct usher_address addr;
    int fd;

    if (addr_parse_unix(path, &addr, err) == -1)
        return -1;
    fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd == -1)
        return err_sys(err, "socket");
    if (connect(fd, (const struct sockaddr *)&addr.storage, addr.length) == -1) {
        if (errno == ENOENT || errno == ECONNREFUSED)
            err_set(err, "%s: usherd does not run, or listens elsewhere (-s)", path);
        else
            err_sys(err, "%s", path);
        fd_close(&fd);
        return -1;
    }
    *fd_out = fd;
    return 0;
}

static int send_word(int fd, const char *word, struct err *err)
{
    struct record_out out = RECORD_OUT_EMPTY;
    int result;

    record_begin(&out, word);
    record_end(&out);
    result = channel_send(fd, &out, err);
    record_out_free(&out);
    return result;
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
    if (got == -1 && err->code == 0)
        return err_set(err, "usherd closed the connection");
    return got == -1 ? -1 : 0;
}

static int status_of(const struct record *end, struct err *err)
{
    static const char *const statuses[] = { "ok", "table", "usage", "system" };
    const char *status = record_get(end, "status"), *text = record_get(end, "text");

    if (text != NULL)
        err_set(err, "%s", text);
    for (int i = 0; i < (int)ARRAY_LEN(statuses); i++)
        if (status != NULL && strcmp(status, statuses[i]) == 0)
            return i;
    return 3; /* "denied" */
}

static int read_answer(int fd, client_fn *each, void *context, int *status_out, struct err *err)
{
    int64_t until_ms = clock_ms() + CLIENT_TIMEOUT_MS;
    struct record record = RECORD_EMPTY;

    while (next_record(fd, until_ms, &record, err) == 0) {
        if (record_is(&record, "end")) {
            *status_out = status_of(&record, err);
            record_free(&record);
            return 0;
        }
        each(&record, context);
        record_free(&record);
    }
    return -1;
}

int client_ask(const char *path, const char *word, client_fn *each, void *context,
               int *status_out, struct err *err)
{
    int fd = -1, result;

    if (connect_to(path, &fd, err) == -1)
        return -1;
    result = send_word(fd, word, err);
    if (result == 0)
        result = read_answer(fd, each, context, status_out, err);
    fd_close(&fd);
    return result;
}
