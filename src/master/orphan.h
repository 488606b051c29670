/*
 * Children that outlived their worker. The master is a subreaper, so they are its own now: they end
 * with the rows of their pool, or by themselves. Until a wait child ends, nobody else may read from
 * the listener it has.
 */
#ifndef MASTER_ORPHAN_H
#define MASTER_ORPHAN_H

#include <stdint.h>
#include <sys/types.h>

struct pool;
struct pools;

#define ORPHAN_KILL_MS 5000 /* from SIGTERM to SIGKILL */

/* Once, before the first child: those that we have already (a shell's, that became usherd) are no
 * workers' children, nor are theirs, and are never taken over nor signalled. */
void orphans_note_strangers(struct pools *pools);
/* Takes the process over if it is ours and lives: a worker may say anything. Its end is told by
 * pools_on_orphan_end(). */
void orphan_adopt(struct pool *pool, pid_t pid);
/* Takes over whatever child of ours nobody waits for: those of a worker of this pool that has just
 * died. Needs /proc and a kernel with lists of children; finds none without. */
void orphans_adopt_all(struct pool *pool);
/* SIGTERM to the session of each after so long (negative: never), SIGKILL kill_ms after that. */
void orphans_end(struct pool *pool, int64_t after_ms, int64_t kill_ms);
void orphans_kill(struct pool *pool); /* now, and waits for them; nothing is told */

#endif
