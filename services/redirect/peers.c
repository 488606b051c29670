#include "peers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "redirect.h"

#define BUCKETS 256
#define RETIRED 64

struct peers {
    const struct usher_instance *service;
    struct peer *buckets[BUCKETS];
    struct peer **by_fd; /* answers come by descriptor */
    int fd_room;
    struct peer *newest, *oldest;
    unsigned count;
    bool is_timed;
    int retired[RETIRED]; /* descriptors + 1, a ring */
    unsigned next_retired;
};

static const struct redirect_conf *conf_of(const struct peers *peers)
{
    return peers->service->conf;
}

static const struct usher_host *host_of(const struct peers *peers)
{
    return peers->service->host;
}

/* ---- who is there ------------------------------------------------------------------ */

static struct peer **bucket_of(struct peers *peers, const struct usher_address *address)
{
    const unsigned char *bytes = (const unsigned char *)&address->storage;
    uint32_t hash = 2166136261u;

    for (socklen_t i = 0; i < address->length; i++)
        hash = (hash ^ bytes[i]) * 16777619u;
    return &peers->buckets[(hash ^ hash >> 16) % BUCKETS];
}

static struct peer *known(struct peers *peers, const struct usher_address *address)
{
    struct peer *peer = *bucket_of(peers, address);

    while (peer != NULL &&
           (peer->address.length != address->length ||
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

/* His socket is the caller's from now on. */
static void forget(struct peers *peers, struct peer *peer)
{
    struct peer **at = bucket_of(peers, &peer->address);

    while (*at != peer)
        at = &(*at)->next;
    *at = peer->next;
    leave_order(peers, peer);
    host_of(peers)->service_watch(peers->service, peer->fd, 0, datagram_answered);
    peers->by_fd[peer->fd] = NULL;
    free(peer);
    peers->count--;
}

static void close_peer(struct peers *peers, struct peer *peer)
{
    int fd = peer->fd;

    forget(peers, peer);
    close(fd);
}

/* ---- who made room ----------------------------------------------------------------- */

static void retire(struct peers *peers, int fd)
{
    int *place = &peers->retired[peers->next_retired++ % RETIRED];

    if (*place > 0)
        close(*place - 1);
    *place = fd + 1;
}

static void close_retired(struct peers *peers)
{
    for (unsigned i = 0; i < RETIRED; i++) {
        if (peers->retired[i] > 0)
            close(peers->retired[i] - 1);
        peers->retired[i] = 0;
    }
}

/* The target may not have answered him yet. What comes for him must not come to somebody
 * else, whom the system gave the same port: his port is taken for a while. Nobody reads
 * what comes there. */
static void make_room(struct peers *peers)
{
    const int least = 0;
    int fd = peers->oldest->fd;

    forget(peers, peers->oldest);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &least, sizeof(least));
    retire(peers, fd);
}

/* ---- silence ----------------------------------------------------------------------- */

static void start_timer(struct peers *peers);

static void silence_came(const struct usher_instance *service)
{
    struct peers *peers = service->state;
    int64_t since_ms = host_of(peers)->clock_ms() - conf_of(peers)->idle;

    peers->is_timed = false;
    while (peers->oldest != NULL && peers->oldest->last_ms <= since_ms)
        close_peer(peers, peers->oldest);
    if (peers->oldest == NULL)
        close_retired(peers);
    start_timer(peers);
}

/* One timer for the first of them: it finds out whether that one has spoken since. */
static void start_timer(struct peers *peers)
{
    int64_t after_ms;

    if (peers->oldest == NULL || peers->is_timed || conf_of(peers)->idle < 0)
        return;
    after_ms = peers->oldest->last_ms + conf_of(peers)->idle - host_of(peers)->clock_ms();
    peers->is_timed = true;
    host_of(peers)->service_timer(peers->service, after_ms > 0 ? after_ms + 5 : 5,
                                  silence_came);
}

/* ---- a peer more ------------------------------------------------------------------- */

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
        host_of(peers)->service_watch(peers->service, peer->fd, 1, datagram_answered) ==
            0)
        return 0;
    close(peer->fd);
    errno = ENOBUFS;
    return -1;
}

static struct peer *add(struct peers *peers, const struct usher_address *address)
{
    struct peer *peer, **bucket = bucket_of(peers, address);

    if (peers->count >= conf_of(peers)->max_peers)
        make_room(peers);
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

struct peer *peers_find(struct peers *peers, const struct usher_address *address)
{
    struct peer *peer = known(peers, address);

    if (peer == NULL)
        return add(peers, address);
    touch(peers, peer);
    return peer;
}

struct peer *peers_by_fd(struct peers *peers, int fd)
{
    touch(peers, peers->by_fd[fd]);
    return peers->by_fd[fd];
}

/* ---- the service ------------------------------------------------------------------- */

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
        close_peer(peers, peers->oldest);
    close_retired(peers);
    free(peers->by_fd);
    free(peers);
}
