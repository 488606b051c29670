/*
 * An accepted connection of a plugin's row, from opened() to gone(). One small block: the
 * public handle, the embedded watch, and the plugin's own bytes at its end. What only
 * some connections need (kept input and output, a timer, watches) is attached while they
 * need it.
 *
 * Whatever enters a connection (readiness, a timer, a host call from elsewhere) goes
 * through conn_enter() and conn_leave(); host functions only mark, and conn_leave() acts
 * on the marks. So no callback ever runs inside a host call, and gone() is the last.
 *
 * Files: conn.c its life, input.c and peek.c reading, output.c writing, tools.c the
 * plugin's timer and watches, deadline.c its timeouts.
 */
#ifndef FLOW_CONN_H
#define FLOW_CONN_H

#include <stdalign.h>
#include <stddef.h>

#include <usher/service.h>

#include "flow/row.h"

#define CONN_OUTPUT (128u * 1024) /* bytes kept for a peer that does not read */
#define CONN_WATCHES 4

enum {
    CONN_HEARD = 1,      /* the peer has sent something */
    CONN_FINISHED = 2,   /* and will send no more */
    CONN_TOLD = 4,       /* finished() was called */
    CONN_PAUSED = 8,     /* by the plugin */
    CONN_RESUMED = 16,   /* what data() left is to be given once more */
    CONN_FULL = 32,      /* output was kept: drained() is due when it is gone */
    CONN_ENDING = 64,    /* end() was called: over when the output is sent */
    CONN_TAKEN = 128,    /* the descriptor is the plugin's now */
    CONN_OVER = 256,     /* reason is set; the block goes in conn_leave() */
    CONN_PACKETS = 512,  /* seqpacket: kept output is a row of lengths and messages */
    CONN_FRESH = 1024,   /* being opened: may meet the loop later, if at all */
    CONN_HANDED = 2048,  /* hand_over() was called: leaves as soon as the door takes it */
    CONN_MOVED = 4096,   /* something has gone on, though the peer may be silent */
    CONN_DEFERRED = 8192, /* in flow->fresh: not in the loop until conn_look_again() */

    /* the plugin has no say any more */
    CONN_DEAF = CONN_OVER | CONN_ENDING | CONN_TAKEN | CONN_HANDED
};

struct conn_tools;
struct worker_offer;

/* What a connection has beyond the block, while it needs it. */
struct conn_more {
    struct list pending;  /* in flow->pending: touched from elsewhere */
    struct conn *owner;
    char *output;
    size_t output_at, output_count, output_room;
    char *input;          /* what data() left */
    size_t input_count;
    uint64_t bytes_in, bytes_out; /* with log_connections */
    struct conn_tools *tools;
    size_t peeked;        /* bytes that data() has seen and left in the socket */
    const struct worker_offer *offer; /* where it goes, once CONN_HANDED */
    struct list handing;  /* in flow->handing: the door was full */
};

struct conn {
    struct usher_conn head;
    struct watch watch;
    struct list by_age;
    struct list by_rest; /* or among the silent ones, or those taken while silent */
    struct conn_more *more;
    int64_t opened_ms;
    int64_t rested_ms; /* its place in by_rest stands for this time; CONN_TAKEN: in
                          by_age */
    struct peer peer;
    int fd;
    uint16_t flags;
    uint8_t watching; /* LOOP_READ, LOOP_WRITE or 0 */
    uint8_t reason;   /* enum usher_reason, once CONN_OVER */
    alignas(max_align_t) unsigned char mine[];
};

static inline struct conn *conn_of(const struct usher_conn *head)
{
    return (struct conn *)(void *)(uintptr_t)head;
}

static inline struct row *conn_row(const struct conn *conn)
{
    return CONTAINER(conn->head.service, struct row, instance);
}

static inline size_t conn_kept_output(const struct conn *conn)
{
    return conn->more != NULL ? conn->more->output_count : 0;
}

static inline bool conn_wants_input(const struct conn *conn)
{
    const unsigned not_now = CONN_DEAF | CONN_PAUSED | CONN_FINISHED | CONN_RESUMED;

    return (conn->flags & not_now) == 0 && conn_kept_output(conn) == 0;
}

/* ---- life -------------------------------------------------------------------------- */

/* Takes fd (non-blocking) over and serves it; may be gone on return. -1: no memory, fd
 * stays the caller's. */
int conn_open(struct row *row, int fd, const struct peer *peer);
/* After a batch of conn_open(): whoever ends at once has done so by now; the others meet
 * the loop. */
void conn_look_again(struct flow *flow);
/* From outside of any callback: it ends now. */
void conn_close(struct conn *conn, enum usher_reason reason);
/* Yields the time. */
int64_t conn_enter(struct conn *conn);
void conn_leave(struct conn *conn); /* conn may be freed on return */

/* Marks; the first reason stands. */
void conn_over(struct conn *conn, enum usher_reason reason);
/* Somebody called a host function: conn_leave() must see it, even if it is another's
 * callback. */
void conn_touch(struct conn *conn);
/* There from now on; NULL: no memory, and conn is over. */
struct conn_more *conn_more(struct conn *conn);
/* No memory for what it needs: it ends, it alone. */
void conn_starve(struct conn *conn);

/* The loop's timer for connections touched from elsewhere; context: the flow. */
void conn_again(int fd, short what, void *context);

void conn_end(struct usher_conn *head);
void conn_abort(struct usher_conn *head);
void conn_pause(struct usher_conn *head);
void conn_resume(struct usher_conn *head);
void conn_peer(const struct usher_conn *head, struct usher_address *out);
void conn_local(const struct usher_conn *head, struct usher_address *out);
int conn_take(struct usher_conn *head);
void conn_done(struct usher_conn *head);

/* ---- input ------------------------------------------------------------------------- */

void input_read(struct conn *conn, int64_t now_ms); /* what is there, within a budget */
void input_offer_kept(struct conn *conn);           /* after resume() */
void input_finish(struct conn *conn);               /* finished(), with what was left */
size_t input_max(const struct row *row);
/* data() used nothing of a full buffer: more can never help. */
void input_refuse(struct conn *conn, size_t count);

/* The same for rows that hand connections over. */
void peek_read(struct conn *conn, int64_t now_ms);
void peek_again(struct conn *conn);
void peek_finish(struct conn *conn);

/* ---- output ------------------------------------------------------------------------ */

int output_write(struct usher_conn *head, const void *bytes, size_t count);
size_t output_room(const struct usher_conn *head);
/* Short writes of one callback are gathered and leave together when it has returned. */
void output_push(struct conn *conn);
void output_flush(struct conn *conn); /* what is kept, as far as the peer takes it */

/* ---- tools ------------------------------------------------------------------------- */

void tools_timer(struct usher_conn *head, int64_t after_ms,
                 void (*expired)(struct usher_conn *head));
int tools_watch(struct usher_conn *head, int fd, unsigned what,
                void (*ready)(struct usher_conn *head, int fd, unsigned what));
void tools_free(struct conn *conn);

/* ---- timeouts ---------------------------------------------------------------------- */

void deadline_init(struct row *row);
void deadline_add(struct conn *conn);
void deadline_heard(struct conn *conn, int64_t now_ms); /* the first byte */
/* Not heard, but no longer silent. */
void deadline_moved(struct conn *conn, int64_t now_ms);
/* The plugin has its descriptor: whether it rests, we cannot see any more. */
void deadline_take(struct conn *conn);
void deadline_remove(struct conn *conn);

/* Something moved. Cheap: its place changes only when that would be seen. What we write
 * to who has not spoken does not count where first_byte_timeout waits for it. */
static inline void deadline_touch(struct conn *conn, int64_t now_ms)
{
    struct row *row = conn_row(conn);

    if (now_ms - conn->rested_ms <= row->grain_ms)
        return;
    if ((conn->flags & CONN_HEARD) == 0) {
        deadline_moved(conn, now_ms); /* it leaves the silent ones */
        return;
    }
    conn->rested_ms = now_ms;
    list_remove(&conn->by_rest);
    list_append(&row->by_rest, &conn->by_rest);
}

#endif
