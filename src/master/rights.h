/*
 * What the master keeps of root, and what it can give its workers to wear.
 */
#ifndef MASTER_RIGHTS_H
#define MASTER_RIGHTS_H

#include "base/err.h"
#include "proc/probe.h"

/* At the start: capabilities that are never used here are given up, and nobody may look
 * into our memory. The bounding set stays: programs of root with `privileges` get from it
 * what they need. */
int rights_reduce(struct err *err);
/* A line in the log, and a warning where the kernel lacks something. */
void rights_tell(const struct probe *probe);

#endif
