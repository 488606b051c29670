#include "proc/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/capability.h>
#include <linux/seccomp.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "proc/cred.h"
#include "proc/landlock.h"
#include "proc/spawn.h"

/* The errors of a kernel, or of a container around us, that does not have it. Any other is an
 * accident: whoever then uses it finds out, and says so. */
static bool is_lack(int code)
{
    return code == ENOSYS || code == EINVAL || code == EOPNOTSUPP || code == EPERM || code == ENOSPC;
}

static bool has_action(uint32_t action)
{
    return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) != -1 || !is_lack(errno);
}

void probe_kernel(struct probe *probe)
{
    *probe = (struct probe)PROBE_EMPTY;
    probe->landlock = landlock_abi();
    probe->has_seccomp = has_action(SECCOMP_RET_ALLOW) && has_action(SECCOMP_RET_ERRNO) &&
                         has_action(SECCOMP_RET_KILL_PROCESS);
    probe->has_nnp = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != -1;
    probe->can_change = cred_can_change();
}

static int try_network(void *context)
{
    (void)context;
    return unshare(CLONE_NEWNET) == -1 && is_lack(errno);
}

/* Limits on namespaces and older kernels' settings show only when it is done. */
static bool can_make_network(void)
{
    struct spawn_fork how = { .fn = try_network };
    int status = -1;
    pid_t pid;

    if (!cred_has(CAP_SYS_ADMIN))
        return false;
    pid = spawn_fork(&how, NULL);
    if (pid == -1)
        return true;
    while (waitpid(pid, &status, 0) == -1 && errno == EINTR)
        ;
    return !WIFEXITED(status) || WEXITSTATUS(status) == 0;
}

/* Once deleted it stays empty for ever, whoever may write where it was. */
static int open_deleted(char *path)
{
    int fd;

    if (mkdtemp(path) == NULL)
        return -1;
    fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd != -1 && fchmod(fd, 0555) == -1)
        fd_close(&fd);
    if (rmdir(path) == -1)
        fd_close(&fd);
    return fd;
}

static int open_empty_root(struct err *err)
{
    static const char *const places[] = { "/run", "/tmp", "/var/tmp", "/dev/shm", "" };

    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        char *path = mem_print("%s/usher-empty-XXXXXX", places[i]);
        int fd = open_deleted(path);

        mem_free(&path);
        if (fd != -1)
            return fd;
    }
    return err_sys(err, "sandbox: no place for an empty root directory");
}

int probe_open(struct probe *probe, struct err *err)
{
    probe_kernel(probe);
    probe->has_net = can_make_network();
    if (!cred_has(CAP_SYS_CHROOT) || !probe->can_change)
        return 0;
    probe->empty_root = open_empty_root(err);
    probe->has_root = probe->empty_root != -1;
    return probe->has_root ? 0 : -1;
}

void probe_close(struct probe *probe)
{
    fd_close(&probe->empty_root);
    probe->has_root = false;
}

static const char *yes_or_no(bool is)
{
    return is ? "yes" : "no";
}

char *probe_print(const struct probe *probe, char *out, size_t room)
{
    snprintf(out, room, "landlock=%d seccomp=%s nnp=%s net=%s root=%s ids=%s",
             probe->landlock, yes_or_no(probe->has_seccomp), yes_or_no(probe->has_nnp),
             yes_or_no(probe->has_net), yes_or_no(probe->has_root),
             yes_or_no(probe->can_change));
    return out;
}

char *probe_print_lacks(const struct probe *probe, char *out, size_t room)
{
    struct str text;

    str_init(&text, out, room);
    if (!probe->has_nnp)
        str_add(&text, "no_new_privs ");
    if (!probe->has_seccomp)
        str_add(&text, "seccomp ");
    if (probe->landlock == 0)
        str_add(&text, "Landlock ");
    if (probe->can_change && !probe->has_net)
        str_add(&text, "network-namespaces ");
    if (probe->can_change && !probe->has_root)
        str_add(&text, "chroot ");
    if (text.length > 0)
        out[text.length - 1] = '\0';
    return out;
}
