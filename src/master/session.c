#include "master/session.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "master/master.h"
#include "master/verdict.h"
#include "wire/channel.h"

#define REQUEST_MS 15000 /* from the connection to the request, on a busy machine too */
#define STRANGER_MS 5000 /* the same, of who may do nothing */
#define ANSWER_MS 90000  /* from there to the last record taken: a reload that waits for
                            another may take 74 s (master/reader, READY_MS) */
#define STALL_MS 5000    /* without a single record taken */
#define GROUPS 1024

/* ---- who is it? ---- */

static bool is_member(const gid_t *groups, size_t count, gid_t wanted)
{
    for (size_t i = 0; i < count; i++)
        if (groups[i] == wanted)
            return true;
    return false;
}

/* The kernel's word for the connection: user, group, and all supplementary groups. */
static enum session_right ask_right(int fd, const struct plan_globals *globals)
{
    struct ucred cred;
    gid_t groups[GROUPS];
    socklen_t length = sizeof(cred), room = sizeof(groups) - sizeof(groups[0]);
    size_t count = 0;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &length) == -1)
        return SESSION_NOTHING;
    if (cred.uid == 0 || cred.uid == geteuid())
        return SESSION_ACT;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &room) == 0)
        count = room / sizeof(groups[0]);
    groups[count++] = cred.gid;
    if (globals->control_operate_gid != 0
        && is_member(groups, count, globals->control_operate_gid))
        return SESSION_ACT;
    if (globals->control_read_gid != 0 &&
        is_member(groups, count, globals->control_read_gid))
        return SESSION_LOOK;
    return SESSION_NOTHING;
}

/* ---- answers ---- */

static void on_writable(int fd, short what, void *context);

/* Whoever reads has time, but not for ever. */
static void wait_writable(struct session *session, bool has_progress)
{
    struct loop *loop = &session->control->master->loop;
    int64_t left_ms = session->until_ms - clock_ms();

    if (left_ms > STALL_MS)
        left_ms = STALL_MS;
    if (has_progress)
        timer_start(loop, &session->deadline, left_ms < 0 ? 0 : left_ms);
    watch_stop(loop, &session->watch);
    watch_init(&session->watch, session->fd, LOOP_WRITE, on_writable, session);
    if (watch_start(loop, &session->watch, NULL) == -1)
        session_close(session);
}

/* Sends what the socket takes; usherctl that reads slowly gets the rest when it does. The
 * next piece is for the next turn of the loop: others wait for theirs. */
static void pump(struct session *session)
{
    size_t before = session->out.length;
    int left = channel_send_some(session->fd, &session->out, NULL);

    if (left == -1 || (left == 0 && session->is_complete))
        session_close(session);
    else
        wait_writable(session, session->out.length != before);
}

static void end(struct session *session, const char *status, const char *text);

static void on_writable(int fd, short what, void *context)
{
    struct session *session = context;
    const struct master *master = session->control->master;

    (void)fd;
    (void)what;
    if (session->is_complete || session->out.length > 0
        || status_more(&session->status, master, &session->out))
        pump(session);
    else
        end(session, "ok", NULL);
}

/* The last record; the session goes when all are sent. */
static void end(struct session *session, const char *status, const char *text)
{
    record_begin(&session->out, "end");
    record_add(&session->out, "status", status);
    record_add(&session->out, "text", text);
    record_end(&session->out);
    session->is_complete = true;
    pump(session);
}

static void add_texts(struct session *session, const char *word, char *const *texts,
                      size_t count)
{
    for (size_t i = 0; i < count; i++) {
        record_begin(&session->out, word);
        record_add(&session->out, "text", texts[i]);
        record_end(&session->out);
    }
}

static void add_mistakes(struct session *session, const struct mistakes *mistakes)
{
    add_texts(session, "warning", mistakes->warnings, mistakes->warning_count);
    add_texts(session, "mistake", mistakes->at, mistakes->count);
}

/* ---- commands ---- */

static void run_list(struct session *session)
{
    session->status = STATUS_LIST;
    wait_writable(session, true);
}

static void run_status(struct session *session)
{
    session->status = STATUS_WHOLE;
    wait_writable(session, true);
}

static void run_explain(struct session *session)
{
    struct err err = ERR_EMPTY;

    if (verdict_add(session->control->master, &session->request, &session->out, &err) ==
        -1)
        end(session, "usage", err.text);
    else
        end(session, "ok", NULL);
}

static void on_checked(struct plan *plan, const struct mistakes *mistakes, void *context)
{
    struct session *session = context;

    session->reader = NULL;
    add_mistakes(session, mistakes);
    end(session, plan != NULL ? "ok" : "table", NULL);
    plan_free(&plan);
}

static void run_check(struct session *session)
{
    struct master *master = session->control->master;
    struct reader_input input = {
        .config = master->options->config,
        .plugin_dir = master->options->plugin_dir,
        .overrides = options_overrides(master->options),
        .pages = master->pools.pages,
    };
    struct err err = ERR_EMPTY;

    session->reader = reader_start(&input, &master->loop, on_checked, session, &err);
    if (session->reader == NULL)
        end(session, "system", err.text);
}

static void on_reloaded(enum reload_result result, const struct mistakes *mistakes,
                        void *context)
{
    static const char *const statuses[] = { "ok", "table", "system" };
    struct session *session = context;

    add_mistakes(session, mistakes);
    end(session, statuses[result], NULL);
}

static void run_reload(struct session *session)
{
    session->waiter = (struct reload_waiter){ .fn = on_reloaded, .context = session };
    reload_request(session->control->master, &session->waiter);
}

static void run_help(struct session *session);

static const struct command {
    const char *word;
    enum session_right right;
    void (*run)(struct session *session);
    const char *help;
} commands[] = {
    { "list", SESSION_LOOK, run_list,
      "Show every service, where it listens, and its counts." },
    { "status", SESSION_LOOK, run_status,
      "Show the daemon, its services with all counts, its workers." },
    { "explain", SESSION_LOOK, run_explain,
      "SERVICE ADDRESS: Say whether a caller may come in, and why." },
    { "check", SESSION_LOOK, run_check,
      "Read the table; change nothing; show every mistake." },
    { "reload", SESSION_ACT, run_reload,
      "Read the table and apply it, or change nothing." },
    { "help", SESSION_NOTHING, run_help, "Show the commands." },
};

static void run_help(struct session *session)
{
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        record_begin(&session->out, "command");
        record_add(&session->out, "name", commands[i].word);
        record_add(&session->out, "help", commands[i].help);
        record_end(&session->out);
    }
    end(session, "ok", NULL);
}

/* usherctl sends no other bytes in a word; somebody else may. */
static void refuse_command(struct session *session)
{
    char word[64], text[96];

    log_escape(word, sizeof(word), session->request.word, strlen(session->request.word));
    snprintf(text, sizeof(text), "no command \"%s\": see usherctl help", word);
    end(session, "usage", text);
}

static void run(struct session *session)
{
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        if (strcmp(commands[i].word, session->request.word) != 0)
            continue;
        if (session->right < commands[i].right)
            end(session, "denied", "you may not do that");
        else
            commands[i].run(session);
        return;
    }
    refuse_command(session);
}

/* ---- life ---- */

/* After the request there is nothing more to hear but that usherctl is gone: then nobody
 * waits for the answer. */
static void on_more(int fd, short what, void *context)
{
    (void)fd;
    (void)what;
    session_close(context);
}

static void on_request(int fd, short what, void *context)
{
    struct session *session = context;
    struct loop *loop = &session->control->master->loop;
    int got = channel_receive(fd, &session->request, NULL);

    (void)what;
    if (got == 0)
        return;
    watch_stop(loop, &session->watch);
    watch_init(&session->watch, fd, LOOP_READ, on_more, session);
    if (got == -1 || watch_start(loop, &session->watch, NULL) == -1) {
        session_close(session);
        return;
    }
    session->until_ms = clock_ms() + ANSWER_MS;
    timer_start(loop, &session->deadline, ANSWER_MS);
    run(session);
}

static void on_deadline(int fd, short what, void *context)
{
    (void)fd;
    (void)what;
    session_close(context);
}

void session_open(struct control *control, int fd)
{
    struct session *session = mem_new(sizeof(*session));
    struct master *master = control->master;
    bool is_stranger;

    session->control = control;
    session->fd = fd;
    session->right = ask_right(fd, &master->plan->globals);
    is_stranger = session->right == SESSION_NOTHING;
    list_append(&control->sessions, &session->link);
    control->session_count++;
    control->stranger_count += is_stranger;
    timer_init(&session->deadline, on_deadline, session);
    timer_start(&master->loop, &session->deadline,
                is_stranger ? STRANGER_MS : REQUEST_MS);
    watch_init(&session->watch, fd, LOOP_READ, on_request, session);
    if (control->stranger_count > CONTROL_STRANGERS
        || watch_start(&master->loop, &session->watch, NULL) == -1)
        session_close(session);
}

void session_close(struct session *session)
{
    struct control *control = session->control;
    struct loop *loop = &control->master->loop;

    reload_forget(&session->waiter);
    if (session->reader != NULL)
        reader_cancel(&session->reader);
    watch_stop(loop, &session->watch);
    timer_stop(loop, &session->deadline);
    fd_close(&session->fd);
    record_free(&session->request);
    record_out_free(&session->out);
    list_remove(&session->link);
    control->stranger_count -= session->right == SESSION_NOTHING;
    mem_free(&session);
    control_on_place(control);
}
