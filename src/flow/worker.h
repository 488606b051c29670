/*
 * A worker: one process of a pool. Becomes what its pool must be, loads its plugins,
 * opens its services, says "ready", and serves until it is told to drain or its channel
 * ends.
 *
 * Channel, master to worker:   drain keep=NAME... timeout_ms=N   stop accepting; connections of the
 *                                kept rows stay until they end by themselves, others N ms
 *                              stop                              end all connections and the process
 *                              watch service=NAME                a wait row may watch its listeners
 *                              ping                              answer, from the loop: do you hang?
 * Worker to master:            ready text=... | failed text=...  once, first; ready: its sandbox
 *                              busy                              served something after a second's rest
 *                              pong                              to "ping"
 *                              child service=NAME pid=N          a wait child was started (pid 0: ended)
 *                              drained                           drain is complete; exits with 0 next
 * Log channel (droppable):     log level=N subject=... text=... dropped=N
 */
#ifndef FLOW_WORKER_H
#define FLOW_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/plan.h"
#include "flow/page.h"
#include "proc/probe.h"

struct worker_listener {
    const struct plan_service *service;
    const struct endpoint *endpoint;
    int fd; /* inherited; the open file is shared with the master and siblings */
};

/* A row that hand_over() knows, and the way to it. */
struct worker_offer {
    const char *service;
    int fd; /* the sending end of its pool's door; rows of a pool share it */
};

/* Everything a new worker needs, in memory it inherits by the fork. */
struct worker_start {
    const struct plan *plan;
    const char *pool_name; /* for logs */
    uint32_t pool;         /* number in the pages' directory */
    unsigned generation;
    struct worker_listener *listeners;
    size_t listener_count;
    struct pages *pages;
    int slot;
    int channel, log; /* the worker's ends */
    bool hold_wait;   /* wait rows watch only after "watch" */
    int door;         /* the receiving end of the pool's own door; -1: none of its rows is
                         offered */
    struct worker_offer *offers; /* NULL unless its plugins hand connections over */
    size_t offer_count;
    const struct probe *probe; /* what the sandbox can have */
};

/* In the forked child, signals blocked: the whole life of a worker; the result is its
 * exit status (0 drained or stopped, 1 failed before ready). context is a struct
 * worker_start. */
int worker_main(void *context);

#endif
