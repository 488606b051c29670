#include "flow/limits.h"
#include "flow/run_fork.h"

#include <errno.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/fd.h"
#include "base/mem.h"
#include "flow/conn.h"
#include "flow/job.h"
#include "flow/request.h"
#include "proc/sandbox.h"
#include "proc/spawn.h"

#define DATAGRAMS 16 /* a wake-up */

/* What a child is for. */
struct call {
    struct row *row;
    int fd; /* the connection, or where the reply goes */
    const struct peer *peer;
    const struct dgram *dgram;
};

/* ---- in the child ------------------------------------------------------------------ */

static int set_limits(const struct plan_service *service, struct err *err)
{
    for (size_t i = 0; i < service->limit_count; i++) {
        const struct plan_limit *limit = &service->limits[i];
        struct rlimit value;

        if (limits_value(limit, &value, err) == -1)
            return -1;
        if (setrlimit((__rlimit_resource_t)limit->resource, &value) == -1)
            return err_sys(err, "limits");
    }
    return 0;
}

static int become_child(const struct call *call)
{
    struct err err = ERR_EMPTY;

    if (flow_become_child(call->row->flow, call->fd, &err) == -1) {
        log_error(call->row->service->name, "fail child error=\"%s\"", err.text);
        return -1;
    }
    if (set_limits(call->row->service, &err) == -1 ||
        sandbox_close_child(call->row->flow->sandbox, &err) == -1) {
        log_error(call->row->service->name, "fail child error=\"%s\"", err.text);
        return -1;
    }
    return 0;
}

static int serve_blocking(const struct call *call)
{
    struct usher_address peer = { 0 };
    struct usher_run run = { .size = sizeof(run), .service = &call->row->instance,
                             .fd = call->fd, .peer = &peer };

    peer_get(call->peer, &peer);
    if (call->peer->kind == PEER_UNIX) {
        peer.length = sizeof(peer.storage);
        if (getpeername(call->fd, (struct sockaddr *)&peer.storage, &peer.length) == -1)
            peer.length = 0;
    }
    return call->row->calls->run(&run) == 0 ? 0 : 1;
}

static int serve_stream(void *context)
{
    const struct call *call = context;
    struct err err = ERR_EMPTY;

    if (become_child(call) == -1)
        return 1;
    if (call->row->service->is_blocking)
        return serve_blocking(call);
    if (conn_open(call->row, call->fd, call->peer) == -1)
        return 1;
    return loop_run(&call->row->flow->loop, &err) == 0 ? 0 : 1;
}

static int serve_datagram(void *context)
{
    const struct call *call = context;

    if (become_child(call) == -1)
        return 1;
    request_show(call->row, call->dgram, 0, call->fd);
    return 0;
}

/* ---- connections ------------------------------------------------------------------- */

static int start_child(struct job *job, spawn_fn *fn, struct call *call, struct err *err)
{
    struct spawn_fork spawn = { .fn = fn, .context = call, .new_session = true };
    pid_t pid = spawn_fork(&spawn, err);

    if (pid == -1)
        return -1;
    job_start(job, pid);
    return 0;
}

int run_fork_stream(struct row *row, int fd, const struct peer *peer, struct err *err)
{
    struct call call = { .row = row, .fd = fd, .peer = peer };
    struct job *job = job_new(row, sizeof(*job), peer, NULL, err);

    if (job == NULL)
        return -1;
    if (start_child(job, serve_stream, &call, err) == -1) {
        mem_free(&job);
        return -1;
    }
    fd_close(&fd);
    return 0;
}

/* ---- datagrams --------------------------------------------------------------------- */

struct dgram_job {
    struct job job;
    struct listener *listener;
    struct watch watch;
    int fd;             /* where its reply comes from; -1: it came */
    struct dgram asked; /* without the bytes */
};

static void drop_reply(struct dgram_job *job)
{
    if (job->fd == -1)
        return;
    watch_stop(&job->job.row->flow->loop, &job->watch);
    fd_close(&job->fd);
}

static void send_reply(const struct dgram_job *job, const char *bytes, size_t count)
{
    struct row *row = job->job.row;
    enum udp_verdict verdict =
        udp_judge(&row->flow->udp, row->service, &job->asked, count);

    if (verdict != UDP_ANSWER)
        request_drop(row, verdict);
    else if (udp_send(job->listener->fd, &job->asked.peer, &job->asked.local, bytes,
                      count) == -1)
        request_drop(row, UDP_UNSENT);
    else {
        page_add(&row->counts->replied, 1);
        page_add(&row->counts->bytes_out, count);
    }
}

static void receive_reply(struct dgram_job *job)
{
    struct flow *flow = job->job.row->flow;
    ssize_t count;

    if (job->fd == -1)
        return;
    count = recv(job->fd, flow->buffer, flow->buffer_kept + FLOW_READ, MSG_DONTWAIT);
    if (count == -1 && (errno == EAGAIN || errno == EINTR))
        return;
    if (count > 0 && flow->buffer[0] == REQUEST_MARK)
        send_reply(job, flow->buffer + 1, (size_t)count - 1);
    drop_reply(job);
}

static void reply_came(int fd, short what, void *context)
{
    (void)fd, (void)what;
    receive_reply(context);
}

/* The news of the end may come before that of the reply. */
static void datagram_ended(struct job *job, int status)
{
    struct dgram_job *mine = (struct dgram_job *)(void *)job;

    (void)status;
    mine->listener->answering--;
    receive_reply(mine);
    drop_reply(mine);
}

static int start_datagram(struct listener *listener, const struct dgram *dgram,
                          struct err *err)
{
    struct row *row = listener->row;
    struct dgram_job *job = job_new(row, sizeof(*job), NULL, datagram_ended, err);
    struct call call = { .row = row, .dgram = dgram };
    int pair[2] = { -1, -1 };

    if (job == NULL)
        return -1;
    job->listener = listener;
    job->asked = *dgram;
    job->asked.bytes = NULL;
    peer_set(&job->job.peer, &dgram->peer.storage, dgram->peer.length);
    if (fd_pair(pair, err) == -1)
        goto fail;
    job->fd = pair[0];
    call.fd = pair[1];
    watch_init(&job->watch, job->fd, LOOP_READ, reply_came, job);
    if (watch_start(&row->flow->loop, &job->watch, err) == -1 ||
        start_child(&job->job, serve_datagram, &call, err) == -1) {
        drop_reply(job);
        goto fail;
    }
    fd_close(&pair[1]);
    listener->answering++;
    return 0;

fail:
    fd_close(&pair[1]);
    mem_free(&job);
    return -1;
}

/* One at a time: what cannot be served now stays in the kernel's queue. */
static bool serve_one(struct listener *listener)
{
    struct row *row = listener->row;
    const struct dgram *dgram;
    struct err err = ERR_EMPTY;
    int count = dgram_receive(row->flow->batch, listener->fd, &listener->bound, 1, &err);

    if (count == -1)
        listener_pause(listener, LISTENER_PAUSE_MS, &err);
    if (count <= 0)
        return false;
    dgram = dgram_at(row->flow->batch, 0);
    page_add(&row->counts->bytes_in, dgram->count);
    if (dgram->is_cut) {
        page_add(&row->counts->accepted, 1);
        request_drop(row, UDP_CUT);
    } else if (!request_admit(row, dgram)) {
        page_add(&row->counts->accepted, 1);
    } else if (start_datagram(listener, dgram, &err) == -1) {
        page_add(&row->counts->accepted, 1);
        request_drop(row, UDP_UNSERVED);
        listener_pause(listener, LISTENER_PAUSE_MS, &err);
        return false;
    }
    return true;
}

/* Whose datagram it is, nobody knows: all senders together are one source, so that those
 * who have proved where they are always find a slot. */
static bool holds_its_share(const struct row *row)
{
    const struct flow *flow = row->flow;
    uint64_t answering = 0;
    bool has_streams = plan_is_offered(row->service);

    for (size_t i = 0; i < flow->listener_count; i++) {
        if (flow->listeners[i].row != row)
            continue;
        answering += flow->listeners[i].answering;
        has_streams =
            has_streams || endpoint_is_stream(flow->listeners[i].endpoint->kind);
    }
    return has_streams && answering >= ADMIT_SHARE * row_free(row);
}

void run_fork_datagrams(struct listener *listener)
{
    for (int left = DATAGRAMS; left > 0; left--) {
        if (row_is_full(listener->row) || holds_its_share(listener->row)) {
            listener_fill(listener);
            return;
        }
        if (!serve_one(listener))
            return;
    }
}
