#include "flow/worker.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "flow/door.h"
#include "flow/floor.h"
#include "flow/flow.h"
#include "flow/identity.h"
#include "flow/listener.h"
#include "flow/logline.h"
#include "flow/orders.h"
#include "flow/program.h"
#include "flow/row.h"
#include "loop/sig.h"
#include "proc/reap.h"
#include "proc/sandbox.h"
#include "wire/channel.h"

#define SUBJECT "worker"
#define MIN_KEPT 4096
#define MAX_FILES 1048576

struct worker {
    struct worker_start *start;
    struct flow flow;
    struct sig sig;
    struct orders orders;
    struct sandbox sandbox;
    struct probe probe; /* with our number of the empty root */
    bool is_loop_open;
};

/* ---- beginning --------------------------------------------------------------------- */

static int close_foreign(const struct worker_start *start, struct err *err)
{
    int *keep = mem_array(start->listener_count + start->offer_count + 4, sizeof(*keep));
    size_t count = 0;
    int result;

    for (size_t i = 0; i < start->listener_count; i++)
        keep[count++] = start->listeners[i].fd;
    for (size_t i = 0; i < start->offer_count; i++)
        keep[count++] = start->offers[i].fd;
    keep[count++] = start->door;
    keep[count++] = start->channel;
    keep[count++] = start->log;
    keep[count++] = start->probe->empty_root;
    result = fd_close_all_but(keep, count, err);
    mem_free(&keep);
    return result;
}

/* The log's number is the first: children keep it. The empty root's is the last: it
 * goes. */
static int make_floor(struct worker *worker, struct err *err)
{
    struct worker_start *start = worker->start;
    size_t count = 0;
    int **holders, floor;

    worker->probe = *start->probe;
    start->probe = &worker->probe;
    holders = mem_array(start->listener_count + start->offer_count + 4, sizeof(*holders));
    holders[count++] = &start->log;
    holders[count++] = &start->channel;
    holders[count++] = &start->door;
    for (size_t i = 0; i < start->listener_count; i++)
        holders[count++] = &start->listeners[i].fd;
    for (size_t i = 0; i < start->offer_count; i++)
        holders[count++] = &start->offers[i].fd;
    holders[count++] = &worker->probe.empty_root;
    floor = floor_make(holders, count, err);
    mem_free(&holders);
    worker->flow.channel = start->channel;
    worker->flow.log = start->log;
    logline_open(start->log);
    worker->flow.floor =
        worker->probe.empty_root == -1 ? floor : worker->probe.empty_root;
    return floor == -1 ? -1 : 0;
}

/* What usherd was started with there is not for plugins to write to. A relaxed build's
 * tools tell what they find on 2. */
static int leave_streams(struct err *err)
{
    int fd;

    if (SANDBOX_IS_RELAXED)
        return 0;
    fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (fd == -1)
        return err_sys(err, "/dev/null");
    for (int to = STDIN_FILENO; to <= STDERR_FILENO; to++)
        if (dup2(fd, to) == -1)
            return err_sys(err, "/dev/null");
    fd_close(&fd);
    return 0;
}

/* As many descriptors as we may have. With select numbers end at FD_SETSIZE: the limit
 * keeps callers waiting in the kernel's queue instead of being accepted and dropped. */
static void raise_files(struct flow *flow)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == -1)
        return;
    flow->nofile = limit;
    limit.rlim_cur = limit.rlim_max < MAX_FILES ? limit.rlim_max : MAX_FILES;
    if (strcmp(loop_method(&flow->loop), "select") == 0 && limit.rlim_cur > FD_SETSIZE)
        limit.rlim_cur = FD_SETSIZE;
    setrlimit(RLIMIT_NOFILE, &limit);
}

/* Their peers are answered by their paths, which an empty root does not have. */
static int look_for_datagram_paths(struct worker *worker, struct err *err)
{
    for (size_t i = 0; i < worker->start->listener_count; i++) {
        int fd = worker->start->listeners[i].fd, domain, type;
        socklen_t size = sizeof(domain);

        if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == -1 ||
            getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == -1)
            return err_sys(err, "a listener: getsockopt");
        if (domain == AF_UNIX && type == SOCK_DGRAM)
            worker->sandbox.has_datagram_path = true;
    }
    return 0;
}

/* Any row of the pool says which, but for the sockets. */
static int plan_sandbox(struct worker *worker, struct err *err)
{
    const struct worker_start *start = worker->start;
    const struct plan_service *service = start->listeners[0].service;
    bool is_program = service->way == PLAN_WAY_EXEC || service->way == PLAN_WAY_WAIT;

    worker->sandbox = (struct sandbox)SANDBOX_EMPTY;
    worker->sandbox.kind = is_program ? SANDBOX_PROGRAM : SANDBOX_PLUGIN;
    worker->sandbox.needs = service->needs;
    worker->sandbox.has_children = service->way == PLAN_WAY_FORK;
    worker->sandbox.is_free = is_program && service->privileges;
    worker->sandbox.probe = start->probe;
    worker->sandbox.floor = worker->flow.floor;
    return look_for_datagram_paths(worker, err);
}

static int begin(struct worker *worker, struct err *err)
{
    struct worker_start *start = worker->start;
    const struct plan_globals *globals = &start->plan->globals;
    struct flow *flow = &worker->flow;

    setsid(); /* fails where we lead one already */
    logline_open(start->log);
    log_set_level((enum log_level)globals->log_level);
    addr_set_privacy((enum addr_privacy)globals->log_addresses);
    flow->page = pages_attach(start->pages, start->slot, err);
    if (flow->page == NULL || close_foreign(start, err) == -1 ||
        make_floor(worker, err) == -1 || leave_streams(err) == -1)
        return -1;

    reap_forget_all();
    if (start->listener_count == 0)
        return err_set(err, "a pool without listeners");
    if (plan_sandbox(worker, err) == -1 ||
        identity_become(start->listeners[0].service, &worker->sandbox, err) == -1 ||
        loop_open(&flow->loop, (enum loop_kind)globals->loop, err) == -1)
        return -1;
    worker->is_loop_open = true;
    flow_init(flow);
    raise_files(flow);
    return 0;
}

/* ---- rows -------------------------------------------------------------------------- */

static struct row *find_row(struct flow *flow, const struct plan_service *service)
{
    for (size_t i = 0; i < flow->row_count; i++)
        if (flow->rows[i].service == service)
            return &flow->rows[i];
    return NULL;
}

/* Rows must not move once something points to them: room for one per listener is
 * enough. */
static void make_rows(struct worker *worker)
{
    struct flow *flow = &worker->flow;
    struct worker_start *start = worker->start;

    flow->rows = mem_array(start->listener_count, sizeof(*flow->rows));
    flow->listeners = mem_array(start->listener_count, sizeof(*flow->listeners));
    for (size_t i = 0; i < start->listener_count; i++) {
        struct worker_listener *given = &start->listeners[i];
        struct row *row = find_row(flow, given->service);

        if (row == NULL) {
            row = &flow->rows[flow->row_count++];
            row_init(row, flow, given->service,
                     &flow->page->rows[given->service->number]);
        }
        listener_init(&flow->listeners[flow->listener_count++], row, given->endpoint,
                      given->fd);
    }
}

static size_t largest_input(const struct flow *flow)
{
    size_t largest = MIN_KEPT;

    for (size_t i = 0; i < flow->row_count; i++)
        if (flow->rows[i].calls != NULL && flow->rows[i].calls->max_input > largest)
            largest = flow->rows[i].calls->max_input;
    return largest;
}

static int open_rows(struct flow *flow, struct err *err)
{
    static const struct peer nobody = { 0 };

    for (size_t i = 0; i < flow->row_count; i++) {
        struct row *row = &flow->rows[i];
        bool is_program = row->service->way == PLAN_WAY_EXEC ||
                          row->service->way == PLAN_WAY_WAIT;

        flow_enter(flow, row->service->number, &nobody); /* and stays so where it fails */
        if (admit_open(row, err) == -1 ||
            (is_program ? program_open(row, err) : row_open(row, err)) == -1)
            return -1;
        flow_leave(flow);
    }
    return 0;
}

static size_t count_listeners(const struct row *row)
{
    size_t count = 0;

    for (size_t i = 0; i < row->flow->listener_count; i++)
        if (row->flow->listeners[i].row == row)
            count++;
    return count;
}

static bool is_watched_later(const struct worker *worker, const struct row *row)
{
    return row->service->way == PLAN_WAY_WAIT && worker->start->hold_wait;
}

/* What the fence would not let us do. */
static int prepare_listeners(struct worker *worker, struct err *err)
{
    struct flow *flow = &worker->flow;

    for (size_t i = 0; i < flow->listener_count; i++) {
        struct listener *listener = &flow->listeners[i];
        struct row *row = listener->row;

        if (listener_inspect(listener, err) == -1)
            return -1;
        if (listener->endpoint->kind == ENDPOINT_UNIX_SEQPACKET)
            row->is_packets = true;
        if (!is_watched_later(worker, row) && fd_set_nonblock(listener->fd, true) == -1)
            return err_sys(err, "%s: a listener", row->service->name);
    }
    return 0;
}

static int open_listeners(struct worker *worker, struct err *err)
{
    struct flow *flow = &worker->flow;

    for (size_t i = 0; i < flow->listener_count; i++) {
        struct listener *listener = &flow->listeners[i];
        struct row *row = listener->row;

        if (row->program != NULL)
            env_init(&listener->env, row->service, listener->endpoint,
                     count_listeners(row));
        if (!endpoint_is_stream(listener->endpoint->kind) && flow->batch == NULL) {
            flow->batch = dgram_new();
            if (flow->batch == NULL)
                return err_set(err, "no memory for datagrams");
        }
        if (!is_watched_later(worker, row) && listener_start(listener, err) == -1)
            return -1;
    }
    return 0;
}

/* ---- serving ----------------------------------------------------------------------- */

static void child_signal(const struct signalfd_siginfo *info, void *context)
{
    (void)info, (void)context;
    reap_collect();
}

static void say(struct flow *flow, const char *word, const char *text)
{
    struct record_out out = RECORD_OUT_EMPTY;

    record_begin(&out, word);
    record_add(&out, "text", text);
    record_end(&out);
    if (flow->channel != -1)
        channel_send(flow->channel, &out, NULL);
    record_out_free(&out);
}

/* Everything is open, everything is loaded: the last doors. */
static int close_doors(struct worker *worker, struct err *err)
{
    if (sandbox_close(&worker->sandbox, err) == -1)
        return -1;
    fd_close(&worker->probe.empty_root);
    return 0;
}

static void say_ready(struct worker *worker)
{
    const struct worker_start *start = worker->start;
    char text[SANDBOX_TEXT];

    sandbox_print(&worker->sandbox, text, sizeof(text));
    say(&worker->flow, "ready", text);
    log_debug(SUBJECT, "start pool=%s generation=%u loop=%s sandbox=\"%s\"",
              start->pool_name, start->generation, loop_method(&worker->flow.loop), text);
}

static void all_drained(struct flow *flow)
{
    loop_stop(&flow->loop);
}

static int get_ready(struct worker *worker, struct err *err)
{
    static const int signals[] = { SIGCHLD, 0 };
    struct flow *flow = &worker->flow;

    udp_init(&flow->udp, flow->plan);
    make_rows(worker);
    if (prepare_listeners(worker, err) == -1 ||
        sandbox_fence(&worker->sandbox, err) == -1 || open_rows(flow, err) == -1)
        return -1;
    flow_make_buffer(flow, largest_input(flow));
    if (sig_open(&worker->sig, &flow->loop, signals, child_signal, worker, err) == -1 ||
        orders_open(&worker->orders, flow, err) == -1)
        return -1;
    if (open_listeners(worker, err) == -1)
        return -1;
    atomic_store_explicit(&flow->page->is_accepting, 1, memory_order_relaxed);
    return door_open(flow, worker->start->door, err);
}

static void end(struct worker *worker)
{
    struct flow *flow = &worker->flow;

    door_free(flow);
    for (size_t i = 0; i < flow->listener_count; i++)
        listener_free(&flow->listeners[i]);
    for (size_t i = 0; i < flow->row_count; i++) {
        row_close(&flow->rows[i]);
        program_close(&flow->rows[i]);
    }
    if (worker->is_loop_open) {
        orders_close(&worker->orders);
        sig_close(&worker->sig, &flow->loop);
        flow_fini(flow);
        loop_close(&flow->loop);
    }
    mem_free(&worker->start->offers);
    mem_free(&flow->listeners);
    mem_free(&flow->rows);
    sandbox_fini(&worker->sandbox);
    fd_close(&flow->channel);
    logline_close();
    fd_close(&flow->log);
    pages_close(&worker->start->pages);
}

int worker_main(void *context)
{
    struct worker_start *start = context;
    struct worker *worker = mem_new(sizeof(*worker));
    struct flow *flow = &worker->flow;
    struct err err = ERR_EMPTY;
    int result = 1;

    worker->start = start;
    worker->sig = (struct sig)SIG_EMPTY;
    *flow = (struct flow){ .plan = start->plan, .pages = start->pages,
                           .pool = start->pool, .channel = start->channel,
                           .log = start->log,
                           .offers = start->offers, .offer_count = start->offer_count,
                           .drained = all_drained };
    worker->sandbox = (struct sandbox)SANDBOX_EMPTY;
    flow->sandbox = &worker->sandbox;
    if (begin(worker, &err) == -1 || get_ready(worker, &err) == -1 ||
        close_doors(worker, &err) == -1)
        say(flow, "failed", err.text);
    else {
        say_ready(worker);
        result = loop_run(&flow->loop, &err) == 0 ? 0 : 1;
        if (result == 0)
            say(flow, "drained", NULL);
        else
            log_error(SUBJECT, "fail error=\"%s\"", err.text);
    }
    end(worker);
    mem_free(&worker);
    return result;
}
