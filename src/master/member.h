/*
 * One worker as the master sees it: started, listened to, watched for hanging, started again when
 * it dies, drained, ended. What a worker says is gossip: bounded, checked, ignored when odd.
 *
 *            start                    "ready"
 *   IDLE ------------> STARTING ------------------> READY
 *    ^                   | failed, died, too slow     | died            drain
 *    |                   v                            v        READY ---------> DRAINING
 *    +---- told ------- (end)          HELD <---------+                            | died
 *                                        | hold is over                            v
 *                                        +-------> STARTING                       IDLE
 */
#ifndef MASTER_MEMBER_H
#define MASTER_MEMBER_H

#include <stdbool.h>
#include <stdint.h>

#include "loop/loop.h"
#include "proc/reap.h"

enum member_state { MEMBER_IDLE, MEMBER_STARTING, MEMBER_READY, MEMBER_DRAINING, MEMBER_HELD };

enum member_event {
    MEMBER_IS_READY, /* text NULL */
    MEMBER_FAILED,   /* it never became ready, or died before its plan did run: text says why;
                        the process is gone */
    MEMBER_ENDED     /* a ready or draining one is gone; a ready one is started again later */
};

struct pool;

struct member {
    struct pool *pool;
    enum member_state state;
    struct child child;
    pid_t pid;               /* for the log: the child's is gone when its end is told */
    int slot;                /* in the pages; -1: none */
    int channel, log;        /* our ends; -1: none */
    struct watch channel_watch, log_watch;
    struct watch timer;      /* STARTING, DRAINING: the deadline; HELD: the hold */
    struct watch look;       /* while it is busy: does it hang? */
    int64_t started_ms;
    int64_t hold_ms;         /* how long the next hold will be */
    bool was_hung;           /* we killed it */
    pid_t *wait_children;    /* owned; as it reported them, ended ones too */
    size_t wait_child_count;
    char sandbox[256];       /* what "ready" said of it, printable; "": nothing yet */
    char reason[256];        /* what "failed" said */
};

void member_init(struct member *member, struct pool *pool);
/* Forks the worker. -1: it could not be started; the state is IDLE. */
int member_start(struct member *member, struct err *err);
/* Take no new work; finish the old. keep: names of rows, ends with NULL. timeout_ms -1: none.
 * Killed when nothing is kept and it does not end in time. Again is fine: the last word counts. */
void member_drain(struct member *member, const char *const *keep, int64_t timeout_ms);
void member_watch(struct member *member, const char *service); /* a wait row may begin */
void member_retry(struct member *member); /* a start that failed: hold, then try again */
void member_stop(struct member *member); /* end soon; killed when it does not */
void member_kill(struct member *member); /* at once; its end is still reported */
void member_fini(struct member *member); /* IDLE or HELD only */
const char *member_state_name(enum member_state state);

#endif
