#include "proc/jail.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/capability.h>

#include "base/fd.h"
#include "base/mem.h"

#define STACK_SIZE 32768
#define TASK_WAIT  5 /* seconds: the helper has three calls to make */

struct errand {
    const struct cred *cred;
    int fd, root;
};

/* ---- the helper -------------------------------------------------------------------- */

/* errno, for the worker to tell. */
static int go_in(const struct errand *errand)
{
    if (fchdir(errand->root) == -1 || chroot(".") == -1)
        return errno;
    return 0;
}

static int helper_main(void *context)
{
    const struct errand *errand = context;
    int keep[] = { errand->fd, errand->root };
    struct err err = ERR_EMPTY;
    int word = 0;

    if (fd_close_all_but(keep, ARRAY_LEN(keep), &err) == -1 ||
        cred_become_with(errand->cred, CAP_SYS_CHROOT, &err) == -1) {
        word = err.code != 0 ? err.code : EPERM;
        (void)!write(errand->fd, &word, sizeof(word));
        _exit(1);
    }
    (void)!write(errand->fd, &word, sizeof(word));
    if (read(errand->fd, &word, sizeof(word)) != (ssize_t)sizeof(word))
        _exit(0); /* our worker has ended, or needs no empty root any more */
    word = go_in(errand);
    (void)!write(errand->fd, &word, sizeof(word));
    _exit(0);
}

/* ---- the worker -------------------------------------------------------------------- */

static int hear(const struct jail *jail, struct err *err)
{
    int word = 0;
    ssize_t got;

    do /* with a time limit a SIGCONT is enough to interrupt it (signal(7)) */
        got = read(jail->fd, &word, sizeof(word));
    while (got == -1 && errno == EINTR);
    if (got == -1)
        return err_sys(err, "sandbox: the helper for chroot");
    if (got != (ssize_t)sizeof(word))
        return err_set(err, "sandbox: the helper for chroot is gone");
    errno = word;
    return word == 0 ? 0 : err_sys(err, "sandbox: chroot to the empty directory");
}

static int set_patience(int fd)
{
    struct timeval patience = { .tv_sec = TASK_WAIT };

    return setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
}

int jail_start(struct jail *jail, int root, const struct cred *cred, struct err *err)
{
    int pair[2];
    struct errand errand = { .cred = cred, .root = root };
    char *stack;

    *jail = (struct jail)JAIL_EMPTY;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == -1)
        return err_sys(err, "sandbox: socketpair");
    if (set_patience(pair[0]) == -1) {
        err_sys(err, "sandbox: socketpair");
        fd_close(&pair[0]);
        fd_close(&pair[1]);
        return -1;
    }
    errand.fd = pair[1];
    stack = mem_new(STACK_SIZE);
    jail->pid = clone(helper_main, stack + STACK_SIZE, CLONE_FS | SIGCHLD, &errand);
    mem_free(&stack);
    fd_close(&pair[1]);
    jail->fd = pair[0];
    jail->root = root;
    if (jail->pid == -1) {
        err_sys(err, "sandbox: a helper for chroot");
        jail->pid = 0;
    } else if (hear(jail, err) == 0)
        return 0;
    jail_close(jail);
    return -1;
}

static int check_root(int root, struct err *err)
{
    struct stat is, wanted;

    if (stat("/", &is) == -1 || fstat(root, &wanted) == -1)
        return err_sys(err, "sandbox: the empty directory");
    if (is.st_dev != wanted.st_dev || is.st_ino != wanted.st_ino)
        return err_set(err, "sandbox: the root directory is not the empty one");
    return 0;
}

int jail_enter(struct jail *jail, struct err *err)
{
    int word = 0, result = -1;

    if (send(jail->fd, &word, sizeof(word), MSG_NOSIGNAL) != (ssize_t)sizeof(word))
        err_set(err, "sandbox: the helper for chroot is gone");
    else if (hear(jail, err) == 0)
        result = check_root(jail->root, err);
    jail_close(jail);
    return result;
}

void jail_close(struct jail *jail)
{
    fd_close(&jail->fd); /* end of file ends it */
    if (jail->pid > 0)
        while (waitpid(jail->pid, NULL, 0) == -1 && errno == EINTR)
            ;
    jail->pid = 0;
    jail->root = -1;
}
