/*
 * Datagrams, there and back: each peer has a few tickets, the requests that may still be
 * answered, oldest first.
 */
#include <string.h>
#include <sys/socket.h>

#include "peers.h"
#include "redirect.h"

#define ANSWERS 16 /* a wake-up */

static void drop_ticket(struct peer *peer, unsigned index)
{
    peer->count--;
    memmove(&peer->tickets[index], &peer->tickets[index + 1],
            (peer->count - index) * sizeof(peer->tickets[0]));
}

/* What was answered makes room, or else the oldest: that will hardly be answered any
 * more. */
static void note_request(struct peer *peer, const struct usher_ticket *ticket)
{
    if (peer->count > 0 && (peer->tickets[0].is_used || peer->count == PEER_TICKETS))
        drop_ticket(peer, 0);
    peer->tickets[peer->count++] = *ticket;
}

void datagram_came(struct usher_dgram *dgram)
{
    struct peers *peers = dgram->service->state;
    struct usher_ticket ticket;
    struct peer *peer;

    if (dgram->peer->length == 0)
        return;
    peer = peers_find(peers, dgram->peer);
    if (peer == NULL)
        return;
    dgram->service->host->ticket(dgram, &ticket);
    note_request(peer, &ticket);
    /* An error may be that of an earlier datagram: the second try says whether this one
     * left. */
    if (send(peer->fd, dgram->bytes, dgram->count, MSG_NOSIGNAL | MSG_DONTWAIT) == -1)
        send(peer->fd, dgram->bytes, dgram->count, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Which request it answers, nobody says: the oldest that is long enough for the rule
 * about lengths, or else the oldest. The last one stays: where the row says amplify, it
 * has more than one answer. */
static void pass_answer(const struct usher_instance *service, struct peer *peer,
                        const void *bytes, size_t count)
{
    unsigned index = 0;

    while (index < peer->count && peer->tickets[index].count < count)
        index++;
    if (index == peer->count)
        index = 0;
    service->host->answer(service, &peer->tickets[index], bytes, count);
    if (peer->count > 1)
        drop_ticket(peer, index);
}

void datagram_answered(const struct usher_instance *service, int fd, unsigned what)
{
    static char bytes[REDIRECT_READ];
    struct peer *peer = peers_by_fd(service->state, fd);

    (void)what;
    for (int left = ANSWERS; left > 0; left--) {
        ssize_t count = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);

        if (count == -1)
            return; /* nothing more, or nobody listens there: the peer will notice */
        pass_answer(service, peer, bytes, (size_t)count);
    }
}
