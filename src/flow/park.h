/*
 * Where callers of a row wait whose source holds its share, or its max_per_source, or is ahead of its
 * rate_per_source: accepted, unread, without a slot, in the order in which they came. One starts as
 * soon as its source may have a slot; who waits for too long is turned away. At most PARK_PLACES a
 * row and worker, shared between sources as slots are: one source has at most 8/9 of them.
 *
 * The park's timer runs only while somebody waits.
 */
#ifndef FLOW_PARK_H
#define FLOW_PARK_H

#include "flow/admit.h"
#include "loop/loop.h"

#define PARK_PLACES 64
#define PARK_MS 30000     /* longer nobody waits */
#define PARK_RECHECK_MS 20 /* while slots are held by other workers */
#define PARK_SPARE_FILES 16 /* descriptors that parking leaves for slots */

struct listener;

struct parked {
    struct listener *listener; /* where it came in */
    struct peer peer;          /* its source is pinned */
    int fd;
    int64_t since_ms;
    enum admit_verdict why;
    bool is_greeted;
};

struct park { /* in a row */
    struct parked *places; /* PARK_PLACES, once there was somebody */
    size_t count;
    struct watch timer;
};

void park_init(struct row *row);
void park_fini(struct row *row); /* closes who is there */

/* Takes fd over. false: no place for this source; fd stays the caller's. */
bool park_add(struct listener *listener, int fd, const struct peer *peer,
              enum admit_verdict why);
bool park_has_place(const struct row *row);
/* Something was released: looks, a turn of the loop later, who may start. */
void park_wake(struct row *row);
/* The row takes no more callers: who waits was accepted, and starts now, whatever its share. */
void park_start_all(struct row *row);

#endif
