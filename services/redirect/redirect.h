/*
 * What the halves of redirect share: stream.c relays connections, datagram.c and peers.c
 * relay datagrams.
 */
#ifndef REDIRECT_H
#define REDIRECT_H

#include <usher/service.h>

#define REDIRECT_READ 65536

struct redirect_conf {
    struct usher_address target;
    int64_t connect_timeout;
    int64_t idle;
    unsigned max_peers;
};

/* One connection; conn->mine. */
struct stream {
    int target;       /* -1: none */
    int caller;       /* the taken descriptor; -1: the host has it */
    unsigned looks;   /* at it, while the target takes no more */
    bool is_connected;
    bool is_blocked;  /* the target takes no more */
    bool is_owed;     /* and the host keeps what data() left */
    bool is_full;     /* the caller takes no more */
    bool caller_done; /* it sends no more */
    bool target_done;
    bool is_over;
};

void stream_opened(struct usher_conn *conn);
size_t stream_data(struct usher_conn *conn, const void *bytes, size_t count);
void stream_finished(struct usher_conn *conn, const void *rest, size_t count);
void stream_drained(struct usher_conn *conn);
void stream_gone(struct usher_conn *conn, enum usher_reason reason);

void datagram_came(struct usher_dgram *dgram);
/* For service_watch(): a target has spoken. */
void datagram_answered(const struct usher_instance *service, int fd, unsigned what);

/* A non-blocking socket that is connected to the target, or begins to be; -1: errno. */
int redirect_connect(const struct redirect_conf *conf, int type);

#endif
