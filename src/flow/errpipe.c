#include "flow/errpipe.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"

#define READS 4 /* a wake-up */
#define CHUNK 4096

static void say_left_out(struct errpipe *errpipe)
{
    if (errpipe->left_out > 0)
        log_warning(errpipe->name, "stderr left_out=%lu", errpipe->left_out);
    errpipe->left_out = 0;
}

static bool may_say(struct errpipe *errpipe)
{
    int64_t now_ms = clock_ms();

    if (now_ms - errpipe->second_ms >= 1000) {
        say_left_out(errpipe);
        errpipe->second_ms = now_ms;
        errpipe->lines = 0;
    }
    if (errpipe->lines++ < ERRPIPE_LINES)
        return true;
    errpipe->left_out++;
    return false;
}

static void say_line(struct errpipe *errpipe)
{
    char text[ERRPIPE_LINE * 2 + 64];
    size_t length = errpipe->length;

    errpipe->length = 0;
    if (length > 0 && errpipe->line[length - 1] == '\r')
        length--;
    if (length > 0 && may_say(errpipe))
        log_warning(errpipe->name, "stderr line=\"%s\"",
                    log_escape_quoted(text, sizeof(text), errpipe->line, length));
}

static void take_in(struct errpipe *errpipe, const char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (bytes[i] != '\n')
            errpipe->line[errpipe->length++] = bytes[i];
        if (bytes[i] == '\n' || errpipe->length == sizeof(errpipe->line))
            say_line(errpipe);
    }
}

static void errpipe_ready(int fd, short what, void *context)
{
    struct errpipe *errpipe = context;
    char bytes[CHUNK];

    (void)what;
    for (int reads = READS; reads > 0; reads--) {
        ssize_t count = read(fd, bytes, sizeof(bytes));

        if (count <= 0)
            return; /* nothing now: there is no end of file, the other end is ours */
        take_in(errpipe, bytes, (size_t)count);
    }
}

int errpipe_open(struct errpipe *errpipe, struct loop *loop, const char *name,
                 struct err *err)
{
    int fds[2];

    memset(errpipe, 0, sizeof(*errpipe));
    errpipe->loop = loop;
    errpipe->name = name;
    errpipe->read_fd = errpipe->write_fd = -1;
    if (pipe2(fds, O_CLOEXEC) == -1)
        return err_sys(err, "%s: a pipe for its messages", name);
    errpipe->read_fd = fds[0];
    errpipe->write_fd = fds[1];
    watch_init(&errpipe->watch, errpipe->read_fd, LOOP_READ, errpipe_ready, errpipe);
    /* Only our end: the children's stays as programs expect it. */
    if (fd_set_nonblock(errpipe->read_fd, true) == -1)
        err_sys(err, "%s: a pipe for its messages", name);
    else if (watch_start(loop, &errpipe->watch, err) == 0)
        return 0;
    errpipe_close(errpipe);
    return -1;
}

void errpipe_close(struct errpipe *errpipe)
{
    if (errpipe->loop == NULL)
        return;
    if (errpipe->read_fd != -1) {
        errpipe_ready(errpipe->read_fd, LOOP_READ, errpipe);
        watch_stop(errpipe->loop, &errpipe->watch);
    }
    if (errpipe->length > 0)
        say_line(errpipe);
    say_left_out(errpipe);
    fd_close(&errpipe->read_fd);
    fd_close(&errpipe->write_fd);
    errpipe->loop = NULL;
}
