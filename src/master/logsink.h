/*
 * Where log lines end: standard error, a file, or syslog; as text or JSON. One per
 * process that has one: the master. Nothing here blocks: a line that the sink does not
 * take is dropped and counted, and the count is told with the next line that goes
 * through.
 */
#ifndef MASTER_LOGSINK_H
#define MASTER_LOGSINK_H

#include <stdbool.h>

#include "base/err.h"
#include "base/log.h"

/* to: "stderr", "syslog" or a file's absolute path. On failure the sink before stays. */
int logsink_open(const char *to, bool as_json, struct err *err);
/* Whether logsink_open() could open it now: a plan that it cannot be had for does not
 * run. */
int logsink_try(const char *to, struct err *err);
/* USR1: opens the file again, so that a rotated one is let go; nothing for other
 * sinks. */
int logsink_reopen(struct err *err);
void logsink_close(void); /* back to plain standard error */

bool logsink_is_stderr(void);

/* A line that somebody else logged, a worker: pid is named. */
void logsink_write(enum log_level level, const char *subject, const char *line, long pid);
/* Lines dropped since the start, workers' included (they say how many). */
unsigned long logsink_dropped(void);
void logsink_add_dropped(unsigned long count);

#endif
