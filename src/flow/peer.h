/*
 * A peer's address in 28 bytes: what a connection keeps, and what stands in the page
 * while a callback runs for it. A UNIX peer is only known to be one; its path is asked
 * from the kernel.
 */
#ifndef FLOW_PEER_H
#define FLOW_PEER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include <usher/service.h>

enum peer_kind { PEER_NONE, PEER_IP, PEER_UNIX };

struct peer {
    unsigned char ip[16]; /* IPv4 as ::ffff:a.b.c.d */
    uint32_t scope;
    uint16_t port;
    uint16_t kind;   /* enum peer_kind */
    uint32_t source; /* its entry in our own table of sources, while it holds a slot; 0:
                        none */
};

void peer_set(struct peer *peer, const struct sockaddr_storage *addr, socklen_t length);
/* IPv4 again where it is; a UNIX peer is unnamed. */
void peer_get(const struct peer *peer, struct usher_address *out);
/* Of PEER_IP alone. */
bool peer_is_ipv4(const struct peer *peer);
bool peer_is_loopback(const struct peer *peer);

#endif
