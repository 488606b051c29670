/*
 * A child at work: for one connection, one datagram, or a listener lent to it. Every
 * child a worker starts is a job of its row: it holds a slot, is reaped, has its
 * total_timeout (TERM to its session, KILL five seconds later), and how it ended is
 * counted and said.
 */
#ifndef FLOW_JOB_H
#define FLOW_JOB_H

#include "flow/row.h"
#include "proc/reap.h"

#define JOB_KILL_MS 5000

struct job;

/* Reaped; freed when this returns. */
typedef void job_fn(struct job *job, int status);

struct job { /* the beginning of whatever its owner needs to know about it */
    struct child child;
    struct list link; /* in row->jobs or row->dying */
    struct row *row;
    pid_t pid; /* for the log: child forgets it when it is reaped */
    struct peer peer;
    int64_t started_ms, kill_ms;
    job_fn *ended; /* may be NULL */
};

void job_init(struct row *row);
/* size bytes, zeroed, of which the first are a struct job; made before the child is. peer
 * may be NULL. NULL: no memory, and nobody is started. */
void *job_new(struct row *row, size_t size, const struct peer *peer, job_fn *ended,
              struct err *err);
void job_start(struct job *job, pid_t pid); /* from here on it frees itself */
/* TERM to every session of the row; KILL to what is there after kill_after_ms. */
void job_stop_row(struct row *row, int64_t kill_after_ms);

#endif
