/*
 * Blame: which row made its worker die, or hang, and how often. The worker's page says whom it
 * served, and the worker may have written anything there: a row of the worker's own pool at most is
 * blamed. At the second blame within a minute the row is to move to a pool of its own, by a plan that is
 * the one that runs but for this row's pool key (master/reload does that). A reload forgets it all.
 */
#ifndef MASTER_BLAME_H
#define MASTER_BLAME_H

#include <stdbool.h>
#include <stdint.h>

#include "conf/plan.h"
#include "flow/page.h"

#define BLAME_WINDOW_MS 60000

struct blame {
    int64_t at_ms; /* the last one */
    unsigned count; /* since the last reload */
    bool must_move; /* to a pool of its own, as soon as that can be */
};

struct blames {
    struct blame rows[PAGE_ROWS]; /* by plan_service.number */
};

/* Notes one more; whether it is the second within a minute. */
bool blame_add(struct blames *blames, unsigned row, int64_t now_ms);
void blame_forget_all(struct blames *blames);
bool blame_wants_move(const struct blames *blames);

/* The same plan, drawn ports and rows' numbers included, in which every row that must move has a pool of
 * its own; nothing must move any more. The caller frees it. NULL: it cannot be had. */
struct plan *blame_plan(struct blames *blames, const struct plan *plan, struct err *err);
bool blame_is_own(const char *pool_key); /* of a row that was moved */
const char *blame_table_key(const char *pool_key); /* what the table made of the row, moved or not */

/* Whether the kernel has ended a process for lack of memory since this was last asked; false where it
 * does not say. Blames are for SIGKILL too then, which otherwise comes from outside. */
bool blame_memory_ran_out(void);

#endif
