/*
 * What people read of a pool, in `usherctl list` and in the log.
 */
#ifndef MASTER_POOL_NAME_H
#define MASTER_POOL_NAME_H

#include "conf/plan.h"

/* The name of the pool that serves this row of the plan; the caller owns it. The row's
 * `pool`, or who the pool is and what it may: "usher", "usher+files",
 * "usher-fork+passwd", "exec-nobody", "own-echo". Pools that would still have one name
 * are numbered from the second on, in the order of the table. */
char *pool_name(const struct plan *plan, const struct plan_service *service);

#endif
