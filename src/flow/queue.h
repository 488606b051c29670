/*
 * What stands first in a listener's queue, and whether it still does: how a wait child's
 * progress is seen from outside. Datagrams are told apart by the moment the kernel stamps
 * on them, streams by how many callers wait, which a caller that comes meanwhile can
 * hide: there the caller of this must have another sign before it believes that nothing
 * moved.
 */
#ifndef FLOW_QUEUE_H
#define FLOW_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

struct queue_mark {
    bool is_empty;
    int64_t stamp;  /* datagrams: ns */
    int64_t length; /* datagrams: bytes; streams: callers */
};

struct queue_mark queue_look(int fd, bool is_stream);
/* The same first item stands there. */
bool queue_is_same(struct queue_mark before, struct queue_mark now, bool is_stream);
/* Receives and forgets it, or accepts and closes it. The descriptor must be
 * non-blocking. */
void queue_drop_first(int fd, bool is_stream);
/* Somebody has shut it down, which holds for all who share it: readable for ever, with
 * nothing there. */
bool queue_is_shut(int fd);

#endif
