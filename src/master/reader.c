#include "master/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "loop/sig.h"
#include "master/reader_child.h"
#include "master/reader_result.h"
#include "proc/spawn.h"

#define CHUNK 65536
#define LEAVE_MS 2000 /* from SIGKILL to going on without it */

struct reader {
    struct loop *loop;
    reader_fn *done;
    void *context;

    struct child child;
    int status;
    int fd; /* -1: all was read */
    struct watch watch;
    struct watch timer; /* first the deadline, then that of its end, then the call of
                           done() */
    int64_t timeout_ms;
    bool is_over; /* the deadlines' turn is past */
    bool was_killed;
    char *bytes;
    size_t length, room;
    struct err failure; /* why it was ended; empty: it was not */
};

static void release(struct reader *reader)
{
    watch_stop(reader->loop, &reader->watch);
    timer_stop(reader->loop, &reader->timer);
    fd_close(&reader->fd);
    mem_free(&reader->bytes);
    mem_free(&reader);
}

/* The plan, or why there is none. */
static struct plan *conclude(struct reader *reader, struct mistakes *mistakes)
{
    struct plan *plan = NULL;
    struct err err = reader->failure;
    char how[128];

    if (err.text[0] == '\0' && reader->status != 0)
        err_set(&err, "the reader ended: %s",
                reap_print(reader->status, how, sizeof(how)));
    else if (err.text[0] == '\0') {
        plan = reader_result_parse(reader->bytes, reader->length, mistakes, &err);
        if (err.text[0] != '\0')
            err_prefix(&err, "the reader");
    }
    if (plan == NULL && (err.text[0] != '\0' || mistakes->count == 0)) {
        mistakes_free(mistakes);
        *mistakes = (struct mistakes){0};
        reader_result_add(mistakes,
                          err.text[0] != '\0' ? err.text : "the reader said nothing");
        mistakes->is_system = true; /* nobody came to judge the table */
    }
    return plan;
}

static void finish(struct reader *reader)
{
    struct mistakes mistakes = { 0 };
    struct plan *plan = conclude(reader, &mistakes);
    reader_fn *done = reader->done;
    void *context = reader->context;

    release(reader);
    done(plan, &mistakes, context);
    mistakes_free(&mistakes);
}

static void end_child(struct reader *reader)
{
    /* Before setsid() it leads no group, so both. */
    reap_signal_session(&reader->child, SIGKILL);
    reap_signal(&reader->child, SIGKILL);
}

/* Nothing that comes now changes the outcome; only the child's end is waited for. */
static void give_up(struct reader *reader)
{
    watch_stop(reader->loop, &reader->watch);
    fd_close(&reader->fd);
    end_child(reader);
    reader->was_killed = true;
    timer_start(reader->loop, &reader->timer, LEAVE_MS);
}

/* Once the child has ended and all was read: done() next, from the loop itself. */
static void proceed(struct reader *reader)
{
    if (reader->child.pid != 0 || reader->fd != -1)
        return;
    reader->is_over = true;
    timer_start(reader->loop, &reader->timer, 0);
}

static void time_came(int fd, short what, void *context)
{
    struct reader *reader = context;

    (void)fd;
    (void)what;
    if (reader->is_over) {
        finish(reader);
        return;
    }
    if (reader->failure.text[0] == '\0')
        err_set(&reader->failure, "the reader took longer than %lld ms",
                (long long)reader->timeout_ms);
    /* Who does not end when killed is in a system call that nothing interrupts, on a disk
     * that does not answer: no reason never to read a table again. */
    if (reader->was_killed)
        reap_forget(&reader->child);
    else
        give_up(reader);
    proceed(reader);
}

static void child_ended(struct child *child, int status, void *context)
{
    struct reader *reader = context;

    (void)child;
    reader->status = status;
    proceed(reader);
}

static void bytes_came(int fd, short what, void *context)
{
    struct reader *reader = context;
    ssize_t got;

    (void)what;
    if (reader->room - reader->length < CHUNK) {
        reader->room = reader->room * 2 + CHUNK;
        reader->bytes = mem_grow(reader->bytes, reader->room, 1);
    }
    got = read(fd, reader->bytes + reader->length, CHUNK);
    if (got == -1 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got > 0)
        reader->length += (size_t)got;
    if (got == -1)
        err_sys(&reader->failure, "the reader: read");
    else if (reader->length > READER_OUTPUT_MAX)
        err_set(&reader->failure, "the reader printed more than %d bytes",
                READER_OUTPUT_MAX);
    if (reader->failure.text[0] != '\0') {
        give_up(reader);
    } else if (got == 0) {
        watch_stop(reader->loop, &reader->watch);
        fd_close(&reader->fd);
    }
    proceed(reader);
}

static int start_child(struct reader *reader, const struct reader_input *input,
                       int fds[2], struct err *err)
{
    struct reader_child child = { input, fds[1], getpid() };
    struct spawn_fork how = { .fn = reader_child_main,
                              .context = &child,
                              .new_session = true,
                              .die_with_parent = true };
    pid_t pid;

    watch_init(&reader->watch, reader->fd, LOOP_READ, bytes_came, reader);
    timer_init(&reader->timer, time_came, reader);
    if (fd_set_nonblock(reader->fd, true) == -1)
        return err_sys(err, "the reader: fcntl");
    if (watch_start(reader->loop, &reader->watch, err) == -1)
        return -1;
    pid = spawn_fork(&how, err);
    if (pid == -1)
        return err_prefix(err, "the reader");
    reap_watch(&reader->child, pid, child_ended, reader);
    timer_start(reader->loop, &reader->timer, reader->timeout_ms);
    return 0;
}

struct reader *reader_start(const struct reader_input *input, struct loop *loop,
                            reader_fn *done, void *context, struct err *err)
{
    struct reader *reader;
    int fds[2], result;

    if (pipe2(fds, O_CLOEXEC) == -1) {
        err_sys(err, "the reader: pipe");
        return NULL;
    }
    reader = mem_new(sizeof(*reader));
    reader->loop = loop;
    reader->done = done;
    reader->context = context;
    reader->fd = fds[0];
    reader->timeout_ms = input->timeout_ms > 0 ? input->timeout_ms : READER_TIMEOUT_MS;
    result = start_child(reader, input, fds, err);
    fd_close(&fds[1]);
    if (result == 0)
        return reader;
    release(reader);
    return NULL;
}

void reader_cancel(struct reader **reader)
{
    if (*reader == NULL)
        return;
    if ((*reader)->child.pid != 0) {
        end_child(*reader);
        reap_forget(&(*reader)->child);
    }
    release(*reader);
    *reader = NULL;
}

/* ---- without a loop --------------------------------------------------------------- */

struct wait {
    struct loop loop;
    struct plan *plan;
    struct mistakes *mistakes;
};

static void keep_result(struct plan *plan, const struct mistakes *mistakes, void *context)
{
    struct wait *wait = context;

    wait->plan = plan;
    for (size_t i = 0; i < mistakes->count; i++)
        *MEM_PUSH(wait->mistakes->at, wait->mistakes->count) = mem_text(mistakes->at[i]);
    for (size_t i = 0; i < mistakes->warning_count; i++)
        *MEM_PUSH(wait->mistakes->warnings, wait->mistakes->warning_count) =
            mem_text(mistakes->warnings[i]);
    wait->mistakes->is_system = mistakes->is_system;
    loop_stop(&wait->loop);
}

static void collect(const struct signalfd_siginfo *info, void *context)
{
    (void)info;
    (void)context;
    reap_collect();
}

static int run(struct wait *wait, const struct reader_input *input, struct err *err)
{
    static const int signals[] = { SIGCHLD, 0 };
    struct sig sig = SIG_EMPTY;
    int result = -1;

    if (sig_open(&sig, &wait->loop, signals, collect, NULL, err) == -1)
        return -1;
    if (reader_start(input, &wait->loop, keep_result, wait, err) != NULL)
        result = loop_run(&wait->loop, err);
    sig_close(&sig, &wait->loop);
    return result;
}

struct plan *reader_run_now(const struct reader_input *input, struct mistakes *mistakes)
{
    struct wait wait = { LOOP_EMPTY, NULL, mistakes };
    struct err err = ERR_EMPTY;
    int result;

    result = loop_open(&wait.loop, LOOP_POLL, &err);
    if (result == 0)
        result = run(&wait, input, &err);
    loop_close(&wait.loop);
    if (result == -1) {
        reader_result_add(mistakes, err.text);
        mistakes->is_system = true;
    }
    return wait.plan;
}
