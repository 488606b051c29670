/*
 * Who sends datagrams. Each peer has a socket of its own towards the target, so that
 * answers find their way back. Peers stand in the order of their last word; who has been
 * silent for `idle` goes, and when all places are taken, the first of them makes room.
 */
#ifndef REDIRECT_PEERS_H
#define REDIRECT_PEERS_H

#include <usher/service.h>

#define PEER_TICKETS 8

struct peer {
    struct peer *next;           /* in its bucket */
    struct peer *newer, *older;  /* by their last word */
    struct usher_address address;
    int64_t last_ms;
    int fd;
    unsigned count;
    struct usher_ticket tickets[PEER_TICKETS];
};

struct peers;

struct peers *peers_new(const struct usher_instance *service);
void peers_free(struct peers *peers);
/* The peer of this address, who has spoken now; a new one where there was none. NULL:
 * there is no socket for him. */
struct peer *peers_find(struct peers *peers, const struct usher_address *address);
/* The one whose target has spoken now. */
struct peer *peers_by_fd(struct peers *peers, int fd);

#endif
