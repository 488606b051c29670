/*
 * Datagrams. Each peer has a socket of its own towards the target, so that answers find their way
 * back, and a few tickets: the requests that may still be answered, oldest first. Peers stand in
 * the order of their last word; who has been silent for `idle` goes, and when all places are taken,
 * the first of them makes room.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "redirect.h"

#define BUCKETS 256
#define TICKETS 8
#define ANSWERS 16 /* a wake-up */

struct peer {
    struct peer *next;           /* in its bucket */
    struct peer *newer, *older;  /* by their last word */
    struct usher_address address;
    int64_t last_ms;
    int fd;
    unsigned count;
    struct usher_ticket tickets[TICKETS];
};

struct peers {
    const struct usher_instance *service;
    struct peer *buckets[BUCKETS];
    struct peer **by_fd; /* answers come by descriptor */
    int fd_room;
    struct peer *newest, *oldest;
    unsigned count;
    bool is_timed;
};

static const struct redirect_conf *conf_of(const struct peers *peers)
{
    return peers->service->conf;
}

static const struct usher_host *host_of(const struct peers *peers)
{
    return peers->service->host;
}

/* ---- who is there -------------------------------------------------------------------------- */

static struct peer **bucket_of(struct peers *peers, const struct usher_address *address)
{
    const unsigned char *bytes = (const unsigned char *)&address->storage;
    uint32_t hash = 2166136261u;

    for (socklen_t i = 0; i < address->length; i++)
        hash = (hash ^ bytes[i]) * 16777619u;
    return &peers->buckets[(hash ^ hash >> 16) % BUCKETS];
}

static struct peer *find(struct peers *peers, const struct usher_address *address)
{
    struct peer *peer = *bucket_of(peers, address);

    while (peer != NULL && (peer->address.length != address->length ||
                            memcmp(&peer->address.storage, &address->storage, address->length) != 0))
        peer = peer->next;
    return peer;
}

static void leave_order(struct peers *peers, struct peer *peer)
{
    *(peer->newer != NULL ? &peer->newer->older : &peers->newest) = peer->older;
    *(peer->older != NULL ? &peer->older->newer : &peers->oldest) = peer->newer;
}

static void become_newest(struct peers *peers, struct peer *peer)
{
    peer->last_ms = host_of(peers)->clock_ms();
    peer->newer = NULL;
    peer->older = peers->newest;
    *(peers->newest != NULL ? &peers->newest->newer : &peers->oldest) = peer;
    peers->newest = peer;
}

static void touch(struct peers *peers, struct peer *peer)
{
    leave_order(peers, peer);
    become_newest(peers, peer);
}

static void answer_came(const struct usher_instance *service, int fd, unsigned what);

static void forget(struct peers *peers, struct peer *peer)
{
    struct peer **at = bucket_of(peers, &peer->address);

    while (*at != peer)
        at = &(*at)->next;
    *at = peer->next;
    leave_order(peers, peer);
    host_of(peers)->service_watch(peers->service, peer->fd, 0, answer_came);
    peers->by_fd[peer->fd] = NULL;
    close(peer->fd);
    free(peer);
    peers->count--;
}

/* ---- silence -------------------------------------------------------------------------------- */

static void start_timer(struct peers *peers);

static void silence_came(const struct usher_instance *service)
{
    struct peers *peers = service->state;
    int64_t since_ms = host_of(peers)->clock_ms() - conf_of(peers)->idle;

    peers->is_timed = false;
    while (peers->oldest != NULL && peers->oldest->last_ms <= since_ms)
        forget(peers, peers->oldest);
    start_timer(peers);
}

/* One timer for the first of them: it finds out whether that one has spoken since. */
static void start_timer(struct peers *peers)
{
    int64_t after_ms;

    if (peers->oldest == NULL || peers->is_timed)
        return;
    after_ms = peers->oldest->last_ms + conf_of(peers)->idle - host_of(peers)->clock_ms();
    peers->is_timed = true;
    host_of(peers)->service_timer(peers->service, after_ms > 0 ? after_ms + 5 : 5, silence_came);
}

/* ---- a peer more ---------------------------------------------------------------------------- */

static int make_place(struct peers *peers, int fd)
{
    int room = fd + 64;
    struct peer **grown;

    if (fd < peers->fd_room)
        return 0;
    grown = realloc(peers->by_fd, (size_t)room * sizeof(struct peer *));
    if (grown == NULL)
        return -1;
    memset(grown + peers->fd_room, 0, (size_t)(room - peers->fd_room) * sizeof(*grown));
    peers->by_fd = grown;
    peers->fd_room = room;
    return 0;
}

static int open_peer(struct peers *peers, struct peer *peer)
{
    peer->fd = redirect_connect(conf_of(peers), SOCK_DGRAM);
    if (peer->fd == -1)
        return -1;
    if (make_place(peers, peer->fd) == 0 &&
        host_of(peers)->service_watch(peers->service, peer->fd, 1, answer_came) == 0)
        return 0;
    close(peer->fd);
    errno = ENOBUFS;
    return -1;
}

static struct peer *add(struct peers *peers, const struct usher_address *address)
{
    struct peer *peer, **bucket = bucket_of(peers, address);

    if (peers->count >= conf_of(peers)->max_peers)
        forget(peers, peers->oldest);
    peer = calloc(1, sizeof(*peer));
    if (peer == NULL)
        return NULL;
    if (open_peer(peers, peer) == -1) {
        usher_log(peers->service, USHER_DEBUG, "fail target error=\"%m\"");
        free(peer);
        return NULL;
    }
    peer->address = *address;
    peer->next = *bucket;
    *bucket = peer;
    peers->by_fd[peer->fd] = peer;
    become_newest(peers, peer);
    peers->count++;
    start_timer(peers);
    return peer;
}

/* ---- there and back ------------------------------------------------------------------------- */

static void drop_ticket(struct peer *peer, unsigned index)
{
    peer->count--;
    memmove(&peer->tickets[index], &peer->tickets[index + 1],
            (peer->count - index) * sizeof(peer->tickets[0]));
}

/* What was answered makes room, or else the oldest: that will hardly be answered any more. */
static void note_request(struct peer *peer, const struct usher_ticket *ticket)
{
    if (peer->count > 0 && (peer->tickets[0].is_used || peer->count == TICKETS))
        drop_ticket(peer, 0);
    peer->tickets[peer->count++] = *ticket;
}

void peers_datagram(struct usher_dgram *dgram)
{
    struct peers *peers = dgram->service->state;
    struct usher_ticket ticket;
    struct peer *peer;

    if (dgram->peer->length == 0)
        return;
    peer = find(peers, dgram->peer);
    if (peer != NULL)
        touch(peers, peer);
    else
        peer = add(peers, dgram->peer);
    if (peer == NULL)
        return;
    host_of(peers)->ticket(dgram, &ticket);
    note_request(peer, &ticket);
    /* An error may be that of an earlier datagram: the second try says whether this one left. */
    if (send(peer->fd, dgram->bytes, dgram->count, MSG_NOSIGNAL | MSG_DONTWAIT) == -1)
        send(peer->fd, dgram->bytes, dgram->count, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Which request it answers, nobody says: the oldest that is long enough for the rule about lengths,
 * or else the oldest. The last one stays: where the row says amplify, it has more than one answer. */
static void pass_answer(struct peers *peers, struct peer *peer, const void *bytes, size_t count)
{
    unsigned index = 0;

    while (index < peer->count && peer->tickets[index].count < count)
        index++;
    if (index == peer->count)
        index = 0;
    host_of(peers)->answer(peers->service, &peer->tickets[index], bytes, count);
    if (peer->count > 1)
        drop_ticket(peer, index);
}

static void answer_came(const struct usher_instance *service, int fd, unsigned what)
{
    static char bytes[REDIRECT_READ];
    struct peers *peers = service->state;
    struct peer *peer = peers->by_fd[fd];

    (void)what;
    touch(peers, peer);
    for (int left = ANSWERS; left > 0; left--) {
        ssize_t count = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);

        if (count == -1)
            return; /* nothing more, or nobody listens there: the peer will notice */
        pass_answer(peers, peer, bytes, (size_t)count);
    }
}

/* ---- the service ---------------------------------------------------------------------------- */

struct peers *peers_new(const struct usher_instance *service)
{
    struct peers *peers = calloc(1, sizeof(*peers));

    if (peers != NULL)
        peers->service = service;
    return peers;
}

void peers_free(struct peers *peers)
{
    while (peers->oldest != NULL)
        forget(peers, peers->oldest);
    free(peers->by_fd);
    free(peers);
}
