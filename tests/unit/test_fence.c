/* Every call that a fence refuses, one by one, made in a child behind it so that nothing
 * but the fence says EPERM: on what is the caller's own, or with arguments that the
 * kernel finds wrong in another way. */
#include "proc/fence.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "proc/probe.h"

#define INHERITED 40 /* a socket with this number; the floor is the next */
#define FLOOR (INHERITED + 1)
#define ANY (-2L)    /* in a row: the descriptor of the case */
#define SIBLING (-3L)
#define SELF (-4L)

/* One more child of ours, and of the same user: a signal would arrive. */
static pid_t sibling;

/* ---- calls ------------------------------------------------------------------------- */

struct call {
    const char *name;
    long number, arguments[4];
};

static long argument(long value, int fd)
{
    if (value == ANY)
        return fd;
    if (value == SIBLING)
        return sibling;
    return value == SELF ? getpid() : value;
}

static bool is_refused(const struct call *call, int fd)
{
    long a[4];

    for (size_t i = 0; i < ARRAY_LEN(a); i++)
        a[i] = argument(call->arguments[i], fd);
    errno = 0;
    return syscall(call->number, a[0], a[1], a[2], a[3]) == -1 && errno == EPERM;
}

/* 0, or 1: the one that is not so is said. */
static int all_are(const struct call *calls, size_t count, int fd, bool refused)
{
    for (size_t i = 0; i < count; i++)
        if (is_refused(&calls[i], fd) != refused) {
            fprintf(stderr, "%s of %d: %s\n", calls[i].name, fd,
                    refused ? "not refused" : "refused");
            return 1;
        }
    return 0;
}

#define ALL_ARE(calls, fd, refused) all_are(calls, ARRAY_LEN(calls), fd, refused)

/* ---- a child behind a fence -------------------------------------------------------- */

static const struct fence_gates closed = { .floor = FLOOR };

static int stand(const struct fence_gates *gates, int (*fn)(void))
{
    struct err err = ERR_EMPTY;
    int ends[2];
    char byte;

    if (pipe2(ends, O_CLOEXEC) == -1)
        return 90;
    sibling = fork();
    if (sibling == 0) { /* until the end of file, which is our end */
        close(ends[1]);
        _exit((int)read(ends[0], &byte, 1));
    }
    if (sibling == -1 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
        return 91;
    if ((gates != NULL ? fence_worker(gates, &err) : fence_child(&err)) == -1) {
        fprintf(stderr, "%s\n", err.text);
        return 92;
    }
    return fn();
}

static int status_of(const struct fence_gates *gates, int (*fn)(void))
{
    int status;
    pid_t pid = fork();

    assert_int_not_equal(pid, -1);
    if (pid == 0)
        _exit(stand(gates, fn));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void need_seccomp(void)
{
    struct probe probe;
    struct err err = ERR_EMPTY;

    assert_int_equal(probe_kernel(&probe, &err), 0);
    if (probe.has_seccomp)
        return;
    print_message("the kernel has no filters\n");
    skip();
}

static void expect(const struct fence_gates *gates, int (*fn)(void))
{
    assert_int_equal(status_of(gates, fn), 0);
}

/* ---- descriptors ------------------------------------------------------------------- */

static const struct call on_inherited[] = {
    { "shutdown", SYS_shutdown, { ANY, 9 } },
    { "setsockopt", SYS_setsockopt, { ANY, SOL_SOCKET, -1 } },
    { "bind", SYS_bind, { ANY } },
    { "connect", SYS_connect, { ANY } },
    { "dup", SYS_dup, { ANY } },
#ifdef SYS_dup2
    { "dup2", SYS_dup2, { ANY, 60 } },
#endif
    { "dup3", SYS_dup3, { ANY, 60, O_CLOEXEC } },
    { "F_SETFL", SYS_fcntl, { ANY, F_SETFL, O_NONBLOCK } },
    { "F_DUPFD", SYS_fcntl, { ANY, F_DUPFD, 60 } },
    { "F_DUPFD_CLOEXEC", SYS_fcntl, { ANY, F_DUPFD_CLOEXEC, 60 } },
    { "FIONBIO", SYS_ioctl, { ANY, FIONBIO } },
};

/* Whatever the number: who owns a descriptor is sent signals; a message may connect. */
static const struct call on_any[] = {
    { "F_SETOWN", SYS_fcntl, { ANY, F_SETOWN, SELF } },
    { "F_SETOWN_EX", SYS_fcntl, { ANY, F_SETOWN_EX } },
    { "FIOSETOWN", SYS_ioctl, { ANY, FIOSETOWN } },
    { "SIOCSPGRP", SYS_ioctl, { ANY, SIOCSPGRP } },
};

static const struct call fast_open[] = {
    { "sendto", SYS_sendto, { ANY, 0, 0, MSG_FASTOPEN | MSG_NOSIGNAL } },
    { "sendmsg", SYS_sendmsg, { ANY, 0, MSG_FASTOPEN } },
    { "sendmmsg", SYS_sendmmsg, { ANY, 0, 1, MSG_FASTOPEN } },
};

static const struct call listening[] = { { "listen", SYS_listen, { ANY, 1 } } };

static const struct call harmless[] = {
    { "F_GETFL", SYS_fcntl, { ANY, F_GETFL } },
    { "F_GETFD", SYS_fcntl, { ANY, F_GETFD } },
    { "FIONREAD", SYS_ioctl, { ANY, FIONREAD } },
    { "sendto", SYS_sendto, { ANY, 0, 0, MSG_NOSIGNAL } },
    { "accept4", SYS_accept4, { ANY } },
};

static int touch_descriptors(void)
{
    return ALL_ARE(on_inherited, INHERITED, true) ||
           ALL_ARE(on_inherited, FLOOR, false) || ALL_ARE(on_any, INHERITED, true) ||
           ALL_ARE(on_any, FLOOR, true) || ALL_ARE(listening, INHERITED, false) ||
           ALL_ARE(listening, FLOOR, true) || ALL_ARE(harmless, INHERITED, false) ||
           ALL_ARE(harmless, FLOOR, false);
}

/* The one that may be copied, to see whether there is a number left. */
static int copy_the_first(void)
{
    static const struct call copies[] = {
        { "F_DUPFD", SYS_fcntl, { ANY, F_DUPFD, 60 } },
        { "F_DUPFD_CLOEXEC", SYS_fcntl, { ANY, F_DUPFD_CLOEXEC, 60 } },
    };
    static const struct call flags[] = { { "F_SETFL", SYS_fcntl, { ANY, F_SETFL, 0 } } };

    return ALL_ARE(copies, 0, false) || ALL_ARE(copies, 1, true) ||
           ALL_ARE(flags, 0, true);
}

static int connect_fast(void)
{
    return ALL_ARE(fast_open, INHERITED, true) || ALL_ARE(fast_open, FLOOR, true);
}

static int connect_fast_freely(void)
{
    return ALL_ARE(fast_open, INHERITED, false);
}

static void what_was_inherited_stays_as_it_is(void **state)
{
    static const struct fence_gates free_to_connect = { .floor = FLOOR,
                                                        .may_connect = true };
    int fds[2];

    (void)state;
    need_seccomp();
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    for (int fd = INHERITED; fd <= FLOOR; fd++)
        assert_int_equal(dup3(fds[0], fd, O_CLOEXEC), fd);
    expect(&closed, touch_descriptors);
    expect(&closed, copy_the_first);
    expect(&closed, connect_fast);
    expect(&free_to_connect, connect_fast_freely);
    for (int fd = INHERITED; fd <= FLOOR; fd++)
        close(fd);
    close(fds[0]);
    close(fds[1]);
}

/* ---- other processes --------------------------------------------------------------- */

static const struct call on_others[] = {
    { "ptrace", SYS_ptrace, { -1, 0 } },
    { "process_vm_readv", SYS_process_vm_readv, { SELF } },
    { "process_vm_writev", SYS_process_vm_writev, { SELF } },
    { "setpriority", SYS_setpriority, { 99 } },
    { "ioprio_set", SYS_ioprio_set, { 99 } },
    { "sched_setscheduler", SYS_sched_setscheduler, { 0, 99 } },
    { "sched_setparam", SYS_sched_setparam, { 0 } },
    { "sched_setattr", SYS_sched_setattr, { 0 } },
    { "prlimit64", SYS_prlimit64, { SIBLING, 99 } },
    { "prlimit64 by number", SYS_prlimit64, { SELF, 99 } },
};

static const struct call on_self[] = {
    { "prlimit64", SYS_prlimit64, { 0, RLIMIT_NOFILE } },
    { "getpriority", SYS_getpriority, { PRIO_PROCESS, 0 } },
};

static const struct call signals[] = {
    { "kill", SYS_kill, { SIBLING, SIGABRT } },
    { "kill with nothing", SYS_kill, { SELF, 0 } },
    { "kill a group", SYS_kill, { 0, 0 } },
    { "kill everybody", SYS_kill, { -1, 0 } },
    { "tkill", SYS_tkill, { SIBLING, SIGABRT } },
    { "tkill with nothing", SYS_tkill, { SELF, 0 } },
    { "tgkill", SYS_tgkill, { SIBLING, SIBLING, SIGABRT } },
    { "tgkill with nothing", SYS_tgkill, { SELF, SELF, 0 } },
    { "pidfd_send_signal", SYS_pidfd_send_signal, { -1, SIGABRT } },
    { "rt_sigqueueinfo", SYS_rt_sigqueueinfo, { SELF, SIGABRT } },
    { "rt_tgsigqueueinfo", SYS_rt_tgsigqueueinfo, { SELF, SELF, SIGABRT } },
};

static int touch_others(void)
{
    return ALL_ARE(on_others, 0, true) || ALL_ARE(on_self, 0, false) ||
           ALL_ARE(signals, 0, true);
}

static int signal_freely(void)
{
    static const struct call some[] = {
        { "kill with nothing", SYS_kill, { SIBLING, 0 } },
        { "tgkill with nothing", SYS_tgkill, { SIBLING, SIBLING, 0 } },
    };

    return ALL_ARE(on_others, 0, true) || ALL_ARE(some, 0, false);
}

static int signal_somebody(void)
{
    return ALL_ARE(signals, 0, true);
}

static int abort_by_kill(void)
{
    return (int)syscall(SYS_kill, getpid(), SIGABRT);
}

static int abort_by_tgkill(void)
{
    return (int)syscall(SYS_tgkill, getpid(), getpid(), SIGABRT);
}

static void expect_abort(const struct fence_gates *gates, int (*fn)(void))
{
    int status = status_of(gates, fn);

    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
}

static void nobody_else_is_touched(void **state)
{
    static const struct fence_gates with_children = { .floor = FLOOR,
                                                      .has_children = true };

    (void)state;
    need_seccomp();
    expect(&closed, touch_others);
    expect(&with_children, signal_freely);
    expect(NULL, signal_somebody);
    expect_abort(&closed, abort_by_kill);
    expect_abort(&closed, abort_by_tgkill);
    expect_abort(NULL, abort_by_tgkill);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_inherited_stays_as_it_is),
        cmocka_unit_test(nobody_else_is_touched),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
