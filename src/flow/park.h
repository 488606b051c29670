/*
 * Where accepted callers of a row wait, unread, without a slot. Sources take turns: a
 * caller's turn is the one after that of the last of its source who waits, or else the
 * one that is on now.
 *
 * At a limit: its source holds its share, or its max_per_source, or is ahead of its
 * rate_per_source, or all are ahead of the row's rate. It starts as soon as it may. At
 * most PARK_PLACES a row and worker.
 *
 * For a turn: a row whose callers cost a process each can be asked for more than the
 * worker can start in time. Then the kernel's queue would make everybody wait behind a
 * flood; so callers are taken out of it at once, and sources are served by turns, for
 * PARK_TURN_MS at a time. Who comes from a source that nobody waits of starts at once. At
 * most PARK_TURNS.
 *
 * Places are shared between sources as slots are: one source has at most 8/9 of them. Who
 * waits for too long is turned away. The park's timer runs only while somebody waits.
 *
 * A draining worker keeps the park of a kept row, and is drained when that is empty: who
 * waits there was accepted, and starts as the limits allow, which are the pool's over all
 * its generations. No caller is ever started past a limit.
 *
 * Who starts, and when, is decided in flow/turns.
 */
#ifndef FLOW_PARK_H
#define FLOW_PARK_H

#include "flow/admit.h"
#include "loop/loop.h"

#define PARK_PLACES 64
#define PARK_TURNS 1024
#define PARK_TURN_MS 5
#define PARK_MS 30000       /* longer nobody waits */
#define PARK_SWEEP_MS 10    /* so often who has left makes place */
#define PARK_SPARE_FILES 16 /* descriptors that parking leaves for slots */

struct listener;

struct parked {
    struct listener *listener; /* where it came in */
    struct peer peer;          /* its source is pinned */
    int fd;
    int64_t since_ms;
    uint64_t turn;
    bool is_for_turn, is_for_rate; /* is_for_rate: the row's */
    bool is_greeted;
};

struct park { /* in a row */
    struct parked *places; /* by their turns, and in the order in which they came */
    size_t count, room;
    size_t at_limit; /* of them, not for a turn */
    size_t at_rate;  /* of these, for the row's rate */
    uint64_t turn;   /* of the last who started */
    int64_t swept_ms;
    int64_t due_ms; /* of the timer, while that is on */
    struct watch timer;
};

void park_init(struct row *row);
void park_fini(struct row *row); /* closes who is there */

/* Takes fd over. why: ADMIT_TURN, or a limit. false: no place for this source; fd stays
 * the caller's. */
bool park_add(struct listener *listener, int fd, const struct peer *peer,
              enum admit_verdict why);
/* At a limit, for a source that has none here. */
bool park_has_place(const struct row *row);
/* Makes one for it where all are taken: the last of whoever has most here goes. */
bool park_make_place(struct row *row);
/* The next slot is for this one, whom park_add() took over. */
void park_put_first(struct row *row, int fd);
/* Somebody waits of peer's source. */
bool park_has_source(const struct row *row, const struct peer *peer);
/* Something was released: looks, a turn of the loop later, who may start. */
void park_wake(struct row *row);
/* Nobody of the row starts here any more: who waits hears banner_busy. */
void park_turn_away(struct row *row);

/* The peer has reset its connection, or closed both sides and left nothing to read: it is
 * not worth a process. */
bool park_has_left(int fd);

/* ---- for flow/turns ---------------------------------------------------------------- */

/* Looks then, or before that: the timer is never put off. */
void park_look_at(struct row *row, int64_t at_ms);
void park_take_out(struct row *row, size_t index); /* its fd is the caller's now */
/* Turned away: it hears banner_busy and is counted under the verdict. */
void park_refuse(struct row *row, size_t index, enum admit_verdict verdict);

#endif
