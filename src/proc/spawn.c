#include "proc/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"

#define STACK_SIZE       (64 * 1024)
#define EXIT_NOT_STARTED 127
#define FD_MOST          (1u << 20) /* where a kernel without close_range() stops */

pid_t spawn_fork(const struct spawn_fork *spawn, struct err *err)
{
    pid_t parent = getpid();
    pid_t pid = fork();

    if (pid == -1)
        return err_sys(err, "fork");
    if (pid != 0)
        return pid;
    if (spawn->die_with_parent && spawn_die_with_parent(parent) == -1)
        _exit(EXIT_NOT_STARTED);
    if (spawn->new_session)
        setsid(); /* a new process leads no group yet, so this cannot fail */
    _exit(spawn->fn(spawn->context));
}

int spawn_die_with_parent(pid_t parent)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) == -1)
        return -1;
    return getppid() == parent ? 0 : -1;
}

/*
 * What parent and child of spawn_exec() share. The child runs in our memory while we are
 * stopped: it makes system calls, writes here, and does nothing else. No signal handler
 * exists in this program, so none can run in its place.
 */
struct start {
    const struct spawn_exec *spawn;
    int *fds;         /* scratch: fd_count places */
    const char *step; /* what failed; NULL: nothing did */
    int code;         /* errno of that */
};

/* The sanitizers' bookkeeping of stacks does not know the child's. */
#define IN_CHILD                                                                         \
    __attribute__((no_sanitize("address"))) __attribute__((no_sanitize("undefined")))

/* A source that sits in the place of an earlier target is moved out of the way first. */
IN_CHILD static int put_aside(struct start *start)
{
    const struct spawn_exec *spawn = start->spawn;
    const int *fds = spawn->fds;

    for (size_t i = 0; i < spawn->fd_count; i++) {
        bool is_in_the_way = fds[i] >= 0 && (size_t)fds[i] < i && fds[fds[i]] != fds[i];

        start->fds[i] = fds[i];
        if (is_in_the_way)
            start->fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, (int)spawn->fd_count);
        if (start->fds[i] == -1)
            return -1;
    }
    return 0;
}

/* Kernels before 5.9 are asked for each number. */
IN_CHILD static int close_from(unsigned first)
{
    struct rlimit files;

    if (close_range(first, ~0U, 0) != -1)
        return 0;
    if (errno != ENOSYS || getrlimit(RLIMIT_NOFILE, &files) == -1)
        return -1;
    for (unsigned fd = first; fd < FD_MOST && fd < files.rlim_max; fd++)
        (void)close((int)fd);
    return 0;
}

IN_CHILD static int set_descriptors(struct start *start)
{
    size_t count = start->spawn->fd_count;

    if (put_aside(start) == -1)
        return -1;
    for (size_t i = 0; i < count; i++) {
        int to = (int)i;

        if ((start->fds[i] == to ? fcntl(to, F_SETFD, 0) : dup2(start->fds[i], to)) == -1)
            return -1;
    }
    return close_from((unsigned)count);
}

IN_CHILD static int check_ids(const struct spawn_exec *spawn)
{
    uid_t ruid, euid, suid;
    gid_t rgid, egid, sgid;

    if (getresuid(&ruid, &euid, &suid) == -1 || getresgid(&rgid, &egid, &sgid) == -1)
        return -1;
    if (ruid == spawn->uid && euid == spawn->uid && suid == spawn->uid &&
        rgid == spawn->gid && egid == spawn->gid && sgid == spawn->gid)
        return 0;
    errno = EPERM;
    return -1;
}

IN_CHILD static int set_limits(const struct spawn_exec *spawn)
{
    for (size_t i = 0; i < spawn->limit_count; i++)
        if (prlimit(0, (enum __rlimit_resource)spawn->limits[i].resource,
                    &spawn->limits[i].value, NULL) == -1)
            return -1;
    return 0;
}

IN_CHILD static void write_pid(char *out)
{
    char digits[12];
    size_t count = 0;

    for (unsigned pid = (unsigned)getpid(); pid != 0; pid /= 10)
        digits[count++] = (char)('0' + pid % 10);
    while (count > 0)
        *out++ = digits[--count];
    *out = '\0';
}

/* SIGPIPE is the one that programs and libraries ignore; the mask is ours. */
IN_CHILD static int free_signals(void)
{
    struct sigaction action = { .sa_handler = SIG_DFL };
    sigset_t none;

    sigemptyset(&none);
    if (sigaction(SIGPIPE, &action, NULL) == -1)
        return -1;
    return sigprocmask(SIG_SETMASK, &none, NULL);
}

IN_CHILD static const char *run_steps(struct start *start)
{
    const struct spawn_exec *spawn = start->spawn;

    if (check_ids(spawn) == -1)
        return "identity";
    if (set_descriptors(start) == -1)
        return "descriptors";
    if (setsid() == -1)
        return "session";
    if (set_limits(spawn) == -1)
        return "limits";
    if (spawn->no_new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
        return "no_new_privs";
    if (spawn->pid_text != NULL)
        write_pid(spawn->pid_text);
    if (free_signals() == -1)
        return "signals";
    execve(spawn->path, spawn->argv, spawn->envp);
    return "exec";
}

IN_CHILD static int child_main(void *context)
{
    struct start *start = context;
    const char *step = run_steps(start);

    start->code = errno;
    start->step = step;
    _exit(EXIT_NOT_STARTED);
}

/* The child's stack: mapped once per process, a page without access below it. */
static char *stack_top(struct err *err)
{
    static char *top;
    size_t guard = (size_t)sysconf(_SC_PAGESIZE);
    char *bottom;

    if (top != NULL)
        return top;
    bottom = mmap(NULL, guard + STACK_SIZE, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (bottom == MAP_FAILED) {
        err_sys(err, "stack for a child");
        return NULL;
    }
    if (mprotect(bottom, guard, PROT_NONE) == -1) {
        err_sys(err, "stack for a child");
        munmap(bottom, guard + STACK_SIZE);
        return NULL;
    }
    top = bottom + guard + STACK_SIZE;
    return top;
}

/* Only a child that never became the program is waited for here; it is dead or dying. */
static int not_started(pid_t pid, const struct start *start, struct err *err)
{
    while (waitpid(pid, NULL, 0) == -1 && errno == EINTR)
        ;
    errno = start->code;
    return err_sys(err, "%s: %s", start->spawn->path, start->step);
}

static pid_t start_child(struct start *start, struct err *err)
{
    char *stack = stack_top(err);
    pid_t pid;

    if (stack == NULL)
        return -1;
    pid = clone(child_main, stack, CLONE_VM | CLONE_VFORK | SIGCHLD, start);
    if (pid == -1)
        return err_sys(err, "%s: clone", start->spawn->path);
    return start->step == NULL ? pid : not_started(pid, start, err);
}

pid_t spawn_exec(const struct spawn_exec *spawn, struct err *err)
{
    int few[16];
    struct start start = { .spawn = spawn, .fds = few };
    pid_t pid;

    if (spawn->fd_count > ARRAY_LEN(few))
        start.fds = mem_array(spawn->fd_count, sizeof *start.fds);
    pid = start_child(&start, err);
    if (start.fds != few)
        mem_free(&start.fds);
    return pid;
}
