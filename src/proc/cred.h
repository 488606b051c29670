/*
 * Becoming somebody, once and for good: groups, gid, uid, capability sets, no_new_privs;
 * each step checked, the result read back, the way back tried and found shut.
 */
#ifndef PROC_CRED_H
#define PROC_CRED_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

struct cred {
    uid_t uid;
    gid_t gid;
    const gid_t *groups; /* supplementary */
    size_t group_count;
    bool keep_bounds; /* the bounding set stays: what it starts may be set-user-ID
                         programs */
    bool is_final;    /* securebits are set and locked: no program or id brings a
                         capability back */
};

/* As root: becomes cred in every id and empties all five capability sets, unless cred is
 * root itself (then ids are set and capabilities stay). As an ordinary user: cred must be
 * ourselves; capability sets are emptied. Not dumpable afterwards. On failure the caller
 * must _exit. */
int cred_become(const struct cred *cred, struct err *err);
/* The same, as root only, but one capability stays permitted and effective; no_new_privs
 * too. */
int cred_become_with(const struct cred *cred, unsigned capability, struct err *err);
int cred_no_new_privs(struct err *err);
/* For the master: permitted and effective shrink to what is listed and was held,
 * inheritable and ambient to nothing. The bounding set stays, so that programs of root
 * can be root. */
int cred_keep(const unsigned *capabilities, size_t count, struct err *err);
bool cred_has(unsigned capability); /* effective */
/* The same for who must know it: -1 where the kernel does not say. */
int cred_ask(unsigned capability, bool *has_out, struct err *err);
/* Whether this process could change its identity at all (has CAP_SETUID). */
bool cred_can_change(void);

#endif
