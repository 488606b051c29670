#include "flow/run_wait.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "base/mem.h"
#include "flow/job.h"
#include "flow/program.h"
#include "flow/queue.h"
#include "flow/request.h"
#include "wire/channel.h"

#define FIRST_DELAY_MS 100
#define LAST_DELAY_MS 10000
#define TRIES 3         /* without progress, before something is thrown away */
#define QUICK_MS 1000   /* a child that lived longer has done something */
#define FIRST_LISTEN_FD 3
#define TELL_AGAIN_MS 20

struct lent_job {
    struct job job;
    struct listener *listener; /* who woke us */
    struct queue_mark before;
    struct watch again; /* while the master was not told of it */
};

static bool is_stream(const struct listener *listener)
{
    return endpoint_is_stream(listener->endpoint->kind);
}

/* systemd's style lends all listeners of the row at once. */
static bool is_lent_with(const struct listener *listener, const struct listener *other)
{
    return other == listener ||
           (other->row == listener->row &&
            listener->row->service->env_style == PLAN_ENV_SYSTEMD);
}

static int report(const struct row *row, pid_t pid, struct err *err)
{
    struct record_out out = RECORD_OUT_EMPTY;
    int result;

    record_begin(&out, "child");
    record_add(&out, "service", row->service->name);
    record_add_number(&out, "pid", pid);
    record_end(&out);
    result = channel_send(row->flow->channel, &out, err);
    record_out_free(&out);
    return result;
}

/* Where we die the master waits for the child before anybody else reads from the
 * listener: it has to know of it. A master that is busy reads on soon. */
static void tell(struct lent_job *lent)
{
    struct row *row = lent->job.row;
    struct err err = ERR_EMPTY;

    if (row->flow->channel != -1 && report(row, lent->job.pid, &err) == -1
        && (err.code == EAGAIN || err.code == ENOBUFS))
        timer_start(&row->flow->loop, &lent->again, TELL_AGAIN_MS);
}

static void tell_again(int fd, short what, void *context)
{
    (void)fd, (void)what;
    tell(context);
}

static void say_shut(const struct listener *listener, const char *what)
{
    struct row *row = listener->row;
    unsigned long left_out;

    if (log_limit(&row->wait_limit, &left_out))
        log_warning(
            row->service->name,
            "hold reason=\"the program has shut its socket down; %s\" left_out=%lu", what,
            left_out);
}

/* A TCP listener that was shut down is still bound, and nothing more. Others stay so:
 * false. */
static bool mend(struct listener *listener)
{
    if (!queue_is_shut(listener->fd))
        return true;
    if (!is_stream(listener) ||
        listen(listener->fd, (int)listener->row->service->backlog) == -1 ||
        queue_is_shut(listener->fd))
        return false;
    say_shut(listener, "listening again");
    return true;
}

/* ---- after the child --------------------------------------------------------------- */

static void take_back(struct listener *listener, int64_t after_ms)
{
    struct flow *flow = listener->row->flow;

    for (size_t i = 0; i < flow->listener_count; i++) {
        struct listener *other = &flow->listeners[i];

        if (!is_lent_with(listener, other) || other->state == LISTENER_CLOSED)
            continue;
        fd_set_nonblock(other->fd, true);
        if (after_ms > 0)
            listener_pause(other, after_ms, NULL);
        else
            listener_resume(other);
    }
}

static int64_t next_delay(unsigned tries)
{
    int64_t delay_ms = FIRST_DELAY_MS;

    for (unsigned i = 1; i < tries && delay_ms < LAST_DELAY_MS; i++)
        delay_ms *= 2;
    return delay_ms < LAST_DELAY_MS ? delay_ms : LAST_DELAY_MS;
}

/* Promise 7: nobody wanted it. */
static void throw_away(struct listener *listener)
{
    struct row *row = listener->row;
    unsigned long left_out = 0;

    fd_set_nonblock(listener->fd, true);
    queue_drop_first(listener->fd, is_stream(listener));
    if (is_stream(listener))
        refusal_count(row, ADMIT_WAITED);
    else
        request_drop(row, UDP_UNWANTED);
    if (listener->idle_tries == TRIES || log_limit(&row->wait_limit, &left_out))
        log_warning(
            row->service->name,
            "hold reason=\"%u children ended without taking what waits; dropped it\" "
            "left_out=%lu",
            listener->idle_tries, left_out);
}

static bool was_idle(const struct lent_job *lent)
{
    struct listener *listener = lent->listener;
    struct queue_mark now = queue_look(listener->fd, is_stream(listener));

    if (!queue_is_same(lent->before, now, is_stream(listener)))
        return false;
    return !is_stream(listener) || clock_ms() - lent->job.started_ms < QUICK_MS;
}

/* A queue of callers is no shorter either where it was served, and as many have come
 * since. A program that was seen to serve and ends well is believed, and not started more
 * often than so. */
static bool may_have_served(const struct lent_job *lent, int status)
{
    return is_stream(lent->listener) && lent->listener->has_taken && WIFEXITED(status) &&
           WEXITSTATUS(status) == 0;
}

static void child_ended(struct job *job, int status)
{
    struct lent_job *lent = (struct lent_job *)(void *)job;
    struct listener *listener = lent->listener;

    timer_stop(&job->row->flow->loop, &lent->again);
    (void)report(job->row, 0, NULL); /* a master that does not hear it asks when it
                                        matters */
    if (listener->state == LISTENER_CLOSED)
        return;
    (void)mend(listener);
    if (!was_idle(lent)) {
        listener->has_taken = true;
        listener->idle_tries = 0;
        take_back(listener, 0);
        return;
    }
    if (may_have_served(lent, status)) {
        listener->idle_tries = 0;
        take_back(listener, job->started_ms + FIRST_DELAY_MS - clock_ms());
        return;
    }
    if (++listener->idle_tries >= TRIES)
        throw_away(listener);
    take_back(listener, next_delay(listener->idle_tries));
}

/* ---- the child --------------------------------------------------------------------- */

static size_t collect_fds(struct listener *listener, int *fds)
{
    struct flow *flow = listener->row->flow;
    struct program *program = listener->row->program;
    size_t count = FIRST_LISTEN_FD;

    fds[2] = program->errpipe.write_fd;
    if (listener->row->service->env_style != PLAN_ENV_SYSTEMD) {
        fds[0] = fds[1] = listener->fd;
        return count;
    }
    fds[0] = program->null_fd;
    fds[1] = program->errpipe.write_fd;
    for (size_t i = 0; i < flow->listener_count; i++)
        if (flow->listeners[i].row == listener->row)
            fds[count++] = flow->listeners[i].fd;
    return count;
}

/* O_NONBLOCK belongs to the open file, which the child shares: programs expect it off. */
static void lend(struct listener *listener)
{
    struct flow *flow = listener->row->flow;

    for (size_t i = 0; i < flow->listener_count; i++) {
        struct listener *other = &flow->listeners[i];

        if (!is_lent_with(listener, other) || other->state == LISTENER_CLOSED)
            continue;
        listener_lend(other);
        fd_set_nonblock(other->fd, false);
    }
}

static void start_failed(struct listener *listener, const struct err *err)
{
    program_note_failure(listener->row, err);
    listener->idle_tries++;
    take_back(listener, next_delay(listener->idle_tries));
}

/* A child for a socket that is readable only because it was shut down would be the first
 * of many. What comes to such a UDP socket still arrives. */
static bool is_for_nothing(struct listener *listener, struct queue_mark before)
{
    if (!queue_is_shut(listener->fd) || (!is_stream(listener) && !before.is_empty)) {
        listener->shut_tries = 0;
        return false;
    }
    if (mend(listener))
        return true;
    if (listener->shut_tries++ == 0)
        say_shut(listener, "looking now and then whether something is there");
    listener_pause(listener, next_delay(listener->shut_tries), NULL);
    return true;
}

static pid_t start_child(struct listener *listener, struct err *err)
{
    struct row *row = listener->row;
    int *fds = mem_array(row->flow->listener_count + FIRST_LISTEN_FD, sizeof(*fds));
    pid_t pid;

    lend(listener);
    pid = program_start(row->program, &listener->env, fds, collect_fds(listener, fds),
                        err);
    mem_free(&fds);
    return pid;
}

static void start(struct listener *listener, struct queue_mark before)
{
    struct err err = ERR_EMPTY;
    struct lent_job *lent =
        job_new(listener->row, sizeof(*lent), NULL, child_ended, &err);
    pid_t pid = lent != NULL ? start_child(listener, &err) : -1;

    if (pid == -1) {
        mem_free(&lent);
        start_failed(listener, &err);
        return;
    }
    lent->listener = listener;
    lent->before = before;
    job_start(&lent->job, pid);
    timer_init(&lent->again, tell_again, lent);
    tell(lent);
}

void run_wait_ready(struct listener *listener)
{
    struct queue_mark before = queue_look(listener->fd, is_stream(listener));

    if (!is_for_nothing(listener, before))
        start(listener, before);
}
