/*
 * Pages: one memfd, made at boot, cut into slots; a worker writes its own slot and
 * nothing else, and reads its siblings'. Counts of a pool are sums over the slots of its
 * live workers, old generations included, so what a dead worker counted as active
 * vanishes with its slot. The master maps everything and writes only the directory (which
 * slot belongs to which pool); it uses what workers write as plain numbers.
 */
#ifndef FLOW_PAGE_H
#define FLOW_PAGE_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "flow/peer.h"
#include "flow/sources.h"

#define PAGE_SLOTS 256
#define PAGE_ROWS 1024 /* plan_service.number is below this */
#define PAGE_REASONS 16

struct page_row { /* the first cache line is what every caller touches */
    _Atomic uint64_t accepted;  /* connections taken in, or datagrams received */
    _Atomic uint64_t active;    /* connections (children) now */
    _Atomic uint64_t failed;    /* children that ended badly, run() that failed, resets */
    _Atomic uint64_t refused;   /* callers and datagrams turned away: the sum of
                                   refused_by */
    _Atomic uint64_t replied;   /* datagrams answered */
    _Atomic uint64_t dropped;   /* datagrams counted and not answered: the sum of
                                   dropped_by */
    _Atomic uint64_t bytes_in, bytes_out;
    _Atomic uint64_t refused_by[PAGE_REASONS]; /* enum admit_verdict; admit_name() */
    _Atomic uint64_t dropped_by[PAGE_REASONS]; /* enum udp_verdict; udp_verdict_name() */
};

struct page { /* one slot */
    _Atomic uint32_t now_row;      /* 1 + the row whose callback runs now; 0: none */
    _Atomic uint32_t last_row;     /* the same, and stays when the callback has
                                      returned */
    _Atomic int64_t now_since_ms;  /* on the monotonic clock: when the last one began */
    struct peer now_peer;          /* may be torn; page_print_peer() makes text of it */
    _Atomic uint64_t files;        /* descriptors that all its connections may take */
    _Atomic uint32_t is_accepting; /* the worker takes callers: it has a share of the
                                      rates */
    alignas(64) struct page_row rows[PAGE_ROWS];
    alignas(64) struct sources sources;        /* flow/sources.h */
};

struct pages; /* the mapping; opaque */

/* Where things are in the memfd, in bytes. A slot is mapped by itself, and may not share
 * a page of the machine with another: all are multiples of unit, the size of its
 * pages. */
struct page_layout {
    size_t first, slot, all; /* slot 0, one slot, the whole */
};
struct page_layout page_layout(size_t unit);

/* Master: makes the region. */
int pages_open(struct pages **pages_out, struct err *err);
void pages_close(struct pages **pages);
/* a zeroed slot, or -1 */
int pages_take(struct pages *pages, uint32_t pool, struct err *err);
void pages_give_back(struct pages *pages, int slot);
/* Its worker is dead, and children of it may write there still: nobody's counts, and not
 * to be taken, until it is given back. */
void pages_hold(struct pages *pages, int slot);
const struct page *pages_slot(const struct pages *pages, int slot);
/* Worker, once after the fork: maps its slot writable, everything else read-only for
 * good. */
struct page *pages_attach(struct pages *pages, int slot, struct err *err);
/* The row's `active` over all live slots of this pool; constant for one worker. */
uint64_t pages_active(const struct pages *pages, uint32_t pool, unsigned row);
/* Whether the pool has live slots besides the caller's own. */
bool pages_has_others(const struct pages *pages, uint32_t pool);
/* How many of the pool's workers take callers; at least 1. */
unsigned pages_accepting(const struct pages *pages, uint32_t pool);
/* The accepting worker of the pool after the one in slot *slot_at, which begins with 0;
 * NULL: no more. */
const struct page *pages_next_accepting(const struct pages *pages, uint32_t pool,
                                        uint32_t *slot_at);
/* What a source holds in the pool's live slots, the caller's own aside (the master has
 * none). */
uint64_t pages_source_active(const struct pages *pages, uint32_t pool,
                             const struct source_key *key);
/* Drawn by pages_open(), the same for everybody who maps the pages. */
const struct sources_secret *pages_secret(const struct pages *pages);

/* Whom the callback serves that runs now, as addr_print_log() shows it; returns out. */
char *page_print_peer(const struct page *page, char *out, size_t room);

/* Atomic because a forked child counts its bytes in the row of its worker. */
static inline void page_add(_Atomic uint64_t *counter, uint64_t more)
{
    atomic_fetch_add_explicit(counter, more, memory_order_relaxed);
}

static inline void page_subtract(_Atomic uint64_t *counter, uint64_t less)
{
    atomic_fetch_sub_explicit(counter, less, memory_order_relaxed);
}

static inline uint64_t page_read(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

#endif
