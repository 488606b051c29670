/* A row whose program is started once per connection, with the socket on 0 and 1. */
#ifndef FLOW_RUN_EXEC_H
#define FLOW_RUN_EXEC_H

#include "flow/env.h"
#include "flow/row.h"

/* Takes fd (blocking) over. -1: the system is short of something; fd stays the caller's.
 * A program that cannot be started at all costs its caller the connection, counted and
 * said. */
int run_exec_stream(struct row *row, struct env *env, int fd, const struct peer *peer,
                    struct err *err);

#endif
