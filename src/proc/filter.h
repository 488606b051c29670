/*
 * The seccomp filter: the last door to close. Plugin processes have an allow-list: what
 * is not on it answers ENOSYS, as on a kernel that does not have it yet (clone3 among
 * them: libraries then fall back); what a plugin might try in good faith answers EACCES
 * or EPERM; what only an attacker asks for ends the process (SIGSYS). Programs have a
 * deny-list, which is inherited over exec.
 *
 * need       adds
 * files      open for reading, stat, read folders
 * passwd     the same; sockets of the family UNIX (name service caches); mapping code (its modules)
 * connect    sockets of the families INET and INET6, connect, bind
 * network    sockets of the family NETLINK
 * fork       clone without new namespaces, kill, sessions, limits, socketpair; so does mode = "fork"
 * view, hand_over   nothing: their descriptors are there
 */
#ifndef PROC_FILTER_H
#define PROC_FILTER_H

#include <stdbool.h>

#include "base/err.h"

struct filter {
    bool is_program;    /* the deny-list */
    bool may_trace;     /* programs: ptrace(), which sanitizers call when they end */
    unsigned needs;     /* USHER_NEEDS_... */
    bool has_children;
    bool may_fence;     /* its children narrow themselves once more, by proc/fence */
    bool may_map_code;  /* loads objects while it works */
    bool may_close;     /* will narrow itself once more */
    bool has_landlock;  /* who guards openat2(), whose flags no filter sees */
};

/* For ever, and for all children. Needs no_new_privs. */
int filter_close(const struct filter *filter, struct err *err);

#endif
