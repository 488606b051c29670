/*
 * Whose fault the end of a worker is, by the notes in its page. They are a stranger's
 * word: a row of the worker's own pool is blamed at most.
 */
#ifndef MASTER_FAULT_H
#define MASTER_FAULT_H

#include <stdbool.h>
#include <stdint.h>

#include "flow/page.h"
#include "master/member.h"

/* How long the worker's last callback has been running, or how long ago it began. */
int64_t fault_spent_ms(const struct page *page);
/* The worker will be killed because of `what`: says in the log whom it served, sets
 * member->blame, and remembers it (master/blame), once for each worker. Old workers do
 * not count against a row that a reload has changed since. */
void fault_note(struct member *member, const char *what);
/* The same for one that ended. A SIGKILL that was not ours (member->was_ours) came from
 * outside, and nobody is to blame; unless the kernel ran out of memory, which then is the
 * callback's doing. */
void fault_note_end(struct member *member, int status);
bool fault_is_outside(const struct member *member, int status);
/* How many processes the kernel has ended for want of memory so far; -1: it does not
 * say. */
long fault_memory_kills(void);

#endif
