#include "flow/request.h"

#include <sys/socket.h>

#include "flow/flow.h"

void request_drop(struct row *row, enum udp_verdict verdict)
{
    page_add(&row->counts->dropped, 1);
    if (log_wants(LOG_DEBUG_))
        log_debug(row->service->name, "deny reply reason=\"%s\"", udp_verdict_name(verdict));
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
        page_add(&row->counts->dropped, 1);
    else {
        row->flow->queued++;
        page_add(&row->counts->bytes_out, count);
    }
}
