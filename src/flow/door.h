/*
 * The receiving side of hand-over: callers who asked tcpmux for a row of this pool by its
 * name. Each comes as one packet of the pool's door, a record and a descriptor. What
 * comes is looked at as a stranger's: it must be a connected stream, its peer is asked
 * from the kernel, the row is looked up in our own plan and must be offered there; then
 * it is admitted by the row's own rules, hears the first line, and goes the road of every
 * accepted connection.
 *
 *   tcpmux to door:   caller service=NAME   + the connection
 *   to the caller:    DOOR_YES, or one of the others, and the end
 */
#ifndef FLOW_DOOR_H
#define FLOW_DOOR_H

#include "base/err.h"

#define DOOR_YES "+Go\r\n" /* what inetd says */
#define DOOR_NONE "-Service not available\r\n"
#define DOOR_BUSY "-Service busy\r\n"

struct flow;

/* Takes fd over, which may be -1: the pool has no door. Rows and listeners are open. */
int door_open(struct flow *flow, int fd, struct err *err);
/* Takes no more, for good: who waits in it is served first. Also never opened. */
void door_close(struct flow *flow);
void door_free(struct flow *flow);

#endif
