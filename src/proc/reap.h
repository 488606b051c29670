/*
 * Children and what became of them. On SIGCHLD the owner of the loop calls
 * reap_collect(), which waits for all that ended and tells whoever registered the pid;
 * strangers (a subreaper's) are logged at debug and forgotten. A pid is only ever
 * signalled while it is registered, that is before it was waited for, so a recycled
 * number cannot be hit.
 */
#ifndef PROC_REAP_H
#define PROC_REAP_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/list.h"

struct child;

/* status as from waitpid(). The child is no longer registered; it may be freed. */
typedef void reap_fn(struct child *child, int status, void *context);

/* It was stopped by a signal, or goes on. */
typedef void reap_stop_fn(struct child *child, bool is_stopped, void *context);

struct child { /* lives in its owner's struct */
    struct list link;
    pid_t pid; /* 0: none */
    reap_fn *fn;
    reap_stop_fn *on_stop; /* NULL: no news; set it after reap_watch() */
    void *context;
};

void reap_watch(struct child *child, pid_t pid, reap_fn *fn, void *context);
void reap_forget(struct child *child); /* its end will be nobody's business */
/* In a forked child: they are the parent's. Nothing is written into them: whoever owns
 * them must not ask for them any more. */
void reap_forget_all(void);
void reap_collect(void);
bool reap_is_watched(pid_t pid);
int reap_signal(const struct child *child, int signal);         /* the process; 0 or -1 */
int reap_signal_session(const struct child *child, int signal); /* its process group */
size_t reap_count(void);
/* "exit=3", "signal=11 (Segmentation fault)", for logs; returns out. */
char *reap_print(int status, char *out, size_t room);

#endif
