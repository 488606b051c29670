#include "master/pidfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

static int check_and_lock(int fd, const char *path, struct err *err)
{
    struct stat st;

    if (fstat(fd, &st) == -1)
        return err_sys(err, "%s", path);
    if (!S_ISREG(st.st_mode))
        return err_set(err, "%s: is not a regular file", path);
    if (flock(fd, LOCK_EX | LOCK_NB) == -1)
        return errno == EWOULDBLOCK
                   ? err_set(err, "%s: locked, another usherd runs", path)
                   : err_sys(err, "lock %s", path);
    if (fstat(fd, &st) == -1 || st.st_nlink == 0)
        return err_set(err, "%s: another usherd removed it, just now", path);
    return 0;
}

static int write_pid(int fd, const char *path, struct err *err)
{
    char text[24];
    int length = snprintf(text, sizeof(text), "%ld\n", (long)getpid());

    if (ftruncate(fd, 0) == -1 || fd_write_all(fd, text, (size_t)length) == -1)
        return err_sys(err, "write %s", path);
    return 0;
}

int pidfile_open(struct pidfile *file, const char *path, struct err *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0644);

    if (fd == -1)
        return err_sys(err, "open %s", path);
    if (check_and_lock(fd, path, err) == -1) {
        fd_close(&fd);
        return -1;
    }
    *file = (struct pidfile){ fd, path };
    if (write_pid(fd, path, err) == 0)
        return 0;
    pidfile_close(file); /* nobody shall find one without a number */
    return -1;
}

/* Somebody may have removed ours, and another usherd have made its own. */
static bool is_there(const struct pidfile *file)
{
    struct stat ours, there;

    return fstat(file->fd, &ours) == 0 && lstat(file->path, &there) == 0 &&
           ours.st_dev == there.st_dev && ours.st_ino == there.st_ino;
}

void pidfile_close(struct pidfile *file)
{
    if (file->fd == -1)
        return;
    /* before the lock goes, or a new usherd could lose its own */
    if (is_there(file))
        (void)unlink(file->path);
    fd_close(&file->fd);
}
