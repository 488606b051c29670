#include "proc/fence.h"

#include <errno.h>
#include <fcntl.h>
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

#define MOST 128 /* steps */
#define ALLOW SECCOMP_RET_ALLOW
#define REFUSE (SECCOMP_RET_ERRNO | EPERM)

/* The kernel looks at the lower half of what is an int to it, and so do we. */
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define LOW_HALF 4
#else
#define LOW_HALF 0
#endif

/* Other kinds of numbers than this processor's own are proc/filter's to refuse. */
struct fence {
    struct sock_filter steps[MOST];
    unsigned short count;
};

static void add(struct fence *fence, struct sock_filter step)
{
    if (fence->count < MOST)
        fence->steps[fence->count++] = step;
}

static void load_number(struct fence *fence)
{
    add(fence, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                                            offsetof(struct seccomp_data, nr)));
}

static void load_argument(struct fence *fence, unsigned which)
{
    unsigned at = (unsigned)offsetof(struct seccomp_data, args) + which * 8 + LOW_HALF;

    add(fence, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, at));
}

static void answer(struct fence *fence, uint32_t verdict)
{
    add(fence, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, verdict));
}

/* The next steps are for this call only. */
static void if_call(struct fence *fence, long number, unsigned char steps)
{
    add(fence, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)number, 0, steps));
}

/* The next step is taken when it holds; test: BPF_JEQ, BPF_JGE, BPF_JSET. */
static void when(struct fence *fence, unsigned short test, uint32_t value)
{
    add(fence, (struct sock_filter)BPF_JUMP((unsigned short)(BPF_JMP | test | BPF_K), value, 0, 1));
}

static int raise_fence(struct fence *fence, struct err *err)
{
    struct sock_fprog program = { .len = fence->count, .filter = fence->steps };

    if (fence->count == MOST)
        return err_set(err, "sandbox: a fence is too long");
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == -1)
        return err_sys(err, "sandbox: seccomp");
    return 0;
}

/* ---- the floor ------------------------------------------------------------------------------ */

static void keep_below(struct fence *fence, long number, int floor)
{
    if_call(fence, number, 4);
    load_argument(fence, 0);
    when(fence, BPF_JGE, (uint32_t)floor);
    answer(fence, ALLOW);
    answer(fence, REFUSE);
}

/* These commands alone, and 0 may be copied. */
static void keep_flags(struct fence *fence, long number, int floor)
{
    if_call(fence, number, 15);
    load_argument(fence, 0);
    when(fence, BPF_JGE, (uint32_t)floor);
    answer(fence, ALLOW);
    load_argument(fence, 1);
    when(fence, BPF_JEQ, F_SETFL);
    answer(fence, REFUSE);
    when(fence, BPF_JEQ, F_DUPFD);
    add(fence, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JA, 3, 0, 0));
    when(fence, BPF_JEQ, F_DUPFD_CLOEXEC);
    add(fence, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JA, 1, 0, 0));
    answer(fence, ALLOW);
    load_argument(fence, 0);
    when(fence, BPF_JEQ, 0);
    answer(fence, ALLOW);
    answer(fence, REFUSE);
}

static void keep_blocking(struct fence *fence, long number, int floor)
{
    if_call(fence, number, 7);
    load_argument(fence, 0);
    when(fence, BPF_JGE, (uint32_t)floor);
    answer(fence, ALLOW);
    load_argument(fence, 1);
    when(fence, BPF_JEQ, FIONBIO);
    answer(fence, REFUSE);
    answer(fence, ALLOW);
}

static void keep_unconnected(struct fence *fence, long number, unsigned flags)
{
    if_call(fence, number, 4);
    load_argument(fence, flags);
    when(fence, BPF_JSET, MSG_FASTOPEN);
    answer(fence, REFUSE);
    answer(fence, ALLOW);
}

int fence_floor(int floor, bool may_connect, struct err *err)
{
    static const long calls[] = {
        SYS_shutdown, SYS_setsockopt, SYS_bind, SYS_connect, SYS_listen, SYS_dup, SYS_dup3,
#ifdef SYS_dup2
        SYS_dup2,
#endif
    };
    struct fence fence = { .count = 0 };

    load_number(&fence);
    if (!may_connect) {
        keep_unconnected(&fence, SYS_sendto, 3);
        keep_unconnected(&fence, SYS_sendmsg, 2);
        keep_unconnected(&fence, SYS_sendmmsg, 3);
    }
    for (size_t i = 0; i < ARRAY_LEN(calls); i++)
        keep_below(&fence, calls[i], floor);
    keep_flags(&fence, SYS_fcntl, floor);
#ifdef SYS_fcntl64
    keep_flags(&fence, SYS_fcntl64, floor);
#endif
    keep_blocking(&fence, SYS_ioctl, floor);
    answer(&fence, ALLOW);
    return raise_fence(&fence, err);
}

/* ---- the child ------------------------------------------------------------------------------ */

static void keep_to_itself(struct fence *fence, long number, unsigned signal)
{
    if_call(fence, number, 6);
    load_argument(fence, 0);
    add(fence, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)getpid(), 0, 3));
    load_argument(fence, signal);
    when(fence, BPF_JEQ, SIGABRT);
    answer(fence, ALLOW);
    answer(fence, REFUSE);
}

int fence_child(struct err *err)
{
    struct fence fence = { .count = 0 };

    load_number(&fence);
    if_call(&fence, SYS_pidfd_send_signal, 1);
    answer(&fence, REFUSE);
    keep_to_itself(&fence, SYS_kill, 1);
    keep_to_itself(&fence, SYS_tkill, 1);
    keep_to_itself(&fence, SYS_tgkill, 2);
    answer(&fence, ALLOW);
    return raise_fence(&fence, err);
}
