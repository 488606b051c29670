#include "flow/logline.h"

#include <errno.h>

#include "base/log.h"
#include "wire/channel.h"

/* The log is one of the few things of which a process has one. */
static int log_fd = -1;
static int64_t dropped;
static struct record_out out = RECORD_OUT_EMPTY;

static void send_line(enum log_level level, const char *subject, const char *line)
{
    int saved = errno;

    record_begin(&out, "log");
    record_add_number(&out, "level", level);
    record_add(&out, "subject", subject);
    record_add(&out, "text", line);
    if (dropped > 0)
        record_add_number(&out, "dropped", dropped);
    record_end(&out);
    if (channel_send(log_fd, &out, NULL) == -1)
        dropped++;
    else
        dropped = 0;
    errno = saved;
}

void logline_open(int fd)
{
    log_fd = fd;
    log_to(send_line);
}

void logline_close(void)
{
    log_to(NULL);
    log_fd = -1;
    dropped = 0;
    record_out_free(&out);
}
