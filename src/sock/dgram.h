/*
 * Datagrams in batches: recvmmsg() in, sendmmsg() out, each reply leaving from the
 * address its request was sent to. One batch a worker; its buffers are touched only as
 * far as datagrams reach.
 */
#ifndef SOCK_DGRAM_H
#define SOCK_DGRAM_H

#include <stdbool.h>
#include <stddef.h>

#include <usher/service.h>

#include "base/err.h"

#define DGRAM_BATCH 64
#define DGRAM_MAX 65536

struct dgram_batch;

struct dgram {
    const char *bytes; /* in the batch's buffer */
    size_t count;
    bool is_cut;                     /* MSG_TRUNC: longer than DGRAM_MAX */
    struct usher_address peer;       /* length 0: an unnamed UNIX peer */
    struct usher_address local;      /* the address it was sent to, with the socket's
                                        port; length 0 where unknown */
    bool to_many;                    /* sent to a broadcast or multicast address */
};

struct dgram_batch *dgram_new(void);
void dgram_free(struct dgram_batch **batch);
/* Forgets the batch before, then receives what is there, at most limit (<= DGRAM_BATCH):
 * the count, 0 for nothing, -1 error. bound: the socket's own name; the first time, while
 * its length is 0, the kernel is asked for it. Transient errors (ICMP answers to earlier
 * replies) are swallowed: they count as nothing. Memory that large datagrams touched is
 * given back when there is nothing. */
int dgram_receive(struct dgram_batch *batch, int fd, struct usher_address *bound,
                  int limit, struct err *err);
const struct dgram *dgram_at(const struct dgram_batch *batch, int index);
/* Queues the answer to datagram `index`, at most one each. Bytes inside the request are
 * not copied; others are, behind the request, which stays as it is. Nothing is judged
 * here (ports, to_many, length): that is flow/udp's. -1: longer than 65507, a second
 * answer, or a UNIX peer without a name. */
int dgram_reply(struct dgram_batch *batch, int index, const void *bytes, size_t count);
/* Sends the queue; yields how many left. The rest was refused by the system, and is
 * dropped. */
int dgram_flush(struct dgram_batch *batch, int fd);

#endif
