#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define FD_MOST (1u << 20) /* where a kernel without close_range() stops looking */

void fd_close(int *fd)
{
    int saved = errno;

    /* Not again after EINTR: Linux has let go of the descriptor by then. */
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
    errno = saved;
}

int fd_set_nonblock(int fd, bool on)
{
    int flags = fcntl(fd, F_GETFL);
    int wanted;

    if (flags == -1)
        return -1;
    wanted = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
    return wanted == flags || fcntl(fd, F_SETFL, wanted) != -1 ? 0 : -1;
}

/* These three are meant to be inherited: not close-on-exec. */
int fd_fill_standard(struct err *err)
{
    for (int fd = 0; fd <= 2; fd++) {
        if (fcntl(fd, F_GETFD) != -1)
            continue;
        if (open("/dev/null", O_RDWR) == -1)
            return err_sys(err, "/dev/null");
    }
    return 0;
}

static int compare(const void *a, const void *b)
{
    int left = *(const int *)a, right = *(const int *)b;

    return (left > right) - (left < right);
}

static void close_one_by_one(unsigned first, unsigned last)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_max < FD_MOST &&
        last > limit.rlim_max)
        last = (unsigned)limit.rlim_max;
    if (last > FD_MOST)
        last = FD_MOST;
    for (unsigned fd = first; fd <= last; fd++)
        close((int)fd);
}

static int close_from_to(unsigned first, unsigned last, struct err *err)
{
    if (first > last || close_range(first, last, 0) != -1)
        return 0;
    if (errno != ENOSYS)
        return err_sys(err, "close_range");
    close_one_by_one(first, last);
    return 0;
}

int fd_close_all_but(int *keep, size_t count, struct err *err)
{
    unsigned first = 3;

    if (count > 0)
        qsort(keep, count, sizeof *keep, compare);
    for (size_t i = 0; i < count; i++) {
        if (keep[i] < 0 || (unsigned)keep[i] < first)
            continue;
        if (close_from_to(first, (unsigned)keep[i] - 1, err) == -1)
            return -1;
        first = (unsigned)keep[i] + 1;
    }
    return close_from_to(first, ~0u, err);
}

int fd_pair(int pair[2], struct err *err)
{
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != -1)
        return 0;
    /* The kernel may have written numbers before it failed. */
    pair[0] = pair[1] = -1;
    return err_sys(err, "socketpair");
}

bool fd_packets_ended(int fd)
{
    struct pollfd look = { .fd = fd, .events = POLLRDHUP };
    int left = 0;

    return poll(&look, 1, 0) == 1 && ioctl(fd, FIONREAD, &left) == 0 && left == 0;
}

int fd_write_all(int fd, const void *bytes, size_t count)
{
    const char *at = bytes;

    while (count > 0) {
        ssize_t written = write(fd, at, count);

        if (written == -1 && errno == EINTR)
            continue;
        if (written == -1 && errno == EAGAIN) {
            struct pollfd room = { .fd = fd, .events = POLLOUT };

            poll(&room, 1, -1);
            continue;
        }
        if (written == -1)
            return -1;
        at += written;
        count -= (size_t)written;
    }
    return 0;
}

/* A part that could not be written before is gone, even where the rest can be. */
int fd_finish_output(struct err *err)
{
    if (fflush(stdout) == EOF)
        return err_sys(err, "standard output");
    if (ferror(stdout) != 0)
        return err_set(err, "standard output: not all of it could be written");
    return 0;
}
