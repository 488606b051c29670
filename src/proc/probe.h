/*
 * What this kernel, and this process's rights, have for a sandbox. Asked once, in the master, before
 * the first child; never assumed. Whatever is found here and then fails in a worker ends that
 * worker: it does not become ready.
 */
#ifndef PROC_PROBE_H
#define PROC_PROBE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct probe {
    int landlock;        /* ABI; 0: none */
    bool has_seccomp;    /* filters, with the answers that ours give */
    bool has_nnp;
    bool has_net;        /* a network namespace can be made (tried in a child) */
    bool has_root;       /* empty_root is there, and CAP_SYS_CHROOT */
    bool can_change;     /* may change ids: what is missing above is not for want of rights */
    int empty_root;      /* a folder that was deleted: nothing can be made in it; -1 */
};

#define PROBE_EMPTY { .empty_root = -1 }

/* The part that only asks: for short-lived processes. */
void probe_kernel(struct probe *probe);
/* All of it; forks once and makes a folder for a moment. -1: the empty root's folder could not be
 * made although we may use it. */
int probe_open(struct probe *probe, struct err *err);
void probe_close(struct probe *probe);
/* "landlock=7 seccomp=yes nnp=yes net=yes root=yes ids=yes" */
char *probe_print(const struct probe *probe, char *out, size_t room);
/* What a kernel of today would have and this one lacks, as a list for people; "" where nothing is.
 * What is missing for want of rights is not counted. */
char *probe_print_lacks(const struct probe *probe, char *out, size_t room);

#endif
