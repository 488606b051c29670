#include "flow/flow.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "flow/conn.h"
#include "flow/floor.h"
#include "flow/hand_over.h"
#include "flow/job.h"
#include "flow/listener.h"
#include "proc/reap.h"
#include "wire/channel.h"

static void farewell_emptied(void *context)
{
    flow_check_drained(context);
}

static void init_loop_parts(struct flow *flow)
{
    list_init(&flow->pending);
    timer_init(&flow->again, conn_again, flow);
    hand_over_init(flow);
    farewell_init(&flow->farewell, &flow->loop);
    flow->farewell.emptied = farewell_emptied;
    flow->farewell.context = flow;
}

void flow_init(struct flow *flow)
{
    flow->busy_ms = clock_ms() - FLOW_REST_MS - 1; /* the first caller is told of */
    init_loop_parts(flow);
}

void flow_make_buffer(struct flow *flow, size_t max_input)
{
    flow->buffer_kept = max_input;
    flow->buffer = mem_new(max_input + FLOW_READ);
}

void flow_fini(struct flow *flow)
{
    farewell_fini(&flow->farewell);
    timer_stop(&flow->loop, &flow->again);
    timer_stop(&flow->loop, &flow->hand_again);
    mem_free(&flow->buffer);
    dgram_free(&flow->batch);
}

static int unblock_signals(struct err *err)
{
    sigset_t pipe_only;

    /* Blocked is as good as ignored, and does not outlive this process's own programs'
     * exec. */
    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    return sigprocmask(SIG_SETMASK, &pipe_only, NULL) == -1 ? err_sys(err, "signals") : 0;
}

int flow_become_child(struct flow *flow, int keep, struct err *err)
{
    int kept[] = { flow->log, keep };

    if (fd_close_all_but(kept, ARRAY_LEN(kept), err) == -1 || unblock_signals(err) == -1)
        return -1;
    floor_fill(flow->floor);
    reap_forget_all();
    flow->is_child = true;
    flow->page = NULL;
    flow->channel = -1;
    flow->current = NULL;
    flow->asked = NULL;
    flow->listener_count = 0;
    flow->is_draining = false;
    for (size_t i = 0; i < flow->row_count; i++) {
        flow->rows[i].live = 0;
        deadline_init(&flow->rows[i]);
        job_init(&flow->rows[i]);
    }
    if (loop_open_solo(&flow->loop, err) == -1)
        return -1;
    init_loop_parts(flow);
    return 0;
}

void flow_count_files(struct flow *flow)
{
    struct rlimit limit;
    size_t reserve;
    int closed = 0;

    if (getrlimit(RLIMIT_NOFILE, &limit) == -1)
        return;
    reserve =
        limit.rlim_cur / 8 < FLOW_SPARE_FILES ? limit.rlim_cur / 8 : FLOW_SPARE_FILES;
    flow->files_limit = limit.rlim_cur - reserve;
    flow->files_base = 0;
    for (int fd = 0; closed < FLOW_SPARE_FILES; fd++) {
        bool is_open = fcntl(fd, F_GETFD) != -1;

        flow->files_base += is_open;
        closed = is_open ? 0 : closed + 1;
    }
}

void flow_say_busy(struct flow *flow)
{
    struct record_out out = RECORD_OUT_EMPTY;

    if (flow->channel == -1)
        return;
    record_begin(&out, "busy");
    record_end(&out);
    channel_send(flow->channel, &out, NULL);
    record_out_free(&out);
}

void flow_check_drained(struct flow *flow)
{
    if (!flow->is_draining || flow->farewell.count > 0 || flow->parked > 0)
        return;
    for (size_t i = 0; i < flow->row_count; i++)
        if (flow->rows[i].live > 0)
            return;
    flow->drained(flow);
}
