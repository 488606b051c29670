/*
 * Reload: from the table's bytes to the plan that runs, or to nothing changed. The first
 * plan at start goes the same way, from no plan at all.
 *
 *   IDLE -> READING (reader) -> STARTING (listeners opened, new generation) -> commit ->
 *   IDLE
 *              | mistakes           | one cannot be had                           ^
 *              +--------------------+------------- all undone, old plan runs -----+
 *
 * A request that comes meanwhile is remembered, and runs once after.
 */
#ifndef MASTER_RELOAD_H
#define MASTER_RELOAD_H

#include <stdbool.h>

#include "base/list.h"
#include "conf/source.h"
#include "master/reader.h"

struct master;

enum reload_result {
    RELOAD_DONE,
    RELOAD_TABLE_WRONG, /* exit 1 */
    RELOAD_SYSTEM_SAID_NO /* exit 3: bind, fork, permission, a reader that came to no
                             end */
};

/* mistakes are borrowed; with RELOAD_DONE they are none. */
typedef void reload_fn(enum reload_result result, const struct mistakes *mistakes,
                       void *context);

/* Somebody who wants to know; lives in its owner's struct. */
struct reload_waiter {
    struct list link;
    reload_fn *fn;
    void *context;
};

enum reload_state { RELOAD_IDLE, RELOAD_READING, RELOAD_STARTING };

struct reload {
    enum reload_state state;
    struct reader *reader;
    struct plan *fresh;
    bool again;
    bool is_move; /* STARTING the plan that runs, but for a row that gets a pool of its
                     own */
    bool was_announced; /* the service manager waits for "ready" */
    struct list waiting, next; /* for this run, and for the one after */
};

void reload_init(struct reload *reload);
/* waiter may be NULL. The answer comes from the loop, or from here when nothing can be
 * started. */
void reload_request(struct master *master, struct reload_waiter *waiter);
void reload_forget(struct reload_waiter *waiter); /* its owner goes away */
/* For pools.move; context is the master. Begins to move the rows to blame to pools of
 * their own, now or after what is under way; whether such a move is under way. */
bool reload_move(void *context);
void reload_cancel(struct master *master);        /* at the end: undoes what is under
                                                     way */

#endif
