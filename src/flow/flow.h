/*
 * What all of a worker's parts share: the loop, the plan, the counters' page, the rows it
 * serves and their listeners. One per process; a forked child goes on with its copy, on a
 * loop of its own.
 */
#ifndef FLOW_FLOW_H
#define FLOW_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/list.h"
#include "conf/plan.h"
#include "flow/farewell.h"
#include "flow/page.h"
#include "flow/udp.h"
#include "loop/loop.h"
#include "sock/dgram.h"

struct conn;
struct door;
struct listener;
struct row;
struct sandbox;
struct worker_offer;

#define FLOW_READ 65536u  /* bytes one read may bring */
#define FLOW_FRESH 64     /* connections of one batch */
#define FLOW_STAGE 4096   /* bytes of short writes that leave together */
#define FLOW_SPARE_FILES 32 /* descriptors that connections leave for other things */
#define FLOW_REST_MS 1000 /* after such a pause the worker tells the master that it is
                             busy */

struct flow {
    struct loop loop;
    const struct plan *plan;
    struct pages *pages;
    struct page *page; /* NULL in a forked child */
    uint32_t pool;
    int channel, log; /* -1: none */
    struct rlimit nofile; /* as we found it: for children */
    size_t files_limit; /* descriptors we may have, but for a reserve; 0: not known yet */
    const struct sandbox *sandbox; /* the worker's */
    int floor;          /* the first descriptor that nobody gave us: flow/floor.h */
    size_t files_base;  /* those that are no connections */
    size_t connections; /* descriptors of theirs: row_files() */
    size_t parked;      /* in all rows */
    unsigned load;      /* load average in hundredths, with max_load */
    int64_t load_until_ms; /* how long that stands */

    struct row *rows;
    size_t row_count;
    struct listener *listeners;
    size_t listener_count;

    struct door *door; /* where callers come who asked for a row by name; NULL: no row is
                          offered */
    const struct worker_offer *offers; /* whom hand_over() knows; the worker's */
    size_t offer_count;
    struct list handing;     /* connections for whom a door was full */
    struct watch hand_again; /* runs while there are */

    char *buffer; /* shared by all reads: FLOW_READ bytes behind max_input kept ones */
    size_t buffer_kept;
    struct dgram_batch *batch; /* NULL without datagram rows */
    int queued;   /* replies in it */
    const struct listener *asked; /* whose datagrams are in it */
    struct udp udp;
    struct farewell farewell;

    struct conn *current;  /* whose callback runs */
    size_t staged;         /* bytes of its output in stage */
    char stage[FLOW_STAGE];
    struct conn *fresh[FLOW_FRESH]; /* opened in this batch, not in the loop yet; NULL:
                                       ended */
    size_t fresh_count;
    struct list pending;   /* connections that were touched from elsewhere */
    struct list turn;      /* a mark in it, or in handing: where this turn ends */
    struct watch again;    /* runs when there are, or has_starved */
    bool has_starved;      /* some are over and not pending: there was no memory */
    int64_t busy_ms;       /* when something was last served */
    bool is_child;         /* forked, for one connection or datagram */
    bool is_draining;      /* accepts no more; ends when the last is gone */
    void (*drained)(struct flow *flow); /* nothing is left; called while draining only */
};

void flow_init(struct flow *flow); /* loop must be open */
/* Makes the read buffer, once the plugins' largest max_input is known. */
void flow_make_buffer(struct flow *flow, size_t max_input);
void flow_fini(struct flow *flow);
/* In a freshly forked child: lets go of everything that is the worker's, keeps one
 * descriptor (-1: none) and the log, unblocks signals, goes on with an empty solo
 * loop. */
int flow_become_child(struct flow *flow, int keep, struct err *err);

/* How many descriptors there are, and how many are taken by now. */
void flow_count_files(struct flow *flow);
void flow_say_busy(struct flow *flow);
/* Calls drained() when the worker drains and nothing is left. */
void flow_check_drained(struct flow *flow);

/* Whom it counts for, here; NULL: the crowd, or nobody counts. */
static inline struct source_entry *flow_source(const struct flow *flow,
                                               const struct peer *peer)
{
    return flow->page != NULL && peer->source != 0
               ? sources_at(&flow->page->sources, peer->source) : NULL;
}

/* Notes in the page whom we serve from now on; yields the time. */
static inline int64_t flow_enter(struct flow *flow, unsigned row, const struct peer *peer)
{
    int64_t now_ms = clock_ms();

    if (flow->page != NULL) {
        flow->page->now_peer = *peer;
        atomic_store_explicit(&flow->page->now_since_ms, now_ms, memory_order_relaxed);
        atomic_store_explicit(&flow->page->last_row, row + 1, memory_order_relaxed);
        atomic_store_explicit(&flow->page->now_row, row + 1, memory_order_release);
        if (now_ms - flow->busy_ms > FLOW_REST_MS)
            flow_say_busy(flow);
        flow->busy_ms = now_ms;
    }
    return now_ms;
}

static inline void flow_leave(struct flow *flow)
{
    if (flow->page != NULL)
        atomic_store_explicit(&flow->page->now_row, 0, memory_order_release);
}

#endif
