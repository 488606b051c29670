/*
 * A row whose program gets the listener itself: on 0 and 1 and blocking, or, in systemd's style, all
 * listeners of the row from 3 up. The worker watches again when the child has ended.
 *
 * A child that ends and leaves what woke it in the queue must not make us spin: the next one starts
 * 0.1 s later, then 0.2 s, and so on; after three in a row without progress what stands first in the
 * queue is thrown away, counted and said.
 */
#ifndef FLOW_RUN_WAIT_H
#define FLOW_RUN_WAIT_H

#include "flow/listener.h"

void run_wait_ready(struct listener *listener);

#endif
