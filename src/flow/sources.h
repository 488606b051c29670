/*
 * Who holds how much: a table of sources in a worker's own page. Siblings, old
 * generations and the master read it as plain numbers (a torn read is a wrong number for
 * a moment, nothing else), so a count over the pool is the own entry and a look-up in
 * each sibling's table, and what a dead worker counted is gone with its page.
 *
 * A source is a row and 64 bits: an IPv4 address, the first half of an IPv6 one
 * (link-local: of its interface), the user of a UNIX peer. The table has a fixed part per
 * family, cut into sets of 8 entries; a keyed hash, its secret drawn once by the master,
 * says which set is whose, so that nobody can aim at a set. Nothing grows, nothing is
 * rehashed; a look-up is one hash and 8 comparisons.
 *
 * Overflow, by name: an entry that holds anything is never given away; among the others
 * of its set the one at rest for longest is (its rate starts anew). A source that finds
 * all 8 holding belongs to the CROWD: it has no entry, is not counted by source, and is
 * judged by the row's own limits alone. IPv4 is never crowded out by IPv6.
 */
#ifndef FLOW_SOURCES_H
#define FLOW_SOURCES_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "flow/peer.h"
#include "flow/rate.h"

#define SOURCES_WAYS 8
#define SOURCES_IP_SETS 4096 /* of each family: 32768 sources */
#define SOURCES_UNIX_SETS 64
#define SOURCES_SETS (2 * SOURCES_IP_SETS + SOURCES_UNIX_SETS)

struct source_entry { /* one is half a cache line */
    _Atomic uint64_t address;
    _Atomic uint32_t active; /* slots it holds: connections, children */
    _Atomic uint16_t row;    /* 1 + the row; 0: never used */
    uint16_t pinned;         /* callers of its that wait: it must stay */
    struct bucket bucket;    /* of rate_per_source; since_ms is also when it was last
                                here */
};

struct sources {
    struct source_entry sets[SOURCES_SETS][SOURCES_WAYS];
};

struct source_key {
    uint64_t address;
    uint32_t set;
    uint16_t row;
};

struct sources_secret {
    uint64_t words[2];
};

/* uid: of a UNIX peer; ignored for others. */
struct source_key sources_key(const struct sources_secret *secret, unsigned row,
                              const struct peer *peer, uint32_t uid);
/* The entry's number, from 1, there from now on for as long as it holds something; 0: the
 * crowd. */
uint32_t sources_find(struct sources *sources, const struct source_key *key,
                      int64_t now_ms);
/* What it holds in this table, which may be another process's. */
uint64_t sources_active(const struct sources *sources, const struct source_key *key);

/* An entry by its number, which is not 0. */
static inline struct source_entry *sources_at(struct sources *sources, uint32_t number)
{
    return &sources->sets[0][0] + (number - 1);
}

static inline uint32_t source_active(const struct source_entry *source)
{
    return atomic_load_explicit(&source->active, memory_order_relaxed);
}

/* One writer: no read-modify-write needed. */
static inline void source_hold(struct source_entry *source)
{
    atomic_store_explicit(&source->active, source_active(source) + 1,
                          memory_order_relaxed);
}

static inline void source_let_go(struct source_entry *source)
{
    uint32_t active = source_active(source);

    if (active > 0)
        atomic_store_explicit(&source->active, active - 1, memory_order_relaxed);
}

#endif
