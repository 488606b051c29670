/*
 * Who must go when no slot of a row is left: a connection that has said nothing since it
 * was opened, of the source that holds most. Only rows that are served by callbacks have
 * any; who has said something, programs and children are never touched. Called in the
 * worker, with a newcomer at hand: by intake, by the door, and by the park for who waits
 * there.
 *
 * One whose descriptor the plugin has taken is silent as long as nothing has come in by
 * the kernel's count, which is looked at only here. It is shut down, and its slot is free
 * when the plugin gives it back: so the newcomer waits in the park, before everybody
 * else. One at a time leaves in this way.
 */
#ifndef FLOW_SILENT_H
#define FLOW_SILENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"

struct peer;
struct row;

enum silent_answer {
    SILENT_NOBODY,  /* has to go for this newcomer */
    SILENT_GONE,    /* a slot is free */
    SILENT_TOLD,    /* one will be, for this newcomer */
    SILENT_LEAVING, /* one is to be, for an earlier one: ask again */
};

struct silence { /* in a row */
    struct list *hand;   /* in row->silent, where the last search ended; NULL: nowhere */
    struct list taken;   /* by_rest of those whose descriptor was taken while silent */
    struct list leaving; /* of these, who was told to go */
    int64_t told_ms;
};

void silent_init(struct row *row);

/* Whether there is anybody to look at. */
bool silent_exists(const struct row *row);

/* No slot of the row is free: ends a silent connection of the source that holds most, if
 * it holds clearly more than newcomer's does, or if newcomer's holds none and that one is
 * older than a second. Constant time: looks at the oldest and the newest, and at so many
 * others, going round, that one who holds a good part of a row's silent connections is
 * found. */
enum silent_answer silent_make_room(struct row *row, const struct peer *newcomer);

#endif
