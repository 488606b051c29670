/*
 * A row as it runs in one worker: its part of the plan, its plugin or program, its
 * counters, its connections and its children.
 */
#ifndef FLOW_ROW_H
#define FLOW_ROW_H

#include <usher/service.h>

#include "base/err.h"
#include "base/list.h"
#include "base/log.h"
#include "conf/plan.h"
#include "flow/admit.h"
#include "flow/flow.h"
#include "flow/park.h"
#include "flow/peer.h"
#include "flow/refusal.h"
#include "flow/silent.h"
#include "loop/loop.h"
#include "plug/plug.h"

struct program; /* run_exec's and run_wait's */
struct service_tools;

/* Whether an attempt pays here, learnt from how it went. */
struct luck {
    int score; /* below 0: seldom */
    unsigned skipped;
};

struct row {
    struct flow *flow;
    const struct plan_service *service;
    struct page_row *counts;
    size_t live; /* our own connections and children */
    bool is_kept; /* draining: its connections end by themselves */

    struct plug plug;
    const struct usher_service *calls; /* the plugin's callbacks; NULL for programs */
    struct usher_instance instance;
    struct service_tools *tools; /* NULL until the plugin asks for one */
    bool is_open;
    bool is_packets; /* some of its streams are seqpacket sockets */
    struct program *program; /* NULL for plugins */

    struct list by_age;   /* all connections, oldest first */
    struct list silent;   /* those that have not said anything yet, oldest first */
    struct silence silence; /* more about them */
    struct list by_rest;  /* the others, the longest at rest first, while idle_timeout
                             asks */
    int64_t grain_ms;     /* how exactly by_rest is kept in order */
    struct watch deadline;
    int64_t due_ms;       /* of the timer */
    struct luck early;    /* of reading right after accept */
    struct luck brief;    /* of connections to end in the batch that opened them */

    struct list jobs;     /* children, oldest first */
    struct list dying;    /* children that were told to end */
    struct watch reaper;  /* total_timeout of jobs, KILL for dying ones */
    int64_t reap_due_ms;  /* of the timer */

    struct admit admit;     /* who may come in */
    struct park park;       /* who waits for a slot of its source's */
    struct refusal refusal; /* what is said about those who may not */
    size_t full_count;      /* listeners that wait for a slot */

    struct log_limit limit;      /* of lines about failures */
    struct log_limit wait_limit; /* of lines about resources */
};

/* Borrows flow and service until row_close(). Counts nothing yet. */
void row_init(struct row *row, struct flow *flow, const struct plan_service *service,
              struct page_row *counts);
/* Each of its connections costs a process, which the worker has to wait for. */
static inline bool row_is_dear(const struct row *row)
{
    return row->service->way == PLAN_WAY_EXEC || row->service->way == PLAN_WAY_FORK;
}

/* Descriptors of the worker that a connection takes: a program or a child has its own
 * copy; who connects for each has one more. */
static inline unsigned row_files(const struct row *row)
{
    if (row->service->way != PLAN_WAY_DISPATCH)
        return 0;
    return (row->service->needs & USHER_NEEDS_CONNECT) != 0 ? 2 : 1;
}

/* Loads the plugin and calls its open(). Unprivileged by now. */
int row_open(struct row *row, struct err *err);
void row_close(struct row *row); /* close(), frees; also never opened, or half */

/* Its plugin hands connections over: what data() does not use must stay in the socket. */
static inline bool row_hands_over(const struct row *row)
{
    return (row->calls->needs & USHER_NEEDS_HAND_OVER) != 0;
}

/* One connection or child more, on its source's account; one less, which may let the next
 * caller in. The same peer both times. */
void row_take(struct row *row, const struct peer *peer);
void row_release(struct row *row, const struct peer *peer);
bool row_is_full(const struct row *row);     /* max_connections, over all workers of the
                                                pool */
bool row_has_siblings(const struct row *row); /* other workers may hold its slots */
size_t row_free(const struct row *row);      /* slots left */

/* With log_connections: one line at the beginning, one at the end. */
void row_log_begin(const struct row *row, const struct peer *peer);
void row_log_end(const struct row *row, const struct peer *peer, int64_t ms,
                 const char *how);

#endif
