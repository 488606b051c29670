/*
 * May this datagram be answered, and so? The one place for the rules that keep two
 * services from answering each other for ever, and a reply from hurting somebody who
 * never asked. And the way to send a single reply after its request has left the batch.
 */
#ifndef FLOW_UDP_H
#define FLOW_UDP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/plan.h"
#include "sock/dgram.h"

enum udp_verdict {
    UDP_ANSWER,
    UDP_CUT,       /* the request is not whole */
    UDP_UNNAMED,   /* a UNIX peer without an address */
    UDP_PORT_ZERO,
    UDP_LOW_PORT,  /* below 1024 */
    UDP_OWN_PORT,  /* a UDP endpoint of this table listens on that port */
    UDP_TO_MANY,   /* the request went to a broadcast or multicast address */
    UDP_FROM_MANY, /* the reply would */
    UDP_EMPTY,     /* an empty request, without amplify */
    UDP_LONGER,    /* than the request, without amplify */
    UDP_AGAIN,     /* the request was answered before, and the row does not say amplify */
    /* Not judged, but what became of it: */
    UDP_UNSENT,    /* the system did not take the reply, or its socket is closed */
    UDP_UNSERVED,  /* no child could be started for the request */
    UDP_UNWANTED   /* a wait row's children ended and did not take it */
};

#define UDP_VERDICTS (UDP_UNWANTED + 1) /* also an index of page_row.dropped_by */

struct udp {
    uint64_t ports[65536 / 64]; /* where this table's UDP rows listen */
};

void udp_init(struct udp *udp, const struct plan *plan);
/* UNIX peers cannot be forged: only the first two rules are theirs. */
enum udp_verdict udp_judge(const struct udp *udp, const struct plan_service *service,
                           const struct dgram *request, size_t reply_count);
const char *udp_verdict_name(enum udp_verdict verdict); /* "its port is below 1024" */
/* Sends from local (length 0: as the system likes) to peer. Never blocks. */
int udp_send(int fd, const struct usher_address *peer, const struct usher_address *local,
             const void *bytes, size_t count);

#endif
