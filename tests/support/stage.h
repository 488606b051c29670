/* What tests of flow/ need of a worker: its loop and its page, without a process. */
#ifndef SUPPORT_STAGE_H
#define SUPPORT_STAGE_H

#include <stdint.h>

#include "base/clock.h"
#include "flow/flow.h"
#include "flow/page.h"
#include "flow/peer.h"

#define STAGE_DEADLINE_MS 10000

/* A row of 100 connections without deadlines; borrows name. */
struct plan_service stage_service(char *name);

/* A caller from there, an address in figures; which source he is, admit_find() says. */
struct peer stage_peer(const char *host);

/* Pages, of which flow has one; to be closed by the test. Before stage_open(). */
void stage_pages(struct flow *flow, struct pages **pages);
void stage_open(struct flow *flow, const struct plan *plan);
void stage_close(struct flow *flow);

/* What is ready now, what comes within so many milliseconds, and what follows from it at
 * once. */
void stage_turn(struct flow *flow, int64_t ms);
/* One of a millisecond; after end_ms the test fails. */
void stage_turn_before(struct flow *flow, int64_t end_ms);

#define STAGE_UNTIL(flow, condition)                                                     \
    for (int64_t end_ms = clock_ms() + STAGE_DEADLINE_MS; !(condition);                  \
         stage_turn_before(flow, end_ms))

/* A connection over loopback: yields the worker's end, which does not block. */
int stage_connection(int *ours);

#endif
