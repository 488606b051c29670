/*
 * One usherctl: its credentials, its one request, the records it gets. Closed after the
 * answer, when it goes away, or by its deadlines: whoever does not read what it asked for
 * keeps its place for seconds, and never holds the master up.
 */
#ifndef MASTER_SESSION_H
#define MASTER_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "loop/loop.h"
#include "master/reader.h"
#include "master/reload.h"
#include "master/status.h"
#include "wire/record.h"

struct control;

enum session_right { SESSION_NOTHING, SESSION_LOOK, SESSION_ACT };

struct session {
    struct list link;
    struct control *control;
    int fd;
    struct watch watch, deadline;
    enum session_right right;
    struct record request;
    struct record_out out;       /* what is still to be sent of this piece */
    bool is_complete;            /* "end" is in out, or was sent */
    int64_t until_ms;            /* when the answer must have been taken */
    struct status status;        /* list, status: how far the answer is */
    struct reload_waiter waiter; /* reload: until it is done */
    struct reader *reader;       /* check: until it is done */
};

/* Takes fd. */
void session_open(struct control *control, int fd);
void session_close(struct session *session);

#endif
