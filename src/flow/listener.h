/*
 * An open endpoint in a worker: readiness becomes connections (flow/intake) or batches of
 * datagrams, within a budget. The descriptor's open file is shared with the master and
 * other workers.
 *
 *          open <-----> paused    out of descriptors, memory or processes, or ahead of `rate`: a
 *           |                     moment later again
 *           | ^------> full      max_connections: until one ends
 *           | `------> lent      wait: until the child ends
 *           v
 *         closed                 draining; for good
 */
#ifndef FLOW_LISTENER_H
#define FLOW_LISTENER_H

#include "base/err.h"
#include "flow/env.h"
#include "flow/row.h"
#include "sock/endpoint.h"

#define LISTENER_PAUSE_MS 50
#define LISTENER_RECHECK_MS 20 /* while full because of other workers */
#define LISTENER_SILENT_MS 250 /* while full of connections that may grow old silently */

enum listener_state {
    LISTENER_CLOSED,
    LISTENER_OPEN,
    LISTENER_PAUSED,
    LISTENER_FULL,
    LISTENER_LENT
};

struct listener {
    struct row *row;
    const struct endpoint *endpoint;
    int fd;
    enum listener_state state;
    struct watch watch, timer;
    int held; /* a connection whose child could not be started yet; -1: none */
    struct peer held_peer;
    struct env env;      /* of programs: made by worker, before the first caller */
    unsigned answering;  /* fork: children that serve its datagrams */
    unsigned idle_tries; /* wait: children in a row that took nothing */
    bool has_taken;      /* wait: a child was seen to take something */
    unsigned shut_tries; /* wait: looks in a row at a socket that a child has shut down */
    struct usher_address bound; /* datagrams: the socket's own name, once one came */
    struct endpoint inspected; /* what was passed in by name turned out to be */
};

/* Takes fd over. Not watched yet. */
void listener_init(struct listener *listener, struct row *row,
                   const struct endpoint *endpoint, int fd);
/* An endpoint that was passed in by name: what it is, is asked from the socket. */
int listener_inspect(struct listener *listener, struct err *err);
int listener_start(struct listener *listener, struct err *err); /* watches */
/* Asks no more, for good. A row whose datagrams are answered by children keeps the
 * descriptor for their replies until listener_free(). */
void listener_close(struct listener *listener);
void listener_free(struct listener *listener);

/* Asks no more for a while; err (may be NULL) is said, once a second at most. */
void listener_pause(struct listener *listener, int64_t ms, const struct err *err);
void listener_pause_row(struct row *row, const struct err *err); /* all of the row's */
void listener_fill(struct listener *listener); /* the row is full: waits for a slot */
void listener_lend(struct listener *listener); /* until listener_resume() */
void listener_resume(struct listener *listener);
/* Streams: somebody who shares the socket has shut it down, and now it listens again.
 * false: that was not it, or it stays shut. */
bool listener_mend(struct listener *listener);
/* A slot of the row is free again: who waits for it goes on. */
void listener_wake_row(struct row *row);

#endif
