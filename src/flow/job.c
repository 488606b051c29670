#include "flow/job.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/mem.h"

#define NEVER INT64_MAX
/* Callbacks in a child keep total_timeout themselves, politely; this is for those that
 * hang. */
#define GRACE_MS 1000

static struct job *first_of(struct list *list)
{
    return LIST_FIRST(list, struct job, link);
}

static int64_t limit_ms(const struct row *row)
{
    int64_t total_ms = row->service->total_timeout;
    bool is_polite = row->service->way == PLAN_WAY_FORK && !row->service->is_blocking;

    if (total_ms < 0)
        return NEVER;
    return total_ms + (is_polite ? GRACE_MS : 0);
}

static void tell_to_end(struct job *job, int64_t kill_ms)
{
    reap_signal_session(&job->child, SIGTERM);
    job->kill_ms = kill_ms;
    list_remove(&job->link);
    list_append(&job->row->dying, &job->link);
}

static void kill_late(struct row *row, int64_t now_ms)
{
    struct list *node, *safe;

    LIST_EACH(&row->dying, node, safe) {
        struct job *job = CONTAINER(node, struct job, link);

        if (job->kill_ms > now_ms)
            continue;
        reap_signal_session(&job->child, SIGKILL);
        job->kill_ms = NEVER;
    }
}

static int64_t next_due(struct row *row)
{
    struct list *node, *safe;
    struct job *oldest = first_of(&row->jobs);
    int64_t due_ms = NEVER;

    if (oldest != NULL && limit_ms(row) != NEVER)
        due_ms = oldest->started_ms + limit_ms(row);
    LIST_EACH(&row->dying, node, safe) {
        struct job *job = CONTAINER(node, struct job, link);

        if (job->kill_ms < due_ms)
            due_ms = job->kill_ms;
    }
    return due_ms;
}

static void start_reaper(struct row *row)
{
    row->reap_due_ms = next_due(row);
    if (row->reap_due_ms != NEVER)
        timer_start(&row->flow->loop, &row->reaper, row->reap_due_ms - clock_ms());
    else
        timer_stop(&row->flow->loop, &row->reaper);
}

static bool has_jobs(const struct row *row)
{
    return !list_is_empty(&row->jobs) || !list_is_empty(&row->dying);
}

static void reaper_came(int fd, short what, void *context)
{
    struct row *row = context;
    int64_t now_ms = clock_ms();
    struct job *oldest;

    (void)fd, (void)what;
    while ((oldest = first_of(&row->jobs)) != NULL && limit_ms(row) != NEVER &&
           oldest->started_ms + limit_ms(row) <= now_ms)
        tell_to_end(oldest, now_ms + JOB_KILL_MS);
    kill_late(row, now_ms);
    start_reaper(row);
}

void job_init(struct row *row)
{
    list_init(&row->jobs);
    list_init(&row->dying);
    timer_init(&row->reaper, reaper_came, row);
    row->reap_due_ms = NEVER;
}

static bool is_good(int status)
{
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* A child with callbacks knows how many bytes there were; but one that did not end well
 * may not have said anything. */
static bool has_said_it(const struct row *row, int status)
{
    return is_good(status) && row->service->way == PLAN_WAY_FORK &&
           !row->service->is_blocking;
}

static void say_end(const struct job *job, int status)
{
    struct row *row = job->row;
    unsigned long left_out;
    char how[96];

    reap_print(status, how, sizeof(how));
    if (row->service->log_connections && job->peer.kind != PEER_NONE &&
        !has_said_it(row, status))
        row_log_end(row, &job->peer, clock_ms() - job->started_ms, how);
    if (is_good(status))
        return;
    page_add(&row->counts->failed, 1);
    if (!log_limit(&row->limit, &left_out))
        return;
    if (WIFSIGNALED(status) && job->kill_ms == 0)
        log_warning(row->service->name, "end pid=%d %s left_out=%lu", (int)job->pid, how,
                    left_out);
    else
        log_info(row->service->name, "end pid=%d %s left_out=%lu", (int)job->pid, how,
                 left_out);
}

static void job_reaped(struct child *child, int status, void *context)
{
    struct job *job = context;
    struct row *row = job->row;
    struct peer peer;

    (void)child;
    say_end(job, status);
    list_remove(&job->link);
    if (!has_jobs(row) && row->reap_due_ms != NEVER)
        start_reaper(row); /* it stands for nobody */
    if (job->ended != NULL)
        job->ended(job, status);
    peer = job->peer;
    mem_free(&job);
    row_release(row, &peer);
}

void *job_new(struct row *row, size_t size, const struct peer *peer, job_fn *ended,
              struct err *err)
{
    struct job *job = mem_try(size);

    if (job == NULL) {
        errno = ENOMEM;
        err_sys(err, "a child");
        return NULL;
    }
    memset(job, 0, size);
    job->row = row;
    job->ended = ended;
    if (peer != NULL)
        job->peer = *peer;
    list_init(&job->link);
    return job;
}

void job_start(struct job *job, pid_t pid)
{
    struct row *row = job->row;

    job->pid = pid;
    job->started_ms = clock_ms();
    reap_watch(&job->child, pid, job_reaped, job);
    list_append(&row->jobs, &job->link);
    row_take(row, &job->peer);
    if (row->service->log_connections && job->peer.kind != PEER_NONE)
        row_log_begin(row, &job->peer);
    /* The timer may be on for somebody who is long gone, or dies slowly. */
    if (limit_ms(row) != NEVER && job->started_ms + limit_ms(row) < row->reap_due_ms)
        start_reaper(row);
}

void job_stop_row(struct row *row, int64_t kill_after_ms)
{
    int64_t kill_ms = clock_ms() + kill_after_ms;
    struct list *node, *safe;
    struct job *job;

    LIST_EACH(&row->dying, node, safe) {
        job = CONTAINER(node, struct job, link);
        if (job->kill_ms > kill_ms)
            job->kill_ms = kill_ms;
    }
    while ((job = first_of(&row->jobs)) != NULL)
        tell_to_end(job, kill_ms);
    start_reaper(row);
}
