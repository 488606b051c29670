#include "master/notify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"

static void send_text(const struct notify *notify, const char *text)
{
    if (notify->fd != -1) /* a manager that does not read is no reason to stop */
        (void)sendto(notify->fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT,
                     (const struct sockaddr *)&notify->manager.storage,
                     notify->manager.length);
}

static void feed_watchdog(int fd, short what, void *context)
{
    struct notify *notify = context;

    (void)fd;
    (void)what;
    send_text(notify, "WATCHDOG=1");
    timer_start(notify->loop, &notify->timer, notify->watchdog_ms);
}

static int64_t watchdog_interval(void)
{
    const char *text = getenv("WATCHDOG_USEC"), *whose = getenv("WATCHDOG_PID");
    int64_t usec, pid;

    if (text == NULL || str_to_int(text, 2000, INT64_MAX, &usec) == -1)
        return 0;
    if (whose != NULL && (str_to_int(whose, 1, INT32_MAX, &pid) == -1 || pid != getpid()))
        return 0;
    return usec / 2000;
}

int notify_open(struct notify *notify, struct loop *loop, struct err *err)
{
    const char *path = getenv("NOTIFY_SOCKET");

    *notify = (struct notify)NOTIFY_EMPTY;
    notify->loop = loop;
    timer_init(&notify->timer, feed_watchdog, notify);
    if (path != NULL) {
        if (addr_parse_unix(path, &notify->manager, err) == -1)
            return err_prefix(err, "NOTIFY_SOCKET");
        notify->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (notify->fd == -1)
            return err_sys(err, "socket for NOTIFY_SOCKET");
        notify->watchdog_ms = watchdog_interval();
    }
    unsetenv("NOTIFY_SOCKET"); /* children must not speak for us */
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
    if (notify->watchdog_ms > 0)
        timer_start(loop, &notify->timer, notify->watchdog_ms);
    return 0;
}

void notify_close(struct notify *notify)
{
    if (notify->loop != NULL)
        timer_stop(notify->loop, &notify->timer);
    fd_close(&notify->fd);
}

void notify_ready(const struct notify *notify)
{
    char text[64];

    snprintf(text, sizeof(text), "READY=1\nMAINPID=%ld", (long)getpid());
    send_text(notify, text);
}

void notify_reloading(const struct notify *notify)
{
    char text[80];

    snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%lld",
             (long long)clock_us());
    send_text(notify, text);
}

void notify_stopping(const struct notify *notify)
{
    send_text(notify, "STOPPING=1");
}

void notify_status(const struct notify *notify, const char *format, ...)
{
    char text[256] = "STATUS=";
    va_list args;

    va_start(args, format);
    vsnprintf(text + 7, sizeof(text) - 7, format, args);
    va_end(args);
    send_text(notify, text);
}
