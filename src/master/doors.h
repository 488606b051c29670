/*
 * Doors: how a connection gets from tcpmux to another pool. A pool with rows marked
 * `tcpmux` has one, a SOCK_SEQPACKET pair that the master keeps like a listener: it
 * outlives workers, and reloads as long as the plan has the pool. The pool's workers hold
 * the receiving end, tcpmux's the sending one; nothing goes the other way, and the master
 * touches neither.
 */
#ifndef MASTER_DOORS_H
#define MASTER_DOORS_H

#include "base/err.h"
#include "base/list.h"
#include "conf/plan.h"

struct doors {
    struct list all;
};

struct door_ends {
    int send, receive; /* -1: the pool has no door */
};

void doors_init(struct doors *doors);
/* Makes those that the plan needs beside the ones there are. -1: nothing was made. */
int doors_prepare(struct doors *doors, const struct plan *plan, struct err *err);
/* closes what it does not need */
void doors_commit(struct doors *doors, const struct plan *plan);
void doors_abandon(struct doors *doors); /* closes what the last doors_prepare() made */
void doors_close(struct doors *doors);   /* all */
/* still owned here */
struct door_ends doors_of(const struct doors *doors, const char *pool_key);

#endif
