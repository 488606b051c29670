#include "proc/fence.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/filter.h>
#include <linux/seccomp.h>

#include "base/mem.h"

#define MOST 192 /* steps */
#define ALLOW SECCOMP_RET_ALLOW
#define REFUSE (SECCOMP_RET_ERRNO | EPERM)
#define X32_CALLS 0x40000000 /* on x86-64: from here on */
#define SKIPPED 0xffffffff   /* a call that a tracer takes away */

/* The kernel looks at the lower half of what is an int to it, and so do we. */
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define LOW_HALF 4
#else
#define LOW_HALF 0
#endif

struct fence {
    struct sock_filter steps[MOST];
    unsigned short count;
};

/* ---- steps ------------------------------------------------------------------------- */

static void add(struct fence *fence, struct sock_filter step)
{
    if (fence->count < MOST)
        fence->steps[fence->count++] = step;
}

static void load(struct fence *fence, size_t at)
{
    add(fence, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)at));
}

static void load_argument(struct fence *fence, unsigned which)
{
    load(fence, offsetof(struct seccomp_data, args) + which * 8 + LOW_HALF);
}

static void answer(struct fence *fence, uint32_t verdict)
{
    add(fence, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, verdict));
}

/* test: BPF_JEQ, BPF_JGE, BPF_JSET. */
static void answer_when(struct fence *fence, uint32_t verdict, unsigned short test,
                        uint32_t value)
{
    add(fence, (struct sock_filter)BPF_JUMP((unsigned short)(BPF_JMP | test | BPF_K),
                                            value, 0, 1));
    answer(fence, verdict);
}

static void refuse_unless(struct fence *fence, uint32_t value)
{
    add(fence, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 1, 0));
    answer(fence, REFUSE);
}

/* What comes until the end is for this call only, and ends with an answer. */
static size_t begin_call(struct fence *fence, long number)
{
    add(fence,
        (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)number, 0, 0));
    return fence->count - 1u;
}

static void end_call(struct fence *fence, size_t begin)
{
    fence->steps[begin].jf = (unsigned char)(fence->count - begin - 1);
}

static void refuse_call(struct fence *fence, long number)
{
    size_t call = begin_call(fence, number);

    answer(fence, REFUSE);
    end_call(fence, call);
}

/* Numbers of the processor's other kinds would be other calls: nobody here has a use for
 * them. */
static void begin(struct fence *fence)
{
    fence->count = 0;
    load(fence, offsetof(struct seccomp_data, arch));
    add(fence, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
                                            seccomp_arch_native(), 1, 0));
    answer(fence, SECCOMP_RET_KILL_PROCESS);
    load(fence, offsetof(struct seccomp_data, nr));
#if defined(__x86_64__) && !defined(__ILP32__)
    answer_when(fence, ALLOW, BPF_JEQ, SKIPPED);
    answer_when(fence, SECCOMP_RET_KILL_PROCESS, BPF_JGE, X32_CALLS);
#endif
}

static int raise_fence(struct fence *fence, struct err *err)
{
    struct sock_fprog program = { .filter = fence->steps };

    answer(fence, ALLOW);
    if (fence->count == MOST)
        return err_set(err, "sandbox: a fence is too long");
    program.len = fence->count;
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == -1)
        return err_sys(err, "sandbox: seccomp");
    return 0;
}

/* ---- the floor --------------------------------------------------------------------- */

static void keep_as_it_is(struct fence *fence, long number, int floor)
{
    size_t call = begin_call(fence, number);

    load_argument(fence, 0);
    answer_when(fence, ALLOW, BPF_JGE, (uint32_t)floor);
    answer(fence, REFUSE);
    end_call(fence, call);
}

/* Mends what somebody has shut; nobody opens a listener of his own. */
static void keep_listeners(struct fence *fence, int floor)
{
    size_t call = begin_call(fence, SYS_listen);

    load_argument(fence, 0);
    answer_when(fence, REFUSE, BPF_JGE, (uint32_t)floor);
    answer(fence, ALLOW);
    end_call(fence, call);
}

/* 0 may be copied. Whoever owns a descriptor is sent signals for it: nobody is made
 * to. */
static void keep_flags(struct fence *fence, long number, int floor)
{
    size_t call = begin_call(fence, number);

    load_argument(fence, 1);
    answer_when(fence, REFUSE, BPF_JEQ, F_SETOWN);
    answer_when(fence, REFUSE, BPF_JEQ, F_SETOWN_EX);
    load_argument(fence, 0);
    answer_when(fence, ALLOW, BPF_JGE, (uint32_t)floor);
    load_argument(fence, 1);
    answer_when(fence, REFUSE, BPF_JEQ, F_SETFL);
    load_argument(fence, 0);
    answer_when(fence, ALLOW, BPF_JEQ, STDIN_FILENO);
    load_argument(fence, 1);
    answer_when(fence, REFUSE, BPF_JEQ, F_DUPFD);
    answer_when(fence, REFUSE, BPF_JEQ, F_DUPFD_CLOEXEC);
    answer(fence, ALLOW);
    end_call(fence, call);
}

static void keep_blocking(struct fence *fence, long number, int floor)
{
    size_t call = begin_call(fence, number);

    load_argument(fence, 1);
    answer_when(fence, REFUSE, BPF_JEQ, FIOSETOWN);
    answer_when(fence, REFUSE, BPF_JEQ, SIOCSPGRP);
    load_argument(fence, 0);
    answer_when(fence, ALLOW, BPF_JGE, (uint32_t)floor);
    load_argument(fence, 1);
    answer_when(fence, REFUSE, BPF_JEQ, FIONBIO);
    answer(fence, ALLOW);
    end_call(fence, call);
}

static void keep_inherited(struct fence *fence, int floor)
{
    static const long calls[] = {
        SYS_shutdown, SYS_setsockopt, SYS_bind, SYS_connect, SYS_dup, SYS_dup3,
#ifdef SYS_dup2
        SYS_dup2,
#endif
    };

    for (size_t i = 0; i < ARRAY_LEN(calls); i++)
        keep_as_it_is(fence, calls[i], floor);
    keep_listeners(fence, floor);
    keep_flags(fence, SYS_fcntl, floor);
#ifdef SYS_fcntl64
    keep_flags(fence, SYS_fcntl64, floor);
#endif
    keep_blocking(fence, SYS_ioctl, floor);
}

static void keep_unconnected(struct fence *fence, long number, unsigned flags)
{
    size_t call = begin_call(fence, number);

    load_argument(fence, flags);
    answer_when(fence, REFUSE, BPF_JSET, MSG_FASTOPEN);
    answer(fence, ALLOW);
    end_call(fence, call);
}

/* ---- other processes --------------------------------------------------------------- */

/* Of the same user, as siblings are. */
static void keep_off(struct fence *fence)
{
    static const long calls[] = { SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev,
                                  SYS_setpriority, SYS_ioprio_set, SYS_sched_setscheduler,
                                  SYS_sched_setparam, SYS_sched_setattr };

    for (size_t i = 0; i < ARRAY_LEN(calls); i++)
        refuse_call(fence, calls[i]);
}

static void keep_signal(struct fence *fence, long number, unsigned signal)
{
    size_t call = begin_call(fence, number);

    load_argument(fence, 0);
    refuse_unless(fence, (uint32_t)getpid());
    load_argument(fence, signal);
    refuse_unless(fence, SIGABRT);
    answer(fence, ALLOW);
    end_call(fence, call);
}

static void keep_signals(struct fence *fence)
{
    static const long calls[] = { SYS_pidfd_send_signal, SYS_rt_sigqueueinfo,
                                  SYS_rt_tgsigqueueinfo };

    for (size_t i = 0; i < ARRAY_LEN(calls); i++)
        refuse_call(fence, calls[i]);
    keep_signal(fence, SYS_kill, 1);
    keep_signal(fence, SYS_tkill, 1);
    keep_signal(fence, SYS_tgkill, 2);
}

/* The kernel asks for the same user alone: siblings would be without descriptors, or all
 * on one processor. */
static void keep_to_oneself(struct fence *fence, long number)
{
    size_t call = begin_call(fence, number);

    load_argument(fence, 0);
    refuse_unless(fence, 0);
    answer(fence, ALLOW);
    end_call(fence, call);
}

/* ---- fences ------------------------------------------------------------------------ */

/* By what callers cause most often down. */
int fence_worker(const struct fence_gates *gates, struct err *err)
{
    struct fence fence;

    begin(&fence);
    if (!gates->may_connect) {
        keep_unconnected(&fence, SYS_sendto, 3);
        keep_unconnected(&fence, SYS_sendmsg, 2);
        keep_unconnected(&fence, SYS_sendmmsg, 3);
    }
    keep_inherited(&fence, gates->floor);
    keep_off(&fence);
    keep_to_oneself(&fence, SYS_prlimit64);
    keep_to_oneself(&fence, SYS_sched_setaffinity);
    if (!gates->has_children)
        keep_signals(&fence);
    return raise_fence(&fence, err);
}

int fence_child(struct err *err)
{
    struct fence fence;

    begin(&fence);
    keep_signals(&fence);
    return raise_fence(&fence, err);
}
