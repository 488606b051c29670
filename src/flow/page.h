/*
 * Pages: one memfd, made at boot, cut into slots; a worker writes its own slot and nothing else,
 * and reads its siblings'. Counts of a pool are sums over the slots of its live workers, old
 * generations included, so what a dead worker counted as active vanishes with its slot. The master
 * maps everything and writes only the directory (which slot belongs to which pool); it uses what
 * workers write as plain numbers.
 */
#ifndef FLOW_PAGE_H
#define FLOW_PAGE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "flow/peer.h"

#define PAGE_SLOTS 256
#define PAGE_ROWS 1024 /* plan_service.number is below this */

struct page_row {
    _Atomic uint64_t accepted;  /* connections taken in, or datagrams received */
    _Atomic uint64_t active;    /* connections (children) now */
    _Atomic uint64_t failed;    /* children that ended badly, run() that failed, resets */
    _Atomic uint64_t refused;   /* callers turned away */
    _Atomic uint64_t replied;   /* datagrams answered */
    _Atomic uint64_t dropped;   /* datagrams counted and not answered */
    _Atomic uint64_t bytes_in, bytes_out;
};

struct page { /* one slot */
    _Atomic uint32_t now_row;      /* 1 + the row whose callback runs now; 0: none */
    _Atomic uint32_t last_row;     /* the same, and stays when the callback has returned */
    _Atomic int64_t now_since_ms;  /* on the monotonic clock: when the last one began */
    struct peer now_peer;          /* may be torn; page_print_peer() makes text of it */
    struct page_row rows[PAGE_ROWS];
};

struct pages; /* the mapping; opaque */

/* Master: makes the region. */
int pages_open(struct pages **pages_out, struct err *err);
void pages_close(struct pages **pages);
int pages_take(struct pages *pages, uint32_t pool, struct err *err); /* a zeroed slot, or -1 */
void pages_give_back(struct pages *pages, int slot);
const struct page *pages_slot(const struct pages *pages, int slot);
/* Worker, once after the fork: maps its slot writable, everything else read-only for good. */
struct page *pages_attach(struct pages *pages, int slot, struct err *err);
/* The row's `active` over all live slots of this pool; constant for one worker. */
uint64_t pages_active(const struct pages *pages, uint32_t pool, unsigned row);

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
