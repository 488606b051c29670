#include "flow/floor.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/fd.h"

#define FIRST (STDERR_FILENO + 1)

static void rename_fd(int *const *holders, size_t count, int from, int to)
{
    for (size_t i = 0; i < count; i++)
        if (*holders[i] == from)
            *holders[i] = to;
}

/* Puts out of the way what has the number now. */
static int make_way(int *const *holders, size_t count, int number, struct err *err)
{
    int aside;

    if (fcntl(number, F_GETFD) == -1)
        return 0;
    aside = fcntl(number, F_DUPFD_CLOEXEC, number + 1);
    if (aside == -1)
        return err_sys(err, "descriptors");
    rename_fd(holders, count, number, aside);
    return 0;
}

static int move_fd(int *const *holders, size_t count, int to, int *fd, struct err *err)
{
    int from = *fd;

    if (make_way(holders, count, to, err) == -1)
        return -1;
    if (dup3(from, to, O_CLOEXEC) == -1)
        return err_sys(err, "descriptors");
    rename_fd(holders, count, from, to);
    fd_close(&from);
    return 0;
}

int floor_make(int *const *holders, size_t count, struct err *err)
{
    int next = FIRST;

    for (size_t i = 0; i < count; i++) {
        if (*holders[i] < next) /* none, or shared with an earlier one */
            continue;
        if (*holders[i] != next && move_fd(holders, count, next, holders[i], err) == -1)
            return -1;
        next++;
    }
    return next;
}

/* What is on 0 alone may be copied once the fence is up. */
void floor_fill(int floor)
{
    int fd;

    do
        fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, FIRST);
    while (fd != -1 && fd < floor);
    fd_close(&fd);
}
