/*
 * Sockets that have said everything: our side is shut, the peer's is not yet. Closing one
 * that has unread input would make the kernel reset it, and the peer could lose the
 * reply; so each is kept, its input thrown away, until the peer ends too or a short time
 * is over. Most end within a moment: they cost one look and never meet the loop.
 */
#ifndef FLOW_FAREWELL_H
#define FLOW_FAREWELL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "loop/loop.h"

#define FAREWELL_MS 2000            /* longer nobody stays */
#define FAREWELL_FRESH_MS 5         /* before the first look */
#define FAREWELL_BYTES (1024 * 1024) /* more input than this ends it */
#define FAREWELL_MAX 1024           /* beyond it the oldest is closed */

struct farewell {
    struct loop *loop;
    struct list fresh;   /* not looked at yet, oldest first */
    struct list watched; /* in the loop, oldest first */
    size_t count;
    struct watch timer;
    void (*emptied)(void *context); /* the last one is gone; may be NULL */
    void *context;
};

void farewell_init(struct farewell *farewell, struct loop *loop);
void farewell_fini(struct farewell *farewell); /* closes all */
/* Takes fd over, shuts our side. is_packets: an empty read may be an empty packet. */
void farewell_add(struct farewell *farewell, int fd, int64_t now_ms, bool is_packets);

#endif
