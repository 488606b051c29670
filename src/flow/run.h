/*
 * The one road on which a connection starts, wherever it came in: accepted by a listener,
 * or handed over through the door.
 */
#ifndef FLOW_RUN_H
#define FLOW_RUN_H

#include "flow/env.h"
#include "flow/row.h"

/* Programs and blocking plugins get a socket as they expect it; the others' is
 * non-blocking. */
bool run_is_blocking(const struct row *row);
/* 0: served, or its caller is gone; -1: not now (a shortage), fd is still the caller's.
 * env is used by programs only. */
int run_stream(struct row *row, struct env *env, int fd, const struct peer *peer,
               struct err *err);

#endif
