/*
 * What must change between the plan that runs and a new one: per row, and per pool.
 */
#ifndef CONF_PLANDIFF_H
#define CONF_PLANDIFF_H

#include <stdbool.h>

#include "conf/plan.h"

enum plandiff_change {
    PLANDIFF_SAME,
    PLANDIFF_CHANGED,
    PLANDIFF_ADDED,
    PLANDIFF_REMOVED
};

/* Of the row `name`; rows are the same when everything about them is equal but file and
 * line. A disabled row counts as absent. */
enum plandiff_change plandiff_service(const struct plan *old, const struct plan *new_,
                                      const char *name);
/* Whether the pool with this key has the same rows, all unchanged, in both plans, and no
 * global setting that workers live by (workers, loop, hang_timeout, log.*, UDP ports
 * listened on) differs. Where its plugins hand connections over, the rows offered by
 * tcpmux and their pools are the same too. */
bool plandiff_pool_same(const struct plan *old, const struct plan *new_,
                        const char *pool_key);

#endif
