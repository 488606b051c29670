/*
 * The master's word: commands on the channel, and its end, which means that the master is
 * dead. Ending comes in three forms, all of them through flow->drained when the last
 * thing is gone:
 *
 *   drain   no new work; kept rows' connections stay, and so do their parked callers until they may
 *           start; others' connections have their time, their parked callers are turned
 *           away
 *   stop    no new work; everything is closed, children get TERM and soon KILL
 *   orphan  no new work; wait children get TERM, everything else stays until it ends
 */
#ifndef FLOW_ORDERS_H
#define FLOW_ORDERS_H

#include "flow/flow.h"

struct orders {
    struct flow *flow;
    struct watch watch, timer;
};

/* Watches the channel. */
int orders_open(struct orders *orders, struct flow *flow, struct err *err);
void orders_close(struct orders *orders);

#endif
