/*
 * What the kernel says of another process, against what it should have become: its own
 * word is not enough, since a plugin can send it.
 */
#ifndef PROC_WITNESS_H
#define PROC_WITNESS_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

struct witness {
    uid_t uid;
    gid_t gid;
    bool is_poor;     /* no capability in any set that counts */
    bool is_final;    /* no_new_privs */
    unsigned filters; /* of seccomp, at least, beyond those that we have ourselves */
};

/* -1: one of them is not so; err says which. Where /proc does not show the process
 * (hidepid) nothing is known, and it passes. */
int witness_check(pid_t pid, const struct witness *witness, struct err *err);

#endif
