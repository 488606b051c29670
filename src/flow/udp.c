#include "flow/udp.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "base/addr.h"

#define LOW_PORTS 1024

void udp_init(struct udp *udp, const struct plan *plan)
{
    memset(udp, 0, sizeof(*udp));
    for (size_t i = 0; i < plan->service_count; i++) {
        const struct plan_service *service = &plan->services[i];

        for (size_t j = 0; service->enabled && j < service->endpoint_count; j++) {
            unsigned port = addr_port(&service->endpoints[j].addr);

            if (plan_is_udp(service, j))
                udp->ports[port / 64] |= UINT64_C(1) << port % 64;
        }
    }
}

static bool is_own_port(const struct udp *udp, unsigned port)
{
    return (udp->ports[port / 64] >> port % 64 & 1) != 0;
}

enum udp_verdict udp_judge(const struct udp *udp, const struct plan_service *service,
                           const struct dgram *request, size_t reply_count)
{
    unsigned port = addr_port(&request->peer);

    if (request->is_cut)
        return UDP_CUT;
    if (request->peer.length <= sizeof(request->peer.storage.ss_family))
        return UDP_UNNAMED;
    if (request->peer.storage.ss_family == AF_UNIX)
        return UDP_ANSWER;

    if (port == 0)
        return UDP_PORT_ZERO;
    if (port < LOW_PORTS && !service->reply_from_low_ports)
        return UDP_LOW_PORT;
    if (is_own_port(udp, port))
        return UDP_OWN_PORT;
    if (request->to_many)
        return UDP_TO_MANY;
    if (addr_is_multicast(&request->peer) || addr_is_any(&request->peer))
        return UDP_FROM_MANY;
    if (request->count == 0 && !service->amplify)
        return UDP_EMPTY;
    if (reply_count > request->count && !service->amplify)
        return UDP_LONGER;
    return UDP_ANSWER;
}

const char *udp_verdict_name(enum udp_verdict verdict)
{
    static const char *const names[] = {
        [UDP_ANSWER] = "answered",
        [UDP_CUT] = "the request is cut",
        [UDP_UNNAMED] = "the peer has no name",
        [UDP_PORT_ZERO] = "the peer's port is 0",
        [UDP_LOW_PORT] = "the peer's port is below 1024",
        [UDP_OWN_PORT] = "the peer's port is one of this table's",
        [UDP_TO_MANY] = "the request was sent to many",
        [UDP_FROM_MANY] = "the reply would reach many",
        [UDP_EMPTY] = "the request is empty",
        [UDP_LONGER] = "the reply is longer than the request",
        [UDP_AGAIN] = "the request was answered before",
        [UDP_UNSENT] = "the system did not take it",
        [UDP_UNSERVED] = "no child could be started",
        [UDP_UNWANTED] = "nobody took the request",
    };

    return names[verdict];
}

/* ---- one reply, from the address that was asked ------------------------------------ */

union packet_info {
    struct cmsghdr header; /* for its alignment */
    char in4[CMSG_SPACE(sizeof(struct in_pktinfo))];
    char in6[CMSG_SPACE(sizeof(struct in6_pktinfo))];
};

static void add_info(struct msghdr *message, int level, int type, const void *data,
                     size_t count)
{
    struct cmsghdr *header = message->msg_control;

    header->cmsg_level = level;
    header->cmsg_type = type;
    header->cmsg_len = CMSG_LEN(count);
    memcpy(CMSG_DATA(header), data, count);
    message->msg_controllen = CMSG_SPACE(count);
}

static void set_source(struct msghdr *message, const struct usher_address *local)
{
    const struct sockaddr_in *in4 = (const struct sockaddr_in *)&local->storage;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&local->storage;

    if (local->length == 0)
        return;
    if (local->storage.ss_family == AF_INET) {
        struct in_pktinfo info = { .ipi_spec_dst = in4->sin_addr };

        add_info(message, IPPROTO_IP, IP_PKTINFO, &info, sizeof(info));
    } else if (local->storage.ss_family == AF_INET6) {
        struct in6_pktinfo info = { .ipi6_addr = in6->sin6_addr,
                                    .ipi6_ifindex = in6->sin6_scope_id };

        add_info(message, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof(info));
    }
}

int udp_send(int fd, const struct usher_address *peer, const struct usher_address *local,
             const void *bytes, size_t count)
{
    struct usher_address to = *peer;
    struct iovec iov = { .iov_base = (void *)(uintptr_t)bytes, .iov_len = count };
    union packet_info info;
    struct msghdr message = { .msg_name = &to.storage, .msg_namelen = to.length,
                              .msg_iov = &iov, .msg_iovlen = 1 };

    memset(&info, 0, sizeof(info));
    message.msg_control = &info;
    set_source(&message, local);
    if (message.msg_controllen == 0)
        message.msg_control = NULL;
    return sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) == -1 ? -1 : 0;
}
