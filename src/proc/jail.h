/*
 * The late chroot. Plugins are loaded with no privilege, and once they are, the root
 * directory must become empty, which takes CAP_SYS_CHROOT. So a helper that shares our
 * root directory (CLONE_FS) is started while we may still; it keeps that one capability,
 * waits for a word, goes in, and ends. It runs none of our later code, and ends as well
 * when we do.
 */
#ifndef PROC_JAIL_H
#define PROC_JAIL_H

#include <sys/types.h>

#include "base/err.h"
#include "proc/cred.h"

struct jail {
    pid_t pid;
    int fd;   /* to the helper; -1: there is none */
    int root; /* where to */
};

#define JAIL_EMPTY { .fd = -1, .root = -1 }

/* Borrows root, an open folder, until jail_enter() or jail_close(). cred: who the helper
 * becomes. */
int jail_start(struct jail *jail, int root, const struct cred *cred, struct err *err);
/* From here on "/" is the folder; read back. The helper is gone, waited for. */
int jail_enter(struct jail *jail, struct err *err);
void jail_close(struct jail *jail); /* accepts "never started" */

#endif
