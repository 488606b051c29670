/* A row whose plugin answers in the worker's own loop. */
#ifndef FLOW_RUN_DISPATCH_H
#define FLOW_RUN_DISPATCH_H

#include "flow/listener.h"

/* Takes fd over. -1: no memory. */
int run_dispatch_stream(struct row *row, int fd, const struct peer *peer,
                        struct err *err);
/* Everything that is queued, within a budget, in batches. */
void run_dispatch_datagrams(struct listener *listener);

#endif
