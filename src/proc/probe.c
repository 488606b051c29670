#include "proc/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/capability.h>
#include <linux/seccomp.h>

#include "base/fd.h"
#include "base/mem.h"
#include "proc/cred.h"
#include "proc/landlock.h"
#include "proc/spawn.h"

/* The errors of a kernel, or of a container around us, that does not have it. Any other
 * passes. */
static bool is_lack(int code)
{
    return code == ENOSYS || code == EINVAL || code == EOPNOTSUPP || code == EPERM;
}

/* What a call that failed means: 0: the part is lacking, which is kept; -1: nobody
 * knows. */
static int lack(struct probe *probe, enum probe_part part, const char *call,
                struct err *err)
{
    if (!is_lack(errno))
        return err_sys(err, "%s", call);
    probe->why[part] = errno;
    return 0;
}

static int ask_landlock(struct probe *probe, struct err *err)
{
    int abi = landlock_abi();

    if (abi == -1)
        return lack(probe, PROBE_LANDLOCK, "landlock_create_ruleset", err);
    probe->landlock = abi;
    return 0;
}

static int ask_seccomp(struct probe *probe, struct err *err)
{
    static const uint32_t actions[] = {
        SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO, SECCOMP_RET_KILL_PROCESS
    };

    for (size_t i = 0; i < ARRAY_LEN(actions); i++)
        if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &actions[i]) == -1)
            return lack(probe, PROBE_SECCOMP, "seccomp", err);
    probe->has_seccomp = true;
    return 0;
}

static int ask_nnp(struct probe *probe, struct err *err)
{
    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == -1)
        return lack(probe, PROBE_NNP, "no_new_privs", err);
    probe->has_nnp = true;
    return 0;
}

int probe_kernel(struct probe *probe, struct err *err)
{
    *probe = (struct probe)PROBE_EMPTY;
    if (ask_landlock(probe, err) == -1 || ask_seccomp(probe, err) == -1 ||
        ask_nnp(probe, err) == -1)
        return -1;
    return cred_ask(CAP_SETUID, &probe->can_change, err);
}

/* No space for another namespace passes; where the host allows none at all it does
 * not. */
static bool is_none_allowed(void)
{
    char text[2] = "";
    int fd = open("/proc/sys/user/max_net_namespaces", O_RDONLY | O_CLOEXEC);
    bool is_none =
        fd != -1 && read(fd, text, sizeof(text)) == 2 && memcmp(text, "0\n", 2) == 0;

    fd_close(&fd);
    return is_none;
}

static int try_network(void *context)
{
    (void)context;
    if (unshare(CLONE_NEWNET) == 0)
        return 0;
    return errno == ENOSPC && is_none_allowed() ? EPERM : errno;
}

/* Limits on namespaces and older kernels' settings show only when it is done. */
static int make_network(struct err *err)
{
    struct spawn_fork how = { .fn = try_network };
    int status = -1;
    pid_t pid = spawn_fork(&how, err);

    if (pid == -1)
        return -1;
    while (waitpid(pid, &status, 0) == -1 && errno == EINTR)
        ;
    if (!WIFEXITED(status))
        return err_set(err, "network namespace: who tried was killed");
    errno = WEXITSTATUS(status);
    return errno;
}

static int ask_network(struct probe *probe, struct err *err)
{
    bool may;
    int code = EPERM;

    if (cred_ask(CAP_SYS_ADMIN, &may, err) == -1 ||
        (may && (code = make_network(err)) == -1))
        return -1;
    errno = code;
    if (code != 0)
        return lack(probe, PROBE_NET, "network namespace", err);
    probe->has_net = true;
    return 0;
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

static int ask_root(struct probe *probe, struct err *err)
{
    bool may;

    if (cred_ask(CAP_SYS_CHROOT, &may, err) == -1)
        return -1;
    if (!may || !probe->can_change) {
        probe->why[PROBE_ROOT] = EPERM;
        return 0;
    }
    probe->empty_root = open_empty_root(err);
    probe->has_root = probe->empty_root != -1;
    return probe->has_root ? 0 : -1;
}

int probe_open(struct probe *probe, struct err *err)
{
    if (probe_kernel(probe, err) == -1 || ask_network(probe, err) == -1)
        return err_prefix(err, "cannot tell what the kernel has");
    return ask_root(probe, err);
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

const char *probe_lack(const struct probe *probe, enum probe_part part)
{
    const struct {
        const char *name;
        bool has;
    } parts[PROBE_PARTS] = {
        [PROBE_NNP] = { "no_new_privs", probe->has_nnp },
        [PROBE_SECCOMP] = { "seccomp", probe->has_seccomp },
        [PROBE_LANDLOCK] = { "Landlock", probe->landlock > 0 },
        [PROBE_NET] = { "network-namespaces", probe->has_net || !probe->can_change },
        [PROBE_ROOT] = { "chroot", probe->has_root || !probe->can_change },
    };

    return parts[part].has ? NULL : parts[part].name;
}
