/*
 * One worker as the master sees it: started, listened to, watched for hanging, started
 * again when it dies, drained, ended. What a worker says is gossip: bounded, checked,
 * ignored when odd.
 *
 *            start                    "ready"
 *   IDLE ------------> STARTING ------------------> READY
 *    ^                   | failed, died, too slow     | died            drain
 *    |                   v                            v        READY ---------> DRAINING
 *    +---- told ------- (end)          HELD <---------+                            | died
 *                                        | hold is over                            v
 *                                        +-------> STARTING                       IDLE
 *
 * Its page says which row was to blame (master/blame). The first time the worker starts
 * again at once, the second time within a minute it waits, HELD, for the row to be moved
 * to a pool of its own; where that cannot be, and where nobody is to blame, holds double
 * from 0.1 s to 60 s.
 */
#ifndef MASTER_MEMBER_H
#define MASTER_MEMBER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "loop/loop.h"
#include "master/vigil.h"
#include "proc/reap.h"
#include "wire/record.h"

enum member_state {
    MEMBER_IDLE,
    MEMBER_STARTING,
    MEMBER_READY,
    MEMBER_DRAINING,
    MEMBER_HELD
};

enum member_event {
    MEMBER_IS_READY, /* text NULL */
    MEMBER_FAILED,   /* it never became ready, or died before its plan did run and no row
                        was to blame: text says why; the process is gone */
    MEMBER_ENDED     /* a ready or draining one is gone; a ready one is started again
                        later */
};

/* Whether a row is to blame for the end of a worker: the first time, or again within a
 * minute, or one that nobody counts for, since it does not run yet. */
enum member_blame {
    MEMBER_BLAMELESS,
    MEMBER_BLAMED,
    MEMBER_BLAMED_AGAIN,
    MEMBER_BLAMED_UNCOUNTED
};

struct pool;

struct member {
    struct pool *pool;
    enum member_state state;
    struct child child;
    pid_t pid;               /* for the log: the child's is gone when its end is told */
    int slot;                /* in the pages; -1: none */
    bool may_fork;           /* the sandbox lets it */
    bool shares_slot;        /* with its children: they are no programs */
    int channel, log;        /* our ends; -1: none */
    struct watch channel_watch, log_watch;
    struct watch timer;      /* STARTING, DRAINING: the deadline; HELD: the hold */
    struct vigil vigil;      /* does it hang? */
    int64_t started_ms;
    int64_t hold_ms;         /* how long the next hold will be */
    int64_t held_until_ms;   /* HELD; 0: until it is clear whether a row of its can be
                                moved */
    enum member_blame blame; /* for its end */
    bool was_ready;          /* since it was made */
    bool was_ours;           /* we killed it, and it was its own fault */
    bool is_mute;            /* it closed its channel */
    bool is_deaf;            /* it gave no sign of life */
    bool was_killed;         /* on its way out */
    struct log_limit odd_lines; /* records that are none */
    struct log_budget log_lines; /* what it said this second */
    unsigned lines_a_second;     /* it may say so many */
    pid_t *wait_children;    /* owned; as it reported them, ended ones too */
    size_t wait_child_count;
    char sandbox[256];       /* what "ready" said of it, printable; "": nothing yet */
    char reason[256];        /* what "failed" said */
};

void member_init(struct member *member, struct pool *pool);
/* Forks the worker. -1: it could not be started; the state is IDLE. */
int member_start(struct member *member, struct err *err);
/* Take no new work; finish the old. keep: names of rows, ends with NULL. timeout_ms -1:
 * none. Killed when nothing is kept, or it was starting yet, and it does not end in time.
 * Again is fine: the last word counts. */
void member_drain(struct member *member, const char *const *keep, int64_t timeout_ms);
void member_watch(struct member *member, const char *service); /* a wait row may begin */
void member_restart(struct member *member); /* after an end: at once, after a hold, or it
                                               waits */
void member_retry(struct member *member);   /* hold, then try (again) */
void member_forgive(struct member *member); /* who is held tries now; the next hold is
                                               the first */
bool member_waits(const struct member *member); /* until a row of its pool is moved */
void member_stop(struct member *member); /* end soon; killed when it does not */
void member_kill(struct member *member); /* at once; its end is still reported */
/* Its own fault: the row that the page names is blamed. */
void member_kill_for(struct member *member, const char *what);
void member_say(struct member *member, struct record_out *out); /* frees out */
void member_say_left(const struct member *member); /* in the log: killed, and did not
                                                      end */
void member_fini(struct member *member); /* IDLE or HELD only */
int64_t member_hold_left(const struct member *member); /* ms; 0 unless HELD */
const char *member_state_name(enum member_state state);

#endif
