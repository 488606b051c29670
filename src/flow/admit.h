/*
 * May this caller come in, now? One decision for everybody who takes callers in
 * (listener, door, park, datagrams), asked before anything is started for the caller, in
 * constant time, without allocating; a row without admission keys costs one look-up of
 * the source and no system call.
 *
 * In this order: access (allow, deny), hours, max_load, rate_per_source, max_per_source,
 * the share. max_connections and `rate` are looked at before a caller is accepted
 * (admit_room()): the queue of the one is the kernel's, that of the other the park.
 *
 * The share (no configuration): a source is given a slot only while it holds fewer than
 * ADMIT_SHARE times the slots that are still free. One flooder gets at most 8/9 of a row,
 * two 8/17 each; there is always room for another source. Rows of a worker share its
 * descriptors in the same way: a row may take as many more as leave it at ADMIT_SHARE
 * times those that are free then, and what a row may take is shared between its sources
 * once more, so that short of descriptors one flooder gets 79 % of them.
 *
 * Datagrams have no source that could be believed: an address that was not proved by a
 * handshake is anybody's, so nothing a datagram does is ever held against its address.
 * They are judged by access, hours, load and the row's `rate`, of which they have a
 * bucket of their own: nothing unproved takes from what callers with connections have.
 * Per-source keys do not look at them, and what they are judged leaves no trace but a
 * count.
 */
#ifndef FLOW_ADMIT_H
#define FLOW_ADMIT_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "base/err.h"
#include "conf/admission.h"
#include "conf/plan.h"
#include "flow/access.h"
#include "flow/page.h"
#include "flow/rate.h"

#define ADMIT_SHARE 8
#define ADMIT_LOAD_MS 1000 /* how long a load average stands */

struct dgram;
struct flow;
struct row;

/* Also an index of page_row.refused_by. */
enum admit_verdict {
    ADMIT_YES,
    ADMIT_DENIED,      /* by allow and deny */
    ADMIT_HOURS,       /* outside of hours */
    ADMIT_LOAD,        /* max_load */
    ADMIT_RATE,        /* the row's rate */
    ADMIT_SOURCE_RATE, /* rate_per_source */
    ADMIT_SOURCE,      /* max_per_source */
    ADMIT_SHARE_HELD,  /* the source holds its share of what is free */
    ADMIT_FULL,        /* max_connections */
    ADMIT_FILES,       /* the row holds its share of the worker's descriptors */
    ADMIT_TURN,        /* started by turns, and too many of its source wait already */
    ADMIT_WAITED,      /* was parked for too long, or left meanwhile; of a wait row: no
                          program took it from the queue */
    ADMIT_SILENT,      /* had said nothing, and another source needed the slot */
    ADMIT_VERDICTS
};

struct admit { /* in a row; zeroed: no key is set */
    struct access *access;
    struct admission_rate rate, source_rate;
    struct admission_hours *hours;
    size_t hours_count;
    unsigned max_load; /* hundredths; 0: none */
    struct bucket bucket; /* of rate */
    struct bucket datagrams; /* the same for them */
    bool has_rules;    /* any of access, hours, load */
    int64_t minute;    /* of the wall clock, for which is_open stands */
    bool is_open;
};

const char *admit_name(enum admit_verdict verdict); /* "share" */
/* Answered with banner_denied; all others with banner_busy. */
bool admit_is_denial(enum admit_verdict verdict);

/* Reads the row's keys. When the worker begins, before any caller. */
int admit_open(struct row *row, struct err *err);
void admit_close(struct row *row); /* also never opened */

/* Before accept(): YES; RATE, FULL or FILES. room_out: slots the row may still give.
 * While somebody waits for the row's rate, those who come have no part of it before
 * him. */
enum admit_verdict admit_room(struct row *row, uint64_t *room_out);
/* For one who waited. */
enum admit_verdict admit_room_again(struct row *row, uint64_t *room_out);
/* RATE: when it is worth asking again. */
int64_t admit_rate_wait_ms(const struct row *row);
/* An accepted stream. Leaves peer->source: with YES whoever starts it must do so before
 * the next caller is judged (row_take() holds the entry), after admit_spend(). */
enum admit_verdict admit_stream(struct row *row, int fd, struct peer *peer,
                                uint64_t room);
/* One who was judged before and waited: by what holds it alone, not by who it is. */
enum admit_verdict admit_again(struct row *row, const struct peer *peer, uint64_t room);
/* No slot is free: what else holds it. YES: nothing does, should somebody make room for
 * it. */
enum admit_verdict admit_but_for_room(struct row *row, const struct peer *peer);
/* One who was admitted and could not start at once: others may have come in since. */
bool admit_has_slot(const struct row *row, const struct peer *peer);
/* It starts now: takes its part of the rates. */
void admit_spend(struct row *row, const struct peer *peer);
/* Finds peer's entry, without judging it: for one that was admitted and could not start
 * at once. */
void admit_find(struct row *row, int fd, struct peer *peer);
/* After SOURCE_RATE: when it is worth asking again. */
int64_t admit_source_wait_ms(const struct row *row, const struct peer *peer);
/* How many slots of the row the peer's source holds, over the pool. */
uint64_t admit_held(const struct row *row, const struct peer *peer);

enum admit_verdict admit_datagram(struct row *row, const struct dgram *dgram);

/* ---- parts that explain needs too -------------------------------------------------- */

bool admit_hours_open(const struct admission_hours *hours, size_t count, time_t now);
unsigned admit_load_now(void); /* the machine's, in hundredths */

/* Descriptors that connections may still take in this worker. */
uint64_t admit_free_files(const struct flow *flow);
/* Of `free` descriptors, how many a row that has `live` may still take. */
uint64_t admit_part_of_files(uint64_t free, uint64_t live);

#endif
