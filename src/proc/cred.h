/*
 * Becoming somebody, once and for good: groups, gid, uid, capability sets, no_new_privs; each
 * step checked, the result read back, the way back tried and found shut.
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
    bool keep_bounds; /* the bounding set stays: what it starts may be set-user-ID programs */
};

/* As root: becomes cred in every id and empties all five capability sets, unless cred is root
 * itself (then ids are set and capabilities stay). As an ordinary user: cred must be ourselves;
 * capability sets are emptied. Not dumpable afterwards. On failure the caller must _exit. */
int cred_become(const struct cred *cred, struct err *err);
int cred_no_new_privs(struct err *err);
/* Whether this process could change its identity at all (has CAP_SETUID). */
bool cred_can_change(void);

#endif
