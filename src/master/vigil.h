/*
 * Whether a worker that should be serving is alive. A worker at rest is not looked at, so
 * that nobody wakes up for nothing: it says when it has become busy, and the kernel says
 * when it was stopped.
 */
#ifndef MASTER_VIGIL_H
#define MASTER_VIGIL_H

#include <stdbool.h>
#include <stdint.h>

#include "loop/loop.h"

struct member;

struct vigil { /* in a member */
    struct watch timer;
    bool said_busy;     /* since the last look */
    int64_t ping_ms;    /* when it was asked for a sign of life; 0: it gave it, or was not
                           asked */
    int64_t due_ms;     /* the next look */
    int64_t excused_ms; /* what it did before does not count: we did not run either */
    int64_t stopped_ms; /* since when it has been stopped; 0: it goes on */
};

void vigil_init(struct member *member);
void vigil_begin(struct member *member); /* it was started: reap_watch() is done */
void vigil_end(struct member *member);
void vigil_on_busy(struct member *member);
void vigil_on_pong(struct member *member);

#endif
