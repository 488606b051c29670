/*
 * What this kernel, and this process's rights, have for a sandbox. Asked once, in the
 * master, before the first child; never assumed. Whatever is found here and then fails in
 * a worker ends that worker: it does not become ready.
 */
#ifndef PROC_PROBE_H
#define PROC_PROBE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

enum probe_part {
    PROBE_NNP,
    PROBE_SECCOMP,
    PROBE_LANDLOCK,
    PROBE_NET,
    PROBE_ROOT,
    PROBE_PARTS
};

struct probe {
    int landlock;        /* ABI; 0: none */
    bool has_seccomp;    /* filters, with the answers that ours give */
    bool has_nnp;
    bool has_net;        /* a network namespace can be made (tried in a child) */
    bool has_root;       /* empty_root is there, and CAP_SYS_CHROOT */
    bool can_change;     /* may change ids: what is missing above is not for want of
                            rights */
    int empty_root;      /* a folder that was deleted: nothing can be made in it; -1 */
    int why[PROBE_PARTS]; /* errno for a part that is lacking */
};

#define PROBE_EMPTY { .empty_root = -1 }

/* The part that only asks: for short-lived processes. -1: an error that passes (no
 * memory, no descriptors): what the kernel has is not known, and nobody should run on a
 * guess. */
int probe_kernel(struct probe *probe, struct err *err);
/* All of it; forks once and makes a folder for a moment. -1: as above, or the empty
 * root's folder could not be made although we may use it. */
int probe_open(struct probe *probe, struct err *err);
void probe_close(struct probe *probe);
/* "landlock=7 seccomp=yes nnp=yes net=yes root=yes ids=yes" */
char *probe_print(const struct probe *probe, char *out, size_t room);
/* The name of a part that a kernel of today would have and this one lacks; NULL: it has
 * it. What an ordinary user may not have anywhere is not counted. */
const char *probe_lack(const struct probe *probe, enum probe_part part);

#endif
