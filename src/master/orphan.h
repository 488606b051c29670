/*
 * Wait children that outlived their worker. The master is a subreaper, so they are its own now;
 * until such a child ends, nobody else may read from the listener it has.
 */
#ifndef MASTER_ORPHAN_H
#define MASTER_ORPHAN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct pool;

#define ORPHAN_KILL_MS 5000 /* from SIGTERM to SIGKILL */

/* Takes the process over if it is ours and lives: a worker may say anything. Its end is told by
 * pools_on_orphan_end(). */
void orphan_adopt(struct pool *pool, pid_t pid);
bool orphans_have(const struct pool *pool, pid_t pid);
/* SIGTERM to the session of each after so long (negative: never), SIGKILL kill_ms after that. */
void orphans_end(struct pool *pool, int64_t after_ms, int64_t kill_ms);
void orphans_kill(struct pool *pool); /* now, and waits for them; nothing is told */

#endif
