/*
 * Going to the background (-d): the caller waits until the daemon is ready, or has failed, and
 * ends with the status the daemon would have ended with.
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
/* Lets the parent end with this status; standard streams go to /dev/null once status is 0. */
void background_tell(struct background *background, int status);

#endif
