/*
 * Blame: which row made its worker die, or hang, and how often. The worker's page says
 * whom it served, and the worker may have written anything there: at most a row of its
 * own pool is blamed. At the second blame within a minute the row moves to a pool of its
 * own, by a plan that is the one that runs but for this row's pool key (master/reload
 * applies it). A reload forgets it all.
 */
#ifndef MASTER_BLAME_H
#define MASTER_BLAME_H

#include <stdbool.h>
#include <stdint.h>

#include "conf/plan.h"
#include "flow/page.h"

#define BLAME_WINDOW_MS 60000

struct blame {
    int64_t at_ms;  /* the last one */
    unsigned count; /* since the last reload */
    bool must_move; /* to a pool of its own, as soon as that can be */
};

struct blames {
    struct blame rows[PAGE_ROWS]; /* by plan_service.number */
};

/* Notes one more; whether it is the second within a minute. */
bool blame_add(struct blames *blames, unsigned row, int64_t now_ms);
/* Says that the row moves with the next blame_plan(). */
void blame_move(struct blames *blames, unsigned row);
bool blame_wants_move(const struct blames *blames);
/* The plan with every row that must move in a pool of its own, otherwise the same: drawn
 * ports too. Nothing must move any more. NULL: it cannot be had. The caller frees it. */
struct plan *blame_plan(struct blames *blames, const struct plan *plan, struct err *err);
void blame_forget_all(struct blames *blames);

/* Whether rows with this pool key were moved, and what the table had made of it. */
bool blame_is_own(const char *pool_key);
const char *blame_table_key(const char *pool_key);
/* Whether the only difference between these two is that one of them was moved. */
bool blame_only_moves(const struct plan_service *before,
                      const struct plan_service *after);

#endif
