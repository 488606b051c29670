/*
 * Who must go when no slot of a row is left: a connection that has said nothing since it
 * was opened, of the source that holds most. Only rows that are served by callbacks have
 * any; who has said something, programs and children are never touched. Called in the
 * worker, with a newcomer at hand: by intake, by the door, and by the park for who waits
 * there.
 */
#ifndef FLOW_SILENT_H
#define FLOW_SILENT_H

#include "flow/row.h"

/* Whether there is anybody to look at. */
static inline bool silent_exists(const struct row *row)
{
    return row->service->way == PLAN_WAY_DISPATCH && !list_is_empty(&row->silent);
}

/* No slot of the row is free: closes a silent connection of the source that holds most,
 * if it holds clearly more than newcomer's does, or if newcomer's holds none and that one
 * is older than a second. Says whether it did. Looks at the 16 oldest only. */
bool silent_make_room(struct row *row, const struct peer *newcomer);

#endif
