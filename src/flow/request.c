#include "flow/request.h"

#include <string.h>
#include <sys/socket.h>

#include "flow/listener.h"

void request_drop_some(struct row *row, enum udp_verdict verdict, unsigned count)
{
    page_add(&row->counts->dropped, count);
    page_add(&row->counts->dropped_by[verdict], count);
    if (log_wants(LOG_DEBUG_))
        log_debug(row->service->name, "deny reply reason=\"%s\"",
                  udp_verdict_name(verdict));
}

void request_drop(struct row *row, enum udp_verdict verdict)
{
    request_drop_some(row, verdict, 1);
}

bool request_admit(struct row *row, const struct dgram *dgram)
{
    enum admit_verdict verdict;
    struct peer peer;

    if (!row->admit.has_rules && row->admit.rate.count == 0)
        return true;
    verdict = admit_datagram(row, dgram);
    if (verdict == ADMIT_YES)
        return true;
    peer_set(&peer, &dgram->peer.storage, dgram->peer.length);
    refusal_note(row, &peer, verdict);
    return false;
}

void request_show(struct row *row, const struct dgram *dgram, int index, int answer_fd)
{
    struct request request = {
        .head = { .size = sizeof(request.head), .service = &row->instance,
                  .bytes = dgram->bytes, .count = dgram->count, .peer = &dgram->peer },
        .row = row, .dgram = dgram, .index = index, .answer_fd = answer_fd,
    };
    struct peer peer;

    peer_set(&peer, &dgram->peer.storage, dgram->peer.length);
    flow_enter(row->flow, row->service->number, &peer);
    row->calls->datagram(&request.head);
    flow_leave(row->flow);
}

/* A byte before it tells an empty reply from none. */
static void pass_up(int fd, const void *bytes, size_t count)
{
    char mark = REQUEST_MARK;
    struct iovec parts[] = { { &mark, 1 }, { (void *)(uintptr_t)bytes, count } };
    struct msghdr message = { .msg_iov = parts, .msg_iovlen = ARRAY_LEN(parts) };

    sendmsg(fd, &message, MSG_NOSIGNAL);
}

void request_reply(struct usher_dgram *head, const void *bytes, size_t count)
{
    struct request *request = (struct request *)(void *)head;
    struct row *row = request->row;
    enum udp_verdict verdict;

    if (request->is_answered)
        return;
    request->is_answered = true;
    if (request->answer_fd != -1) {
        pass_up(request->answer_fd, bytes, count);
        return;
    }

    verdict = udp_judge(&row->flow->udp, row->service, request->dgram, count);
    if (verdict != UDP_ANSWER)
        request_drop(row, verdict);
    else if (dgram_reply(row->flow->batch, request->index, bytes, count) == -1)
        request_drop(row, UDP_UNSENT);
    else {
        row->flow->queued++;
        page_add(&row->counts->bytes_out, count);
    }
}

/* ---- answers that come later ------------------------------------------------------- */

void request_ticket(const struct usher_dgram *head, struct usher_ticket *out)
{
    const struct request *request = (const struct request *)(const void *)head;
    const struct flow *flow = request->row->flow;

    memset(out, 0, sizeof(*out));
    out->size = sizeof(*out);
    out->peer = request->dgram->peer;
    out->local = request->dgram->local;
    out->count = request->dgram->count;
    out->is_used = request->is_answered;
    out->is_to_many = request->dgram->to_many;
    out->endpoint = flow->asked != NULL ? (int)(flow->asked - flow->listeners) : -1;
}

/* The socket it came to; NULL: it is closed meanwhile, or was never ours. */
static const struct listener *find_asked(const struct row *row,
                                         const struct usher_ticket *ticket)
{
    const struct flow *flow = row->flow;
    const struct listener *listener;

    if (ticket->endpoint < 0 || (size_t)ticket->endpoint >= flow->listener_count)
        return NULL;
    listener = &flow->listeners[ticket->endpoint];
    return listener->row == row && listener->fd != -1 ? listener : NULL;
}

int request_answer(const struct usher_instance *service, struct usher_ticket *ticket,
                   const void *bytes, size_t count)
{
    struct row *row = CONTAINER(service, struct row, instance);
    const struct listener *listener = find_asked(row, ticket);
    struct dgram request = { .count = ticket->count, .peer = ticket->peer,
                             .local = ticket->local, .to_many = ticket->is_to_many };
    enum udp_verdict verdict = udp_judge(&row->flow->udp, row->service, &request, count);

    if (ticket->is_used && !row->service->amplify)
        verdict = UDP_AGAIN;
    ticket->is_used = true;
    if (verdict != UDP_ANSWER) {
        request_drop(row, verdict);
        return -1;
    }
    if (listener == NULL ||
        udp_send(listener->fd, &request.peer, &request.local, bytes, count) == -1) {
        request_drop(row, UDP_UNSENT);
        return -1;
    }
    page_add(&row->counts->replied, 1);
    page_add(&row->counts->bytes_out, count);
    return 0;
}
