#include "flow/run_dispatch.h"

#include "flow/conn.h"
#include "flow/request.h"

#define BATCHES 4 /* a wake-up */

int run_dispatch_stream(struct row *row, int fd, const struct peer *peer, struct err *err)
{
    return conn_open(row, fd, peer) == 0 ? 0 : err_set(err, "no memory for a connection");
}

/* Every datagram is shown, but for those that are not whole: what may be answered is
 * decided when the plugin answers, so that one that only listens hears everything. */
static void serve_batch(struct row *row, int count)
{
    struct dgram_batch *batch = row->flow->batch;
    uint64_t bytes = 0;

    for (int i = 0; i < count; i++) {
        const struct dgram *dgram = dgram_at(batch, i);

        bytes += dgram->count;
        if (dgram->is_cut)
            request_drop(row, UDP_CUT);
        else if (request_admit(row, dgram))
            request_show(row, dgram, i, -1);
    }
    page_add(&row->counts->accepted, (uint64_t)count);
    page_add(&row->counts->bytes_in, bytes);
}

static void flush(struct listener *listener)
{
    struct row *row = listener->row;
    int queued = row->flow->queued, sent;

    if (queued == 0)
        return;
    row->flow->queued = 0;
    sent = dgram_flush(row->flow->batch, listener->fd);
    page_add(&row->counts->replied, (uint64_t)sent);
    if (sent < queued)
        request_drop_some(row, UDP_UNSENT, (unsigned)(queued - sent));
}

void run_dispatch_datagrams(struct listener *listener)
{
    struct err err = ERR_EMPTY;

    listener->row->flow->asked = listener;
    for (int left = BATCHES; left > 0; left--) {
        int count = dgram_receive(listener->row->flow->batch, listener->fd,
                                  &listener->bound, DGRAM_BATCH, &err);

        if (count == -1)
            listener_pause(listener, LISTENER_PAUSE_MS, &err);
        if (count <= 0)
            return;
        serve_batch(listener->row, count);
        flush(listener);
        if (count < DGRAM_BATCH)
            return;
    }
}
