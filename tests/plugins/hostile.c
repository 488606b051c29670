/*
 * Does what it is told: a line is a deed, the answer is how it went: "done", or errno's
 * text. What the sandbox must stop. Built twice: with -DNEEDS it has asked for files.
 */
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <usher/service.h>

#ifndef NEEDS
#define NEEDS 0
#define NAME hostile
#define NAME_TEXT "hostile"
#else
#define NAME hostile_reader
#define NAME_TEXT "hostile_reader"
#endif

/* What the constructor saw: the first code of ours that ran. */
static struct {
    unsigned uid, gid;
    int no_new_privs, can_regain;
} born;

static __attribute__((constructor)) void be_born(void)
{
    born.uid = geteuid();
    born.gid = getegid();
    born.no_new_privs = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
    if (born.uid != 0)
        born.can_regain = setresuid(0, 0, 0) == 0;
}

/* ---- deeds: 0 or more is done, -1 errno -------------------------------------------- */

static int do_open(void)
{
    return open("/etc/passwd", O_RDONLY | O_CLOEXEC);
}

static int do_write(void)
{
    return open("/tmp/usher-hostile", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
}

static int do_list(void)
{
    return open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int do_make(void)
{
    return mkdir("/here", 0700);
}

static int do_socket(void)
{
    return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static int do_exec(void)
{
    char *const argv[] = { (char[]){ "true" }, NULL };

    return execve("/bin/true", argv, argv + 1);
}

/* The plain fork of the kernel: who has it waits for the child. */
static int do_clone(void)
{
    pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);

    if (pid == 0)
        _exit(0);
    return pid == -1 ? -1 : waitpid(pid, NULL, 0);
}

/* C libraries try it first, and go on without when it is not there. */
static int do_clone3(void)
{
    struct clone_args how = { .exit_signal = SIGCHLD };
    pid_t pid = (pid_t)syscall(SYS_clone3, &how, sizeof(how));

    if (pid == 0)
        _exit(0);
    return pid;
}

static int do_kill(void)
{
    return kill(1, 0);
}

static int do_kill_all(void)
{
    return kill(getppid(), SIGKILL);
}

/* Of a child: who forked it; of a worker: the master. */
static int do_thread_kill(void)
{
    return (int)syscall(SYS_tgkill, getppid(), getppid(), SIGKILL);
}

static int do_thread_abort(void)
{
    return (int)syscall(SYS_tgkill, getppid(), getppid(), SIGABRT);
}

static int do_kill_everybody(void)
{
    return kill(-1, SIGKILL);
}

static int do_stop_self(void)
{
    return raise(SIGSTOP);
}

/* Of a child: who forked it. Nothing to open with any more. */
static int do_starve(void)
{
    struct rlimit four = { 4, 4 };

    return prlimit(getppid(), RLIMIT_NOFILE, &four, NULL);
}

static int do_signal_by_descriptor(void)
{
    int fd = (int)syscall(SYS_pidfd_open, getppid(), 0);

    return fd == -1 ? -1 : (int)syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
}

static int do_ptrace(void)
{
    return (int)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

static int do_root(void)
{
    return setresuid(0, 0, 0);
}

static int do_group(void)
{
    return setresgid(0, 0, 0);
}

static int do_chroot(void)
{
    return chroot("/tmp");
}

static int do_mount(void)
{
    return mount("none", "/", "tmpfs", 0, NULL);
}

static int do_unshare(void)
{
    return unshare(CLONE_NEWUSER);
}

static int do_code(void)
{
    return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
                   MAP_FAILED
               ? -1
               : 0;
}

/* Behind the worker's own page are those of the others. */
static int do_widen(void)
{
    char *page =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return mremap(page, 4096, 8192, MREMAP_MAYMOVE) == MAP_FAILED ? -1 : 0;
}

/* ---- what the master and the siblings have too ---- */

/* The first socket of that type that is not one of ours: a listener, or one for
 * datagrams. */
static int find_shared(int type)
{
    for (int fd = 3; fd < 256; fd++) {
        int is = 0, listens = 0;
        socklen_t length = sizeof(int);

        if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &is, &length) == 0 && is == type &&
            getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &length) == 0 &&
            (listens || type != SOCK_STREAM))
            return fd;
    }
    return -1;
}

static int do_shut(void)
{
    return shutdown(find_shared(SOCK_STREAM), SHUT_RDWR);
}

static int do_shut_datagrams(void)
{
    return shutdown(find_shared(SOCK_DGRAM), SHUT_RDWR);
}

/* The kernel takes the lower half of the number. */
static int do_shut_by_halves(void)
{
    return (int)syscall(SYS_shutdown, 0x100000000L + find_shared(SOCK_STREAM), SHUT_RDWR);
}

static int do_shut_channel(void)
{
    return shutdown(find_shared(SOCK_SEQPACKET), SHUT_RDWR);
}

static int do_unblock(void)
{
    return fcntl(find_shared(SOCK_STREAM), F_SETFL, 0);
}

static int do_unblock_so(void)
{
    int off = 0;

    return ioctl(find_shared(SOCK_STREAM), FIONBIO, &off);
}

static int do_linger(void)
{
    struct linger at_once = { .l_onoff = 1 };

    return setsockopt(find_shared(SOCK_STREAM), SOL_SOCKET, SO_LINGER, &at_once,
                      sizeof(at_once));
}

static int do_copy(void)
{
    return fcntl(find_shared(SOCK_STREAM), F_DUPFD_CLOEXEC, 100);
}

static int do_print(void)
{
    static const char line[] = "written by the hostile plugin\n";

    for (int fd = 0; fd <= 2; fd++)
        if (write(fd, line, strlen(line)) == -1)
            return -1;
    return 0;
}

static int do_dup(void)
{
    return dup(find_shared(SOCK_STREAM));
}

/* Connects where the sandbox has no connect(). */
static int do_fast_open(void)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

    return (int)sendto(find_shared(SOCK_STREAM), "x", 1, MSG_FASTOPEN | MSG_NOSIGNAL,
                       (struct sockaddr *)&to, sizeof(to));
}

/* No number of a call that any kernel has. */
static int do_unknown(void)
{
    return (int)syscall(100000);
}

/* Not the plugin's to close: the worker finds out, and nobody else does. */
static int do_dump(void)
{
    return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

static int do_abort(void)
{
    abort();
}

static const struct deed {
    const char *name;
    int (*run)(void);
} deeds[] = {
    { "open", do_open },
    { "write", do_write },
    { "list", do_list },
    { "make", do_make },
    { "socket", do_socket },
    { "exec", do_exec },
    { "clone", do_clone },
    { "clone3", do_clone3 },
    { "kill", do_kill },
    { "killall", do_kill_all },
    { "ptrace", do_ptrace },
    { "root", do_root },
    { "group", do_group },
    { "chroot", do_chroot },
    { "mount", do_mount },
    { "unshare", do_unshare },
    { "code", do_code },
    { "unknown", do_unknown },
    { "dump", do_dump },
    { "abort", do_abort },
    { "widen", do_widen },
    { "tgkill", do_thread_kill },
    { "tgabort", do_thread_abort },
    { "kill -1", do_kill_everybody },
    { "stop self", do_stop_self },
    { "pidfd", do_signal_by_descriptor },
    { "shut", do_shut },
    { "shut datagrams", do_shut_datagrams },
    { "shut by halves", do_shut_by_halves },
    { "shut channel", do_shut_channel },
    { "unblock", do_unblock },
    { "unblock so", do_unblock_so },
    { "linger", do_linger },
    { "copy", do_copy },
    { "dup", do_dup },
    { "fast open", do_fast_open },
    { "print", do_print },
    { "starve", do_starve },
};

/* ---- questions --------------------------------------------------------------------- */

static void tell_time(char *out, size_t room)
{
    time_t now = time(NULL);

    /* NOLINT: the one that looks again */
    strftime(out, room, "%Y-%m-%d %H:%M %Z", localtime(&now));
}

/* What the next descriptor is called. */
static int next_number(void)
{
    int fds[2] = { -1, -1 };

    if (pipe2(fds, O_CLOEXEC) == 0) {
        close(fds[0]);
        close(fds[1]);
    }
    return fds[0];
}

/* NULL: no such deed. */
static const char *perform(const char *name)
{
    for (size_t i = 0; i < sizeof(deeds) / sizeof(deeds[0]); i++)
        if (strcmp(name, deeds[i].name) == 0)
            return deeds[i].run() == -1 ? strerror(errno) : "done";
    return NULL;
}

static void answer(const char *line, char *out, size_t room)
{
    const char *outcome = perform(line);
    void *frames[8];

    if (outcome != NULL)
        snprintf(out, room, "%s\n", outcome);
    else if (strcmp(line, "born") == 0)
        snprintf(out, room, "uid=%u gid=%u nnp=%d regain=%d\n", born.uid, born.gid,
                 born.no_new_privs, born.can_regain);
    else if (strcmp(line, "number") == 0)
        snprintf(out, room, "%d\n", next_number());
    else if (strcmp(line, "frames") == 0)
        snprintf(out, room, "%d\n", backtrace(frames, 8));
    else if (strcmp(line, "time") == 0)
        tell_time(out, room);
    else
        snprintf(out, room, "what?\n");
}

static size_t hear(struct usher_conn *conn, const void *bytes, size_t count)
{
    const char *end = memchr(bytes, '\n', count);
    size_t length = end == NULL ? 0 : (size_t)(end - (const char *)bytes);
    char line[32] = "", out[128] = "";

    if (end == NULL)
        return 0;
    memcpy(line, bytes, length < sizeof(line) ? length : sizeof(line) - 1);
    answer(line, out, sizeof(out));
    usher_write(conn, out, strlen(out));
    return length + 1;
}

/* ---- before the filter comes ------------------------------------------------------- */

struct conf {
    const char *open; /* what to do in open() */
};

static const struct usher_option options[] = {
    USHER_OPTION_TEXT(struct conf, open, "", 0, 20, "what to do in open()"),
    USHER_OPTION_END
};

static void stay(void)
{
    setsid();
    for (int i = 0; i < 600; i++)
        sleep(1);
    _exit(0);
}

/* "child"; "grandchild": it hides behind a child that ends. */
static void start_process(const struct usher_instance *service, bool is_grandchild)
{
    pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);

    if (pid == 0) {
        if (is_grandchild && syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) != 0)
            _exit(0);
        stay();
    }
    if (pid == -1)
        usher_log(service, USHER_WARNING, "no process: %s", strerror(errno));
    else if (is_grandchild)
        waitpid(pid, NULL, 0);
}

/* Says in the worker's name that all is well, on whatever takes it, and never closes a
 * door. */
static void forge_ready(void)
{
    static const char lie[] = "ready text=all-is-well";

    for (int fd = 3; fd < 256; fd++) {
        int type = 0;
        socklen_t length = sizeof(type);

        if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0 &&
            type == SOCK_SEQPACKET)
            send(fd, lie, strlen(lie), MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    for (int i = 0; i < 600; i++)
        sleep(1);
}

static int begin(const struct usher_instance *service, void **state)
{
    const struct conf *conf = service->conf;
    const char *outcome = perform(conf->open);

    (void)state;
    if (outcome != NULL)
        usher_log(service, USHER_WARNING, "%s: %s", conf->open, outcome);
    else if (strcmp(conf->open, "child") == 0 || strcmp(conf->open, "grandchild") == 0)
        start_process(service, conf->open[0] == 'g');
    else if (strcmp(conf->open, "forge") == 0)
        forge_ready();
    return 0;
}

USHER_SERVICE(NAME) = {
    USHER_SERVICE_HEADER,
    .name = NAME_TEXT,
    .shapes = USHER_STREAM,
    .sentence = "Tries what no service may.",
    .needs = NEEDS,
    .options = options,
    .conf_size = sizeof(struct conf),
    .open = begin,
    .data = hear,
};
