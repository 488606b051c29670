#include "flow/peer.h"

#include <netinet/in.h>
#include <stddef.h>
#include <string.h>

static const unsigned char mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

void peer_set(struct peer *peer, const struct sockaddr_storage *addr, socklen_t length)
{
    const struct sockaddr_in *in4 = (const struct sockaddr_in *)addr;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)addr;

    memset(peer, 0, sizeof(*peer));
    if (length < sizeof(addr->ss_family))
        return;

    if (addr->ss_family == AF_INET && length >= sizeof(*in4)) {
        memcpy(peer->ip, mapped, sizeof(mapped));
        memcpy(peer->ip + sizeof(mapped), &in4->sin_addr, sizeof(in4->sin_addr));
        peer->port = ntohs(in4->sin_port);
        peer->kind = PEER_IP;
    } else if (addr->ss_family == AF_INET6 && length >= sizeof(*in6)) {
        memcpy(peer->ip, &in6->sin6_addr, sizeof(peer->ip));
        peer->scope = in6->sin6_scope_id;
        peer->port = ntohs(in6->sin6_port);
        peer->kind = PEER_IP;
    } else if (addr->ss_family == AF_UNIX)
        peer->kind = PEER_UNIX;
}

static void get_in4(const struct peer *peer, struct usher_address *out)
{
    struct sockaddr_in *in4 = (struct sockaddr_in *)&out->storage;

    in4->sin_family = AF_INET;
    in4->sin_port = htons(peer->port);
    memcpy(&in4->sin_addr, peer->ip + sizeof(mapped), sizeof(in4->sin_addr));
    out->length = sizeof(*in4);
}

static void get_in6(const struct peer *peer, struct usher_address *out)
{
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&out->storage;

    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(peer->port);
    in6->sin6_scope_id = peer->scope;
    memcpy(&in6->sin6_addr, peer->ip, sizeof(in6->sin6_addr));
    out->length = sizeof(*in6);
}

bool peer_is_ipv4(const struct peer *peer)
{
    return memcmp(peer->ip, mapped, sizeof(mapped)) == 0;
}

bool peer_is_loopback(const struct peer *peer)
{
    if (peer_is_ipv4(peer))
        return peer->ip[sizeof(mapped)] == 127;
    return memcmp(peer->ip, &in6addr_loopback, sizeof(peer->ip)) == 0;
}

void peer_get(const struct peer *peer, struct usher_address *out)
{
    memset(out, 0, sizeof(*out));
    if (peer->kind == PEER_IP) {
        if (peer_is_ipv4(peer))
            get_in4(peer, out);
        else
            get_in6(peer, out);
    } else if (peer->kind == PEER_UNIX) {
        out->storage.ss_family = AF_UNIX;
        out->length = sizeof(out->storage.ss_family);
    }
}
