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
#include <stdint.h>

#include "base/err.h"

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
    _Atomic int64_t now_since_ms;  /* on the monotonic clock */
    char now_peer[64];             /* text, cut; escaped by whoever shows it */
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

#endif
