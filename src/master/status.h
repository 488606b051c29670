/*
 * What usherd knows of itself, as records: the answers to `list` and `status`, made piece by
 * piece, so that one caller who asks for the whole of a large table costs neither much memory
 * nor a long turn of the loop. Everything is read from the plan, the pools and the pages at
 * that moment.
 *
 *   usherd version=... pid=N since=N up_ms=N state=ready|draining generation=N loop=...
 *          reload=idle|reading|starting log_dropped=N fds=N fds_limit=N           status only, first
 *   pool name=... generation=N state=running|starting|draining services=N workers=N sandbox=...
 *                                                                                 status only
 *   worker pool=... generation=N state=... pid=N up_ms=N now_service=... now_peer=... now_ms=N
 *                                                   status only; held: held_ms=N and no process
 *   service name=... way=... pool=... state=... active=N ...                      each row
 *   endpoints at=... at=...                                                       of the service before
 *   again                                                                         the table changed
 *                                                    meanwhile: what came before counts no more
 */
#ifndef MASTER_STATUS_H
#define MASTER_STATUS_H

#include <stdbool.h>
#include <stddef.h>

#include "wire/record.h"

struct master;
struct plan;

/* Where an answer is. */
struct status {
    bool has_workers;        /* status: the daemon, its pools and workers come first */
    const struct plan *plan; /* only compared; NULL: nothing was said yet */
    unsigned generation;     /* the plan's address alone could come again */
    size_t service;          /* the next one */
};

#define STATUS_LIST ((struct status){ .has_workers = false })
#define STATUS_WHOLE ((struct status){ .has_workers = true })

/* How workers wait: as the table says, or as the master, where it leaves that open. */
const char *status_loop_name(const struct master *master);

/* Adds the next piece: about 16 KiB, beyond that what belongs together. Whether more is to
 * come. */
bool status_more(struct status *status, const struct master *master,
                 struct record_out *out);

#endif
