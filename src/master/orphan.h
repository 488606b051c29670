/*
 * Children that outlived their worker. The master is a subreaper, so they are its own
 * now: they end with the rows of their pool, or by themselves. Until a wait child ends,
 * nobody else may read from the listener it has.
 */
#ifndef MASTER_ORPHAN_H
#define MASTER_ORPHAN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct pool;

#define ORPHAN_KILL_MS 5000 /* from SIGTERM to SIGKILL */
#define ORPHAN_LEAVE_MS 2000 /* from SIGKILL, when the daemon ends */
#define ORPHAN_SLOTS 8      /* of dead workers of a pool whose children live */

/* Takes the process over if it is ours and lives: a worker may say anything. Its end is
 * told by pools_on_orphan_end(). */
void orphan_adopt(struct pool *pool, pid_t pid);
/* Takes over whatever children of ours are new (master/stray): those of a worker of this
 * pool, or an orphan of it, that has just died. Where one of another pool who may fork
 * died at the same moment, nobody can say whose they are: then they end with the daemon,
 * not with a row. None of a wait row, whose children are told by name. */
void orphans_adopt_new(struct pool *pool);
/* The slot of a worker of this pool that has died and left children that share it, or may
 * have: it is given back when these have ended. Those of more than ORPHAN_SLOTS workers
 * are killed: slots have an end. After orphans_adopt_new(); was_mixed:
 * pools->strays.is_mixed before it. */
void orphans_keep_slot(struct pool *pool, int slot, bool was_mixed);
/* SIGTERM to the session of each after so long (negative: never), SIGKILL kill_ms after
 * that. */
void orphans_end(struct pool *pool, int64_t after_ms, int64_t kill_ms);
void orphans_signal(struct pool *pool); /* SIGKILL, now */
/* Of a pool that goes: the same, waits until pools->end_ms, says who did not end; nothing
 * is told. */
void orphans_kill(struct pool *pool);
bool orphan_wait(pid_t pid, int64_t until_ms); /* for a child that was killed; false:
                                                  still there */

#endif
