/*
 * usherctl's socket: a UNIX SOCK_SEQPACKET listener, one record a packet. A session asks
 * once and gets any number of records, the last of which is "end".
 *
 *   list     -> service ..., endpoints ...                    per row, see master/status
 *   status   -> usherd ..., pool ..., worker ..., then as list
 *   explain service=NAME address=ADDRESS local=ADDRESS
 *            -> rule of=connections|datagrams key=... text=...  per rule, "verdict" last
 *   check    -> warning text=...                                     per warning: the table is right
 *            -> mistake text=...                                                       per mistake
 *   reload   -> warning text=... and mistake text=...                                  as for check
 *   help     -> command name=... help=...
 *            -> end status=ok | end status=table|system|denied|usage text=...
 *
 * Who finds every place taken waits in the kernel's queue until one is free.
 *
 * Who may: root and the user usherd runs as may do all; members of control_read's group
 * may look, of control_operate's group act. Credentials come from the kernel, for the
 * connection.
 */
#ifndef MASTER_CONTROL_H
#define MASTER_CONTROL_H

#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "conf/plan.h"
#include "loop/loop.h"

#define CONTROL_SESSIONS 64
#define CONTROL_STRANGERS 8 /* who may do nothing cannot take every place */

struct master;

struct control {
    struct master *master;
    int fd; /* -1: closed */
    char *path;
    struct watch watch;
    struct watch pause; /* out of descriptors: accepts again when it is over */
    struct list sessions;
    size_t session_count, stranger_count;
    int64_t started_ms; /* since when usherd has been answering */
};

/* -1: another usherd answers on that path, or the path cannot be had. */
int control_open(struct control *control, struct master *master, struct err *err);
void control_close(struct control *control); /* accepts "never opened" (all zero) */
/* After a reload: moves to another path when the plan names one; keeps the old when it
 * cannot. */
void control_follow(struct control *control, const struct plan *plan);
/* From master/session only: a session is gone. */
void control_on_place(struct control *control);

#endif
