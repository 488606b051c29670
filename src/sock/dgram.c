#include "sock/dgram.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/log.h"
#include "base/mem.h"

#define REPLY_MAX 65507
/* Room for a request and, behind it, for a reply that does not lie inside. */
#define SLOT_ROOM (2 * DGRAM_MAX)
/* Slots begin a cache line apart within their pages: at equal offsets the first lines of
 * all 64 would fight for one set of the cache. */
#define SLOT_STEP (SLOT_ROOM + 4096 + 64)
#define MAP_SIZE  ((size_t)DGRAM_BATCH * SLOT_STEP)
/* More than this, touched by large datagrams, goes back to the system when there is
 * nothing to do. */
#define LARGE_KEPT (1024 * 1024)

/* Packet info of either family, and some that the opener of an inherited socket asked
 * for. */
#define CONTROL_ROOM 128

struct slot {
    struct dgram dgram; /* peer.storage is where the kernel writes the peer */
    struct iovec in, out;
    _Alignas(struct cmsghdr) char control[CONTROL_ROOM];
    struct sockaddr_in6
        mapped; /* the peer as the kernel has it, when dgram.peer is not that */
    bool is_answered;
};

struct dgram_batch {
    char *memory;
    int received, queued;
    size_t large_bytes;
    const struct usher_address *bound; /* the caller's, while receiving */
    struct mmsghdr in[DGRAM_BATCH], out[DGRAM_BATCH];
    struct slot slots[DGRAM_BATCH];
};

/* What the kernel overwrote in the last batch. */
static void prepare(struct dgram_batch *batch, int index)
{
    struct slot *slot = &batch->slots[index];
    struct msghdr *in = &batch->in[index].msg_hdr;

    in->msg_namelen = sizeof slot->dgram.peer.storage;
    in->msg_control = slot->control;
    in->msg_controllen = sizeof slot->control;
    in->msg_flags = 0;
    slot->is_answered = false;
}

struct dgram_batch *dgram_new(void)
{
    struct dgram_batch *batch = mem_new(sizeof *batch);

    batch->memory = mmap(NULL, MAP_SIZE, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (batch->memory == MAP_FAILED)
        log_panic("dgram", "fail map error=\"%s\"", strerror(errno));
    for (int i = 0; i < DGRAM_BATCH; i++) {
        struct slot *slot = &batch->slots[i];
        struct msghdr *in = &batch->in[i].msg_hdr;

        slot->in.iov_base = batch->memory + (size_t)i * SLOT_STEP;
        slot->in.iov_len = DGRAM_MAX;
        slot->dgram.bytes = slot->in.iov_base;
        in->msg_name = &slot->dgram.peer.storage;
        in->msg_iov = &slot->in;
        in->msg_iovlen = 1;
        prepare(batch, i);
    }
    return batch;
}

void dgram_free(struct dgram_batch **batch)
{
    if (*batch == NULL)
        return;
    munmap((*batch)->memory, MAP_SIZE);
    mem_free(batch);
}

/* Errors that say something about an earlier reply, or nothing at all: not about the
 * socket. */
static bool is_passing(int code)
{
    switch (code) {
    case EAGAIN:
    case EINTR:
    case ECONNREFUSED:
    case ECONNRESET:
    case EHOSTUNREACH:
    case EHOSTDOWN:
    case ENETUNREACH:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EPROTO:
    case EMSGSIZE:
    case ETIMEDOUT:
        return true;
    default:
        return false;
    }
}

/* ---- one datagram ---------------------------------------------------------------------
 */

static struct cmsghdr *find_info(struct msghdr *msg, int level, int type, size_t size)
{
    struct cmsghdr *at = CMSG_FIRSTHDR(msg);

    for (; at != NULL; at = CMSG_NXTHDR(msg, at))
        if (at->cmsg_level == level && at->cmsg_type == type &&
            at->cmsg_len >= CMSG_LEN(size))
            return at;
    return NULL;
}

/* From now on the control message is the one that the reply is sent with. */
static void keep_info(struct msghdr *msg, struct cmsghdr *info, size_t size)
{
    info->cmsg_len = CMSG_LEN(size);
    msg->msg_control = info;
    msg->msg_controllen = CMSG_SPACE(size);
}

/* ipi_addr is what the datagram says, ipi_spec_dst the address of ours that stands for
 * it: they differ when it went to a broadcast or multicast address. */
static bool take_info4(struct slot *slot, struct msghdr *msg)
{
    struct cmsghdr *at =
        find_info(msg, IPPROTO_IP, IP_PKTINFO, sizeof(struct in_pktinfo));
    struct sockaddr_in *local = (void *)&slot->dgram.local.storage;
    struct in_pktinfo info;

    if (at == NULL)
        return false;
    memcpy(&info, CMSG_DATA(at), sizeof info);
    local->sin_addr = info.ipi_addr;
    slot->dgram.to_many = info.ipi_addr.s_addr != info.ipi_spec_dst.s_addr ||
                          IN_MULTICAST(ntohl(info.ipi_addr.s_addr)) ||
                          info.ipi_addr.s_addr == INADDR_BROADCAST;
    info.ipi_ifindex = 0; /* routed like everything else */
    memcpy(CMSG_DATA(at), &info, sizeof info);
    keep_info(msg, at, sizeof info);
    return true;
}

/* An IPv4 datagram on an IPv6 socket: broadcast cannot be told from the address, so the
 * last byte that nearly all broadcast addresses have is taken for it. */
static bool is_many6(const struct in6_addr *address)
{
    const uint8_t *bytes = address->s6_addr;

    if (!IN6_IS_ADDR_V4MAPPED(address))
        return IN6_IS_ADDR_MULTICAST(address);
    return (bytes[12] & 0xf0) == 0xe0 || bytes[15] == 0xff;
}

static bool take_info6(struct slot *slot, struct msghdr *msg)
{
    struct cmsghdr *at =
        find_info(msg, IPPROTO_IPV6, IPV6_PKTINFO, sizeof(struct in6_pktinfo));
    struct sockaddr_in6 *local = (void *)&slot->dgram.local.storage;
    struct in6_pktinfo info;

    if (at == NULL)
        return false;
    memcpy(&info, CMSG_DATA(at), sizeof info);
    local->sin6_addr = info.ipi6_addr;
    slot->dgram.to_many = is_many6(&info.ipi6_addr);
    if (IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr))
        local->sin6_scope_id = info.ipi6_ifindex; /* the same address is on every link */
    else
        info.ipi6_ifindex = 0;
    memcpy(CMSG_DATA(at), &info, sizeof info);
    keep_info(msg, at, sizeof info);
    return true;
}

/* The socket's own name, with the address that the datagram was sent to. */
static void take_local(const struct dgram_batch *batch, struct slot *slot,
                       struct msghdr *msg)
{
    sa_family_t family = batch->bound->storage.ss_family;
    size_t size =
        family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
    bool is_known;

    slot->dgram.to_many = false;
    if (family != AF_INET && family != AF_INET6) {
        slot->dgram.local = *batch->bound;
        msg->msg_controllen = 0;
        return;
    }
    memcpy(&slot->dgram.local.storage, &batch->bound->storage, size);
    is_known = family == AF_INET ? take_info4(slot, msg) : take_info6(slot, msg);
    slot->dgram.local.length = is_known ? (socklen_t)size : 0;
    if (!is_known)
        msg->msg_controllen = 0;
}

/* The kernel wants its own form of a v4-mapped peer back. */
static void take_peer(struct slot *slot, struct msghdr *msg)
{
    struct usher_address *peer = &slot->dgram.peer;
    const struct sockaddr_in6 *in6 = (const void *)&peer->storage;

    peer->length = msg->msg_namelen > sizeof(sa_family_t) ? msg->msg_namelen : 0;
    if (peer->length == 0 || in6->sin6_family != AF_INET6 ||
        !IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
        return;
    slot->mapped = *in6;
    addr_normalize(peer);
    addr_normalize(&slot->dgram.local);
}

static void take_one(struct dgram_batch *batch, int index)
{
    struct slot *slot = &batch->slots[index];
    struct mmsghdr *in = &batch->in[index];

    slot->dgram.count = in->msg_len;
    slot->dgram.is_cut = (in->msg_hdr.msg_flags & MSG_TRUNC) != 0;
    take_local(batch, slot, &in->msg_hdr);
    take_peer(slot, &in->msg_hdr);
    if (in->msg_len > 4096)
        batch->large_bytes += in->msg_len;
}

/* ---- batches --------------------------------------------------------------------------
 */

static void give_back(struct dgram_batch *batch)
{
    if (batch->large_bytes < LARGE_KEPT)
        return;
    madvise(batch->memory, MAP_SIZE, MADV_DONTNEED);
    batch->large_bytes = 0;
}

/* A UNIX peer could send descriptors: without room for them the kernel closes them. */
static void shut_control(struct dgram_batch *batch, int limit)
{
    for (int i = 0; i < limit; i++)
        batch->in[i].msg_hdr.msg_controllen = 0;
}

static int ask_name(int fd, struct usher_address *out, struct err *err)
{
    socklen_t length = sizeof out->storage;

    if (getsockname(fd, (struct sockaddr *)&out->storage, &length) == -1)
        return err_sys(err, "datagrams: getsockname");
    out->length = length;
    return 0;
}

int dgram_receive(struct dgram_batch *batch, int fd, struct usher_address *bound,
                  int limit, struct err *err)
{
    bool is_unix;
    int got;

    if (bound->length == 0 && ask_name(fd, bound, err) == -1)
        return -1;
    is_unix = bound->storage.ss_family == AF_UNIX;
    batch->bound = bound;

    /* Only what the last batch used needs to be made ready again. */
    for (int i = 0; i < batch->received; i++)
        prepare(batch, i);
    batch->received = batch->queued = 0;
    if (is_unix)
        shut_control(batch, limit);
    got = recvmmsg(fd, batch->in, (unsigned)limit, MSG_DONTWAIT | MSG_CMSG_CLOEXEC, NULL);
    if (is_unix)
        batch->received = limit; /* all lost their room for control messages */
    if (got == -1) {
        if (!is_passing(errno))
            return err_sys(err, "datagrams: receive");
        give_back(batch);
        return 0;
    }
    batch->received = batch->received > got ? batch->received : got;
    for (int i = 0; i < got; i++)
        take_one(batch, i);
    return got;
}

const struct dgram *dgram_at(const struct dgram_batch *batch, int index)
{
    return &batch->slots[index].dgram;
}

/* Bytes inside the request go as they lie there; others are copied behind it. */
static void place_reply(struct slot *slot, const void *bytes, size_t count)
{
    char *begin = slot->in.iov_base;
    uintptr_t at = (uintptr_t)bytes, from = (uintptr_t)begin;
    size_t length = slot->dgram.count;

    slot->out.iov_len = count;
    slot->out.iov_base = begin + length;
    if (at >= from && at <= from + length && count <= from + length - at)
        slot->out.iov_base = begin + (at - from);
    else if (count > 0)
        memmove(begin + length, bytes, count);
}

int dgram_reply(struct dgram_batch *batch, int index, const void *bytes, size_t count)
{
    struct slot *slot = &batch->slots[index];
    const struct msghdr *in = &batch->in[index].msg_hdr;
    struct msghdr *out = &batch->out[batch->queued].msg_hdr;

    if (slot->is_answered || count > REPLY_MAX || slot->dgram.peer.length == 0)
        return -1;
    place_reply(slot, bytes, count);
    memset(out, 0, sizeof *out);
    out->msg_name = in->msg_name;
    if (in->msg_namelen == sizeof slot->mapped &&
        slot->dgram.peer.length != in->msg_namelen)
        out->msg_name = &slot->mapped;
    out->msg_namelen = in->msg_namelen;
    out->msg_iov = &slot->out;
    out->msg_iovlen = 1;
    if (!slot->dgram.to_many && in->msg_controllen != 0) {
        out->msg_control = in->msg_control;
        out->msg_controllen = in->msg_controllen;
    }
    if (count > 4096)
        batch->large_bytes += count;
    slot->is_answered = true;
    batch->queued++;
    return 0;
}

/* sendmmsg() stops at the first datagram it cannot send. That one may have met the error
 * of an earlier one, so it gets one more try before it is left out. */
int dgram_flush(struct dgram_batch *batch, int fd)
{
    int at = 0, left = 0, tries = 0;

    while (at < batch->queued) {
        int sent = sendmmsg(fd, batch->out + at, (unsigned)(batch->queued - at),
                            MSG_DONTWAIT | MSG_NOSIGNAL);

        if (sent > 0) {
            left += sent;
            at += sent;
            tries = 0;
        } else if (sent == 0 || (errno != EINTR && ++tries == 2)) {
            at++;
            tries = 0;
        }
    }
    batch->queued = 0;
    return left;
}
