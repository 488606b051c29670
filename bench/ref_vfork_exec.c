/*
 * The bare inetd: accept, vfork, exec of the program named on the command line with the
 * connection on 0 and 1. The children that have ended are collected at each turn.
 */
#include "ref.h"

#include <errno.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

/* Its own function: nothing of the caller's frame is live across vfork. */
static void start(int fd, char *const argv[])
{
    static char path[] = "PATH=/usr/bin:/bin";
    static char *const environment[] = { path, NULL };
    pid_t pid = vfork();

    if (pid == 0) {
        dup2(fd, 0);
        dup2(fd, 1);
        execve(argv[0], argv, environment);
        _exit(127);
    }
    if (pid == -1)
        ref_die("vfork");
}

int main(int argc, char *argv[])
{
    int listener;

    if (argc < 2) {
        errno = EINVAL;
        ref_die("usage: ref_vfork_exec PROGRAM [ARGUMENT]...");
    }
    listener = ref_open(SOCK_STREAM);
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

        if (fd == -1 && (errno == ECONNABORTED || errno == EINTR))
            continue;
        if (fd == -1)
            ref_die("accept");
        start(fd, argv + 1);
        close(fd);
        while (waitpid(-1, NULL, WNOHANG) > 0)
            ;
    }
}
