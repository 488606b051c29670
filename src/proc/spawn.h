/*
 * Starting processes. Two ways, and no other fork or exec in the program:
 *   spawn_fork   a copy of us that goes on in a function: reader, catalogue, workers, plugin
 *                children. Costs what fork costs.
 *   spawn_exec   a program, through clone(CLONE_VM | CLONE_VFORK): its cost does not grow with our
 *                memory. Everything the child does was computed before; it makes system
 *                calls only.
 */
#ifndef PROC_SPAWN_H
#define PROC_SPAWN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "base/err.h"

/* Runs in the child, with signals still blocked; its result is the exit status. */
typedef int spawn_fn(void *context);

struct spawn_fork {
    spawn_fn *fn;
    void *context;
    bool new_session;
    bool die_with_parent; /* SIGKILL when the parent dies; set by the child after its id
                             change by calling spawn_die_with_parent() again */
};

/* The child's pid, -1 on failure. The child keeps all descriptors: it closes what it must
 * not hold (fd_close_all_but) as its first act. */
pid_t spawn_fork(const struct spawn_fork *spawn, struct err *err);
int spawn_die_with_parent(pid_t parent); /* -1: the parent is gone already */

struct spawn_limit {
    int resource; /* RLIMIT_... */
    struct rlimit value;
};

struct spawn_exec {
    const char *path;         /* absolute */
    char *const *argv;
    char *const *envp;
    const int *fds;           /* fds[i] becomes descriptor i; all others are closed */
    size_t fd_count;          /* at least 3 */
    const struct spawn_limit *limits;
    size_t limit_count;
    uid_t uid;                /* what the child must be: checked in the child, never
                                 changed */
    gid_t gid;
    bool no_new_privs;
    char *pid_text;           /* 12 bytes inside an envp entry that get the child's pid,
                                 or NULL */
};

/* The child is its own session leader, has default signals and nothing blocked. -1: the
 * start or the exec failed; err names the step and the reason, and there is no child. */
pid_t spawn_exec(const struct spawn_exec *spawn, struct err *err);

#endif
