/*
 * A row whose program gets the listener itself: on 0 and 1 and blocking, or, in systemd's
 * style, all listeners of the row from 3 up. The worker watches again when the child has
 * ended.
 *
 * A child that ends and leaves what woke it in the queue must not make us spin: the next
 * one starts 0.1 s later, then 0.2 s, and so on; after three in a row without progress
 * what stands first in the queue is thrown away, counted and said.
 *
 * A child may also shut the socket down, for everybody. TCP listens again when it has
 * ended. Of a UDP socket it is for good: nobody is started for it unless a datagram is
 * there, and that is looked at after 0.1 s, doubling up to 10 s. UNIX listeners are deaf
 * then, until usherd starts again.
 */
#ifndef FLOW_RUN_WAIT_H
#define FLOW_RUN_WAIT_H

#include "flow/listener.h"

void run_wait_ready(struct listener *listener);

#endif
