/*
 * One datagram on its way through a plugin. Its reply goes into the batch (dispatch), or
 * into a socket to the worker (a forked child), which has the last word about it.
 */
#ifndef FLOW_REQUEST_H
#define FLOW_REQUEST_H

#include <usher/service.h>

#include "flow/row.h"
#include "sock/dgram.h"

#define REQUEST_MARK '=' /* the first byte of what a child passes up */

struct request {
    struct usher_dgram head;
    struct row *row;
    const struct dgram *dgram;
    int index;       /* in the batch */
    int answer_fd;   /* -1: into the batch */
    bool is_answered;
};

/* Calls datagram(). The time and the peer are noted in the page. */
void request_show(struct row *row, const struct dgram *dgram, int index, int answer_fd);
void request_reply(struct usher_dgram *head, const void *bytes, size_t count);
/* The same, later: by the same rules, from the same socket. A forked child has no
 * later. */
void request_ticket(const struct usher_dgram *head, struct usher_ticket *out);
int request_answer(const struct usher_instance *service, struct usher_ticket *ticket,
                   const void *bytes, size_t count);
/* Whether the row takes this datagram at all; if not, it is counted by reason, and that
 * is all. */
bool request_admit(struct row *row, const struct dgram *dgram);
/* Counts one that is not answered, and says why at debug level. */
void request_drop(struct row *row, enum udp_verdict verdict);
void request_drop_some(struct row *row, enum udp_verdict verdict, unsigned count);

#endif
