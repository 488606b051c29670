/*
 * Pools: the services that share an identity, and their workers. A change of plan is a
 * transaction: pools_prepare() starts a new generation of every pool that changed and
 * tells when all of it is ready; then pools_commit() puts it in charge and drains the old
 * one, or pools_abandon() ends it and nothing happened.
 *
 *   fresh  --commit-->  running  --commit of a plan without it-->  leaving  --last end-->
 *     gone \--abandon--> leaving
 *
 * Files: pools.c what becomes of workers, and the end; change.c the transaction;
 * rowstate.c what is told of a row.
 */
#ifndef MASTER_POOLS_H
#define MASTER_POOLS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>

#include "base/list.h"
#include "conf/plan.h"
#include "flow/page.h"
#include "loop/loop.h"
#include "master/blame.h"
#include "master/doors.h"
#include "master/listeners.h"
#include "master/member.h"
#include "master/numbers.h"
#include "master/pool.h"
#include "master/stray.h"

/* All fresh workers were ready (reason NULL), or one could not start. From the loop, once
 * per successful pools_prepare() that was not abandoned. */
typedef void pools_fn(const char *reason, void *context);
typedef void pools_idle_fn(void *context);
/* A row is to move to a pool of its own (master/blame). Whether that was begun: then the
 * worker that died waits for its outcome, otherwise it starts again after a hold. */
typedef bool pools_move_fn(void *context);

/* A slot of the pages that children of its dead worker can write to: see
 * master/orphan. */
struct held_slot {
    const struct pool *pool; /* until it has no orphan; NULL: until there is no doubtful
                                one */
    int slot;
};

struct pools {
    struct loop *loop;
    struct pages *pages;
    const struct listeners *listeners;
    struct list running, fresh, leaving;
    struct doors doors;
    struct numbers pool_numbers, row_numbers;
    unsigned generation;
    int64_t hang_timeout, drain_timeout; /* ms; -1: none; of the plan that runs */
    const struct probe *probe; /* borrowed: what the sandboxes of workers can have */
    bool is_background;   /* workers have no standard streams */
    struct rlimit files;  /* what usherd was started with: workers, and their programs,
                             begin so */
    pools_fn *done;       /* while a change is being prepared */
    void *done_context;
    struct watch report;  /* tells done() from the loop, never from inside a call */
    char *reason;
    struct blames blames;
    long memory_kills;    /* fault_memory_kills(), when it was asked last */
    struct strays strays; /* children of ours that nobody waits for */
    size_t doubtful_count; /* orphans that may be another pool's */
    struct held_slot *held;
    size_t held_count;
    pools_move_fn *move;  /* NULL: no row is ever moved */
    void *move_context;
    int64_t end_ms;       /* pools_close(): until when it waits */
    pools_idle_fn *idle;  /* after pools_drain() or pools_stop(): nobody is left */
    void *idle_context;
};

int pools_open(struct pools *pools, struct loop *loop, const struct listeners *listeners,
               struct err *err);
void pools_close(struct pools *pools); /* kills whoever is left, waits for a moment, says
                                          who stays */

/* Gives every row of the plan its number, and starts what changed. Listeners are
 * prepared. old is NULL at the start. -1: nothing was started, done() will not be
 * called. */
int pools_prepare(struct pools *pools, const struct plan *old, struct plan *fresh,
                  pools_fn *done, void *context, struct err *err);
void pools_commit(struct pools *pools, const struct plan *old, const struct plan *fresh);
/* After the commit of a table that was read: what kept pools were held for may be mended,
 * in what the table does not show (a plugin's file). */
void pools_forgive(struct pools *pools);
/* Workers that were ready may have callers already: those have drain_timeout. */
void pools_abandon(struct pools *pools);
/* No row is being moved any more: workers that wait for it start again, after a hold. */
void pools_stop_waiting(struct pools *pools);

/* Take no new work; idle() comes when the last worker is gone. */
void pools_drain(struct pools *pools, int64_t timeout_ms, pools_idle_fn *idle,
                 void *context);
void pools_stop(struct pools *pools); /* the same, at once; after or instead of
                                         pools_drain() */

/* What is known of one row: for `usherctl list` and `usherctl status`. */
struct pools_row_state {
    const char *pool;    /* the name of the pool that serves it; "-": none does. Borrowed,
                            until the loop goes on */
    unsigned generation; /* of that pool; 0: none */
    const char *state;   /* "off" (not enabled), "ready" (a worker serves), "starting",
                            "held" (none serves, see held_ms); at the end "draining", or
                            "idle" (none is left) */
    unsigned workers;    /* of that pool: those that serve or are being started */
    unsigned draining;   /* workers of older generations that still finish connections of
                            the row */
    unsigned blames;     /* how often it was blamed since the last reload */
    bool is_own;         /* for that it was moved to a pool of its own, until the next
                            reload */
    int64_t held_ms;     /* until the next try; 0 unless "held" */
};

/* service is a row of the plan that runs. Read-only, allocates nothing. */
void pools_row_state(const struct pools *pools, const struct plan_service *service,
                     struct pools_row_state *out);
/* For `usherctl list`: the running pool that serves this row, or NULL. */
const struct pool *pools_of(const struct pools *pools, const char *service);
/* Between pools.c and change.c. */
struct pool *pools_find(struct list *head, const char *key);
void pools_leave(struct pool *pool);  /* its plan may be freed from here on */
void pools_settle(struct pool *pool); /* one that is leaving goes with its last process;
                                         it may be gone afterwards */
/* of a wait row's listener */
bool pools_has_holder(const struct pools *pools, const struct pool *pool);
void pools_check_ready(struct pools *pools); /* tells done() when all that is fresh was */
/* From member.c and orphan.c only. The pool may be gone afterwards. */
void pools_on_member(struct member *member, enum member_event event, const char *text);
void pools_on_orphan_end(struct pool *pool);

#endif
