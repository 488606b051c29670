#include "owner.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

#define REPLIES_MAX 8 /* read for one question, old ones included */

struct question {
    struct nlmsghdr head;
    struct inet_diag_req_v2 body;
};

int owner_open(struct owner_desk *desk)
{
    desk->fd =
        socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG);
    desk->pid = getpid();
    desk->asked = 0;
    return desk->fd != -1 ? 0 : -1;
}

void owner_close(struct owner_desk *desk)
{
    if (desk->fd != -1)
        close(desk->fd);
    desk->fd = -1;
}

/* What a parent opened it shares with all its children, and the answers with it. */
static bool is_own(struct owner_desk *desk)
{
    if (desk->pid == getpid())
        return true;
    owner_close(desk);
    return owner_open(desk) == 0;
}

/* ---- the question -------------------------------------------------------------- */

static const struct sockaddr_in *in4(const struct usher_address *address)
{
    return (const struct sockaddr_in *)(const void *)&address->storage;
}

static const struct sockaddr_in6 *in6(const struct usher_address *address)
{
    return (const struct sockaddr_in6 *)(const void *)&address->storage;
}

/* An IPv4 address may come as IPv6, mapped. */
static sa_family_t family_of(const struct usher_address *address)
{
    if (address->storage.ss_family == AF_INET6 &&
        IN6_IS_ADDR_V4MAPPED(&in6(address)->sin6_addr))
        return AF_INET;
    return address->storage.ss_family;
}

/* As sock_diag wants it: up to four words, and the port. */
static void set_end(const struct usher_address *from, __be32 *address, __be16 *port)
{
    if (from->storage.ss_family == AF_INET) {
        memcpy(address, &in4(from)->sin_addr, 4);
        *port = in4(from)->sin_port;
        return;
    }
    if (family_of(from) == AF_INET)
        memcpy(address, &in6(from)->sin6_addr.s6_addr[12], 4);
    else
        memcpy(address, &in6(from)->sin6_addr, 16);
    *port = in6(from)->sin6_port;
}

static bool make_question(struct owner_desk *desk, const struct usher_address *here,
                          const struct usher_address *there, struct question *out)
{
    sa_family_t family = family_of(here);

    *out = (struct question){
        .head = {.nlmsg_len = sizeof(*out),
                 .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                 .nlmsg_flags = NLM_F_REQUEST,
                 .nlmsg_seq = ++desk->asked},
        .body = {.sdiag_family = (__u8)family,
                 .sdiag_protocol = IPPROTO_TCP,
                 .idiag_states = UINT32_MAX,
                 .id.idiag_cookie = {INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE}},
    };
    if (family != family_of(there) || (family != AF_INET && family != AF_INET6))
        return false;
    set_end(here, out->body.id.idiag_src, &out->body.id.idiag_sport);
    set_end(there, out->body.id.idiag_dst, &out->body.id.idiag_dport);
    if (family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&in6(here)->sin6_addr))
        out->body.id.idiag_if = in6(here)->sin6_scope_id;
    return true;
}

/* ---- the answer ---------------------------------------------------------------- */

/* An IPv6 socket may hold an IPv4 connection, and then shows mapped addresses. */
static bool is_same_address(const struct inet_diag_msg *found, const __be32 *found_words,
                            const struct question *asked, const __be32 *asked_words)
{
    struct in6_addr mapped;

    if (found->idiag_family == asked->body.sdiag_family)
        return memcmp(found_words, asked_words,
                      found->idiag_family == AF_INET ? 4 : 16) == 0;
    if (found->idiag_family != AF_INET6)
        return false;
    memcpy(&mapped, found_words, sizeof(mapped));
    return IN6_IS_ADDR_V4MAPPED(&mapped) &&
           memcmp(&mapped.s6_addr[12], asked_words, 4) == 0;
}

/* The kernel falls back to a listener on the port, and shows connections that no process
 * holds as root's: neither is the answer. */
static bool is_held(const struct inet_diag_msg *found, const struct question *asked)
{
    const struct inet_diag_sockid *is = &found->id, *was = &asked->body.id;

    return found->idiag_state != TCP_LISTEN && found->idiag_state != TCP_TIME_WAIT &&
           found->idiag_inode != 0 && is->idiag_sport == was->idiag_sport &&
           is->idiag_dport == was->idiag_dport &&
           is_same_address(found, is->idiag_src, asked, was->idiag_src) &&
           is_same_address(found, is->idiag_dst, asked, was->idiag_dst);
}

static enum owner read_answer(const struct nlmsghdr *head, const struct question *asked,
                              uid_t *uid_out)
{
    struct inet_diag_msg found;
    struct nlmsgerr refusal;

    if (head->nlmsg_type == NLMSG_ERROR &&
        head->nlmsg_len >= NLMSG_LENGTH(sizeof(refusal))) {
        memcpy(&refusal, NLMSG_DATA(head), sizeof(refusal));
        return refusal.error == -ENOENT ? OWNER_NONE : OWNER_UNKNOWN;
    }
    if (head->nlmsg_type != SOCK_DIAG_BY_FAMILY ||
        head->nlmsg_len < NLMSG_LENGTH(sizeof(found)))
        return OWNER_UNKNOWN;
    memcpy(&found, NLMSG_DATA(head), sizeof(found));
    if (!is_held(&found, asked))
        return OWNER_NONE;
    *uid_out = (uid_t)found.idiag_uid;
    return OWNER_FOUND;
}

enum owner owner_find(struct owner_desk *desk, const struct usher_address *here,
                      const struct usher_address *there, uid_t *uid_out)
{
    union {
        struct nlmsghdr head;
        char bytes[4096];
    } reply;
    struct question asked;

    if (!is_own(desk) || !make_question(desk, here, there, &asked) ||
        send(desk->fd, &asked, sizeof(asked), MSG_DONTWAIT) == -1)
        return OWNER_UNKNOWN;
    for (int i = 0; i < REPLIES_MAX; i++) {
        ssize_t count = recv(desk->fd, &reply, sizeof(reply), MSG_DONTWAIT);

        if (count == -1 && errno != EINTR)
            return OWNER_UNKNOWN;
        if (count >= (ssize_t)sizeof(reply.head) &&
            reply.head.nlmsg_seq == asked.head.nlmsg_seq &&
            reply.head.nlmsg_len <= (size_t)count)
            return read_answer(&reply.head, &asked, uid_out);
    }
    return OWNER_UNKNOWN;
}
