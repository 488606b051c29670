#include "master/daemon.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"

/* The parent: one byte is the status; no byte means that the child died first. */
__attribute__((noreturn)) static void wait_and_exit(int fd, pid_t child)
{
    unsigned char status = 3;
    int ended;

    if (read(fd, &status, 1) != 1 && waitpid(child, &ended, 0) == child &&
        WIFEXITED(ended))
        status = (unsigned char)WEXITSTATUS(ended);
    _exit(status);
}

int background_start(struct background *background, struct err *err)
{
    int ends[2];
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC) == -1)
        return err_sys(err, "pipe");
    pid = fork(); /* not proc/spawn: nothing runs yet, and it is the parent that goes
                     away */
    if (pid == -1)
        return err_sys(err, "fork");
    if (pid > 0) {
        close(ends[1]);
        wait_and_exit(ends[0], pid);
    }
    close(ends[0]);
    background->fd = ends[1];
    if (setsid() == -1)
        return err_sys(err, "setsid");
    return 0;
}

void background_forget_streams(void)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (null == -1)
        return;
    for (int fd = 0; fd <= 2; fd++)
        (void)dup2(null, fd);
    fd_close(&null);
}

void background_tell(struct background *background, int status)
{
    unsigned char byte = (unsigned char)status;

    if (background->fd == -1)
        return;
    if (status == 0)
        background_forget_streams();
    (void)fd_write_all(background->fd, &byte, 1);
    fd_close(&background->fd);
}
