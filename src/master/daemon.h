/*
 * Going to the background (-d): the caller waits until the daemon is ready, or has
 * failed, and ends with the status the daemon would have ended with.
 */
#ifndef MASTER_DAEMON_H
#define MASTER_DAEMON_H

#include "base/err.h"

struct background {
    int fd; /* to the waiting parent; -1: we are in the foreground, or it was told */
};

#define BACKGROUND_EMPTY { -1 }

/* First thing, before any thread, watch or child. Returns in the child only. */
int background_start(struct background *background, struct err *err);
/* Puts /dev/null in the place of the standard streams: whoever reads what the caller
 * wrote must not wait for us. Workers do so from the start, the master once it is
 * ready. */
void background_forget_streams(void);
/* Lets the parent end with this status; 0: streams are forgotten. */
void background_tell(struct background *background, int status);

#endif
