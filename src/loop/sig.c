#include "loop/sig.h"

#include <errno.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"

/* Signals that say our code is broken come from the processor and must kill at once; a
 * terminal's stop key should go on working. */
static const int left_alone[] = {SIGABRT, SIGBUS, SIGFPE,  SIGILL,
                                 SIGSEGV, SIGSYS, SIGTRAP, SIGTSTP};

/* Handlers do not survive exec, but "ignored" does, and our starter may have left
 * some. */
static void stop_ignoring(void)
{
    struct sigaction action, fresh = { .sa_handler = SIG_DFL };

    for (int number = 1; number < NSIG; number++)
        if (sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_IGN)
            sigaction(number, &fresh, NULL);
}

int sig_block(struct err *err)
{
    sigset_t set;

    stop_ignoring();
    sigfillset(&set);
    for (size_t i = 0; i < ARRAY_LEN(left_alone); i++)
        sigdelset(&set, left_alone[i]);
    if (sigprocmask(SIG_SETMASK, &set, NULL) == -1)
        return err_sys(err, "signals: block");
    return 0;
}

/* One read a turn is enough: what is left makes the descriptor readable again. */
static void signals_came(int fd, short what, void *context)
{
    struct sig *sig = context;
    struct signalfd_siginfo infos[8];
    ssize_t got = read(fd, infos, sizeof infos);

    (void)what;
    /* The callback may close sig. */
    for (size_t i = 0; got > 0 && i < (size_t)got / sizeof infos[0] && sig->fd != -1; i++)
        sig->fn(&infos[i], sig->context);
}

int sig_open(struct sig *sig, struct loop *loop, const int *signals, sig_fn *fn,
             void *context, struct err *err)
{
    sigset_t set;

    *sig = (struct sig)SIG_EMPTY;
    sig->fn = fn;
    sig->context = context;
    sigemptyset(&set);
    for (; *signals != 0; signals++)
        sigaddset(&set, *signals);
    if (sigprocmask(SIG_BLOCK, &set, NULL) == -1)
        return err_sys(err, "signals: block");
    sig->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (sig->fd == -1)
        return err_sys(err, "signals: signalfd");
    watch_init(&sig->watch, sig->fd, LOOP_READ, signals_came, sig);
    if (watch_start(loop, &sig->watch, err) == -1) {
        sig_close(sig, loop);
        return -1;
    }
    return 0;
}

void sig_close(struct sig *sig, struct loop *loop)
{
    if (sig->fd != -1)
        watch_stop(loop, &sig->watch);
    fd_close(&sig->fd);
}
