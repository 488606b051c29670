/*
 * A row whose plugin runs in a child of its own, once per connection or datagram: the
 * callbacks on a small loop, or a blocking run(). The child holds no listener; a
 * datagram's reply comes back over a socketpair, and the worker sends it.
 */
#ifndef FLOW_RUN_FORK_H
#define FLOW_RUN_FORK_H

#include "flow/listener.h"

/* Takes fd over. -1: no child could be started now. */
int run_fork_stream(struct row *row, int fd, const struct peer *peer, struct err *err);
void run_fork_datagrams(struct listener *listener);

#endif
