/*
 * Signals without handlers: blocked from the start of every process, read from a signalfd
 * in the loop. Children unblock them between fork and exec (proc/spawn).
 */
#ifndef LOOP_SIG_H
#define LOOP_SIG_H

#include <signal.h>
#include <sys/signalfd.h>

#include "base/err.h"
#include "loop/loop.h"

/* Called once per signal that came; SIGCHLD once for any number of children. */
typedef void sig_fn(const struct signalfd_siginfo *info, void *context);

struct sig {
    int fd;
    struct watch watch;
    sig_fn *fn;
    void *context;
};

#define SIG_EMPTY { .fd = -1 }

/* First thing in main(): blocks all that sig_open() may be asked for; all dispositions
 * default. */
int sig_block(struct err *err);
/* signals ends with 0. */
int sig_open(struct sig *sig, struct loop *loop, const int *signals, sig_fn *fn,
             void *context, struct err *err);
void sig_close(struct sig *sig, struct loop *loop);

#endif
