/*
 * One pool: the services that share an identity, their listeners, their workers.
 */
#ifndef MASTER_POOL_H
#define MASTER_POOL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/list.h"
#include "base/log.h"
#include "conf/plan.h"
#include "flow/worker.h"
#include "master/member.h"

struct pools;

/* What is known of a row for as long as the pool lives, longer than its plan does. */
struct pool_row {
    char *name;
    unsigned number; /* in the pages */
    bool must_go;    /* leaving: changed or removed, so its connections have a deadline */
};

struct pool {
    struct list link;
    struct pools *pools;
    uint32_t number;     /* in the pages' directory; pools are never 0 there */
    unsigned generation;
    char *key, *name;
    const struct plan *plan; /* what it runs for; borrowed; NULL once it is leaving */
    struct pool_row *rows;
    size_t row_count;
    struct worker_listener *listeners; /* rows and endpoints of the plan: gone with it */
    ino_t *sockets;      /* beside listeners: which socket, for as long as the pool
                            lives */
    size_t listener_count;
    struct member *members;
    size_t member_count;
    struct list orphans; /* wait: children of a worker that died */
    bool is_fresh;       /* of the plan that is being prepared */
    bool is_kept;        /* unchanged in the plan that is being prepared */
    bool is_own;         /* of a row that was moved: see master/blame.h */
    int64_t child_ms;    /* the longest total_timeout of plugins' children; -1: none */
    bool is_wait;        /* a wait row: its listeners may be in a child's hands */
    bool is_held;        /* wait: an older child still has one of the listeners */
    bool is_leaving;
    struct log_limit hold_lines;
    bool is_ending;      /* leaving, and its orphans must end too */
};

static inline struct pool *pool_at(struct list *link)
{
    return CONTAINER(link, struct pool, link);
}

/* For the rows of the plan that have the key of `first`. Joins no list; starts
 * nothing. */
struct pool *pool_new(struct pools *pools, const struct plan *plan,
                      const struct plan_service *first, uint32_t number);
void pool_free(struct pool *pool); /* leaves its list; no process of it lives any more */
/* Points it at this plan's rows: for a new pool, and for one that a reload left alone. */
void pool_bind(struct pool *pool, const struct plan *plan);
/* -1: one worker could not be started; others may have been. A pool of its own is only
 * held. */
int pool_start(struct pool *pool, struct err *err);
/* To what the plan says. The sockets are shared, and a worker may listen again, to mend
 * what was shut: one may have shortened their queues. */
void pool_restore_queues(const struct pool *pool);
/* Takes no new work. keep: names of rows whose connections may stay, ends with NULL. */
void pool_drain(struct pool *pool, const char *const *keep, int64_t timeout_ms);
bool pool_lives(const struct pool *pool); /* a worker or an orphan does */
/* Every worker of it was, whatever became of it since. */
bool pool_was_ready(const struct pool *pool);
bool pool_has_row(const struct pool *pool, const char *name);
bool pool_shares_listener(const struct pool *a, const struct pool *b);

#endif
