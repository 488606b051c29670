#include "master/boot.h"

#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "master/logsink.h"
#include "master/master.h"
#include "master/rights.h"
#include "master/status.h"
#include "proc/reap.h"

#define STATUS_TABLE 1
#define STATUS_SYSTEM 3

/* ---- signals ---- */

static void on_idle(void *context)
{
    struct master *master = context;

    loop_stop(&master->loop);
}

/* Listeners close at once: from here on callers are told so, and no port waits for
 * nobody. */
static void drain(struct master *master)
{
    int64_t timeout_ms = master->plan == NULL ? 0 : master->plan->globals.drain_timeout;

    master->is_draining = true;
    log_info("usherd", "drain timeout_ms=%lld", (long long)timeout_ms);
    notify_stopping(&master->notify);
    reload_cancel(master);
    listeners_close(&master->listeners);
    pools_drain(&master->pools, timeout_ms, on_idle, master);
}

static void end_now(struct master *master)
{
    if (!master->is_draining)
        drain(master);
    log_info("usherd", "stop");
    pools_stop(&master->pools);
}

static void reopen_log(void)
{
    struct err err = ERR_EMPTY;

    if (logsink_reopen(&err) == -1)
        log_error("log", "fail reason=\"%s\"", err.text);
}

static void on_signal(const struct signalfd_siginfo *info, void *context)
{
    struct master *master = context;

    switch (info->ssi_signo) {
    case SIGCHLD: reap_collect(); return;
    case SIGHUP:
        if (!master->is_draining)
            reload_request(master, NULL);
        return;
    case SIGTERM:
    case SIGINT:
        if (master->is_draining)
            end_now(master);
        else
            drain(master);
        return;
    case SIGQUIT: end_now(master); return;
    case SIGUSR1: reopen_log(); return;
    case SIGUSR2:
        log_warning("usherd", "fail reason=\"upgrade: not in this version yet\"");
        return;
    }
}

/* ---- steps ---- */

/* Whatever we were started with is not ours to hold, nor our children's. */
static int close_foreign(struct master *master, struct err *err)
{
    size_t count = 0;
    int *keep = mem_array(master->inherit.count + 2, sizeof(*keep));
    int result;

    for (size_t i = 0; i < master->inherit.count; i++)
        keep[count++] = master->inherit.at[i].fd;
    if (master->options->ready_fd > 2)
        keep[count++] = master->options->ready_fd;
    if (master->background->fd != -1)
        keep[count++] = master->background->fd;
    result = fd_close_all_but(keep, count, err);
    mem_free(&keep);
    return result;
}

static int take_descriptors(struct master *master, struct err *err)
{
    if (inherit_open(&master->inherit, err) == -1)
        return -1;
    return close_foreign(master, err);
}

static void give_descriptors_back(struct master *master)
{
    inherit_close(&master->inherit);
}

/* As many descriptors as the system lets us have: callers are limited by the table, not
 * by this. */
static int raise_limits(struct master *master, struct err *err)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) == -1)
        return err_sys(err, "getrlimit");
    master->files = files;
    files.rlim_cur = files.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &files) == -1)
        return err_sys(err, "setrlimit");
    if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == -1)
        return err_sys(err, "become subreaper");
    return 0;
}

static int reduce_rights(struct master *master, struct err *err)
{
    (void)master;
    return rights_reduce(err);
}

static int open_probe(struct master *master, struct err *err)
{
    return probe_open(&master->probe, err);
}

static void close_probe(struct master *master)
{
    probe_close(&master->probe);
}

static int tell_probe(struct master *master, struct err *err)
{
    (void)err;
    rights_tell(&master->probe);
    return 0;
}

static int open_loop(struct master *master, struct err *err)
{
    return loop_open(&master->loop, LOOP_AUTO, err);
}

static void close_loop(struct master *master)
{
    loop_close(&master->loop);
}

static int open_signals(struct master *master, struct err *err)
{
    static const int signals[] = { SIGCHLD, SIGHUP,  SIGTERM, SIGINT,
                                   SIGQUIT, SIGUSR1, SIGUSR2, 0 };

    return sig_open(&master->sig, &master->loop, signals, on_signal, master, err);
}

static void close_signals(struct master *master)
{
    sig_close(&master->sig, &master->loop);
}

static int open_notify(struct master *master, struct err *err)
{
    return notify_open(&master->notify, &master->loop, err);
}

static void close_notify(struct master *master)
{
    notify_close(&master->notify);
}

static int open_pools(struct master *master, struct err *err)
{
    if (pools_open(&master->pools, &master->loop, &master->listeners, err) == -1)
        return -1;
    master->pools.files = master->files;
    master->pools.move = reload_move;
    master->pools.move_context = master;
    master->pools.probe = &master->probe;
    master->pools.is_background = master->options->to_background;
    return 0;
}

static void close_pools(struct master *master)
{
    pools_close(&master->pools);
}

struct first {
    struct master *master;
    struct err *err;
    int result;
};

static void on_first_plan(enum reload_result result, const struct mistakes *mistakes,
                          void *context)
{
    struct first *first = context;
    struct master *master = first->master;

    if (result == RELOAD_DONE) {
        first->result = 0;
    } else if (!master->is_draining) {
        master->status = result == RELOAD_TABLE_WRONG ? STATUS_TABLE : STATUS_SYSTEM;
        (void)err_set(first->err, "%zu mistake%s, nothing was started", mistakes->count,
                      mistakes->count == 1 ? "" : "s");
    }
    loop_stop(&master->loop);
}

/* The first plan goes the way of every reload, from nothing. Signals are served
 * meanwhile. */
static int load_first_plan(struct master *master, struct err *err)
{
    struct first first = { master, err, -1 };
    struct reload_waiter waiter = { .fn = on_first_plan, .context = &first };
    int result;

    listeners_init(&master->listeners, &master->inherit);
    reload_init(&master->reload);
    reload_request(master, &waiter);
    result = loop_run(&master->loop, err);
    reload_forget(&waiter);
    if (result == -1)
        return -1;
    if (master->is_draining)
        return err_set(err, "told to end before it was ready");
    return first.result;
}

static void forget_plan(struct master *master)
{
    reload_cancel(master);
    listeners_close(&master->listeners);
    plan_free(&master->plan);
}

static int open_control(struct master *master, struct err *err)
{
    return control_open(&master->control, master, err);
}

static void close_control(struct master *master)
{
    control_close(&master->control);
}

static int write_pid_file(struct master *master, struct err *err)
{
    if (master->options->pid_file == NULL)
        return 0;
    return pidfile_open(&master->pidfile, master->options->pid_file, err);
}

static void remove_pid_file(struct master *master)
{
    pidfile_close(&master->pidfile);
}

static int say_ready(struct master *master, struct err *err)
{
    int fd = master->options->ready_fd;

    if (fd != -1 && fd_write_all(fd, "\n", 1) == -1)
        return err_sys(err, "--ready-fd %d", fd);
    if (fd > 2)
        fd_close(&fd);
    notify_ready(&master->notify);
    log_info("usherd", "start version=%s loop=%s services=%zu", USHER_VERSION,
             status_loop_name(master), master->plan->service_count);
    background_tell(master->background, 0);
    return 0;
}

static const struct step {
    const char *name;
    int (*start)(struct master *master, struct err *err);
    void (*stop)(struct master *master); /* accepts a start that failed half-way */
} steps[] = {
    { "descriptors", take_descriptors, give_descriptors_back },
    { "limits", raise_limits, NULL },
    { "privileges", reduce_rights, NULL },
    { "sandbox", open_probe, close_probe },
    { "loop", open_loop, close_loop },
    { "signals", open_signals, close_signals },
    { "notify", open_notify, close_notify },
    { "pools", open_pools, close_pools },
    { "table", load_first_plan, forget_plan },
    { "sandbox", tell_probe, NULL },
    { "control", open_control, close_control },
    { "pid file", write_pid_file, remove_pid_file },
    { "ready", say_ready, NULL },
};

/* Being told to end is no failure. */
static void start_failed(struct master *master, const char *step, const struct err *err)
{
    if (master->is_draining) {
        log_info("usherd", "end reason=\"%s\"", err->text);
        return;
    }
    if (master->status == 0)
        master->status = STATUS_SYSTEM;
    log_error("usherd", "fail step=\"%s\" reason=\"%s\"", step, err->text);
    if (!logsink_is_stderr()) /* whoever started us looks there */
        fprintf(stderr, "usherd: %s: %s\n", step, err->text);
}

/* How many steps were begun; *is_complete_out says whether all of them were finished. */
static size_t start(struct master *master, bool *is_complete_out)
{
    *is_complete_out = false;
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        struct err err = ERR_EMPTY;

        if (steps[i].start(master, &err) == -1) {
            start_failed(master, steps[i].name, &err);
            return i + 1;
        }
    }
    *is_complete_out = true;
    return ARRAY_LEN(steps);
}

static void stop(struct master *master, size_t started)
{
    while (started-- > 0)
        if (steps[started].stop != NULL)
            steps[started].stop(master);
}

int boot_serve(const struct options *options, struct background *background)
{
    struct master master = {
        .options = options,
        .background = background,
        .loop = LOOP_EMPTY,
        .sig = SIG_EMPTY,
        .notify = NOTIFY_EMPTY,
        .pidfile = PIDFILE_EMPTY,
        .probe = PROBE_EMPTY,
    };
    struct err err = ERR_EMPTY;
    bool is_complete;
    size_t started = start(&master, &is_complete);

    if (is_complete && loop_run(&master.loop, &err) == -1) {
        log_error("usherd", "fail step=loop reason=\"%s\"", err.text);
        master.status = STATUS_SYSTEM;
    }
    stop(&master, started);
    logsink_close();
    return master.status;
}
