/*
 * A host for one plugin, one connection and one datagram at a time, all in memory: what
 * <usher/service.h> promises a plugin, with the sockets replaced by calls. A test says
 * what the peer does and looks at what the plugin wrote, logged and asked for.
 *
 * The peer takes at most `window` bytes that it has not read; the rest is kept, as a host
 * keeps it, and counts against room(). mock_read() is the peer reading.
 */
#ifndef SUPPORT_MOCK_HOST_H
#define SUPPORT_MOCK_HOST_H

#include <usher/service.h>

#define MOCK_ROOM 65536
#define MOCK_WATCHES 16

/* What the plugin watches: for the connection, or for the service. */
struct mock_watch {
    int fd; /* -1: free */
    unsigned what;
    void (*ready)(struct usher_conn *conn, int fd, unsigned what);
    void (*service_ready)(const struct usher_instance *service, int fd, unsigned what);
};

struct mock_bytes {
    char *at;
    size_t count, space;
};

struct mock {
    const struct usher_service *service;
    struct usher_instance instance;
    struct usher_conn conn;
    void (*expired)(struct usher_conn *conn);
    int64_t timer_ms; /* -1: none */

    size_t
        window; /* bytes on their way to the peer, at most; SIZE_MAX: it reads at once */
    struct mock_bytes out; /* all bytes written since mock_connect() */
    size_t unread;         /* how many of them the peer has not read yet */
    struct mock_bytes in;  /* bytes data() has not used */

    const char *const *offers; /* what hand_over() knows, ends with NULL; NULL: nothing */
    char handed_to[64];        /* the row that has the connection, and what is in `in` */

    bool is_kept, is_paused, is_resumed;
    bool has_ended, has_aborted, has_overflowed;
    bool has_peer_finished, was_told;
    unsigned gone_count;
    enum usher_reason reason;

    char reply[65536];
    size_t reply_count;
    unsigned replies;
    struct usher_address peer; /* of datagrams and connections */
    bool does_amplify;

    struct mock_watch watches[MOCK_WATCHES];
    void (*service_expired)(const struct usher_instance *service);
    int64_t service_timer_ms; /* -1: none */
    int take_fd;   /* what take() yields; -1: take() fails */
    bool is_taken;

    bool is_quiet; /* counts log lines, does not format them */
    unsigned logs;
    enum usher_level log_level;
    char log[256]; /* the last line */
};

/* Calls open() for one row; -1: it failed. conf is borrowed until mock_stop(). */
int mock_start(struct mock *mock, const struct usher_service *service, const void *conf);
/* Calls close(), and gone() first where a connection is open. */
void mock_stop(struct mock *mock);

/* A caller: opened(). The connection before is forgotten, it must be gone. */
void mock_connect(struct mock *mock);
/* The peer's doings. Each returns after all callbacks that follow from it. */
void mock_send(struct mock *mock, const void *bytes, size_t count);
void mock_read(struct mock *mock, size_t count);
void mock_finish(struct mock *mock);
void mock_reset(struct mock *mock);
/* Lets the timer that is set run out. */
void mock_expire(struct mock *mock);
/* Waits up to ms for one of the watched descriptors, and tells the plugin of all that are
 * ready. The service's timer runs out where its time is over before. Yields how many were
 * ready. */
int mock_turn(struct mock *mock, int ms);
void mock_expire_service(struct mock *mock); /* as if its time had passed */
/* The connection is over: gone() was called. */
bool mock_is_gone(const struct mock *mock);

/* One datagram; the reply is in mock->reply, mock->replies says whether there was one.
 * Later answers, as far as ticket and length allow them, count there too. */
void mock_datagram(struct mock *mock, const void *bytes, size_t count);

#endif
