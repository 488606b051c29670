#include "master/session.h"

#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/mem.h"
#include "master/counts.h"
#include "master/master.h"
#include "wire/channel.h"

#define REQUEST_MS 5000 /* from the connection to the request */
#define ANSWER_MS 60000 /* from there to the last record taken */
#define STRANGERS (CONTROL_SESSIONS / 2) /* who may do nothing cannot take every place */
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
    if (globals->control_read_gid != 0 && is_member(groups, count, globals->control_read_gid))
        return SESSION_LOOK;
    return SESSION_NOTHING;
}

/* ---- answers ---- */

static void on_writable(int fd, short what, void *context);

/* Sends what the socket takes; usherctl that reads slowly gets the rest when it does. */
static void pump(struct session *session)
{
    struct loop *loop = &session->control->master->loop;
    struct err err = ERR_EMPTY;
    int left = channel_send_some(session->fd, &session->out, &err);

    if (left == 1) {
        watch_stop(loop, &session->watch);
        watch_init(&session->watch, session->fd, LOOP_WRITE, on_writable, session);
        left = watch_start(loop, &session->watch, &err) == -1 ? -1 : 1;
    }
    if (left != 1)
        session_close(session);
}

static void on_writable(int fd, short what, void *context)
{
    (void)fd;
    (void)what;
    pump(context);
}

/* The last record; the session goes when all are sent. */
static void end(struct session *session, const char *status, const char *text)
{
    record_begin(&session->out, "end");
    record_add(&session->out, "status", status);
    record_add(&session->out, "text", text);
    record_end(&session->out);
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

static const char *state_of(const struct plan_service *service, const struct pool *pool)
{
    if (!service->enabled)
        return "off";
    return pool == NULL ? "-" : member_state_name(pool->members[0].state);
}

static void add_service(struct record_out *out, const struct master *master,
                        const struct plan_service *service)
{
    const struct pool *pool = pools_of(&master->pools, service->name);
    struct counts counts = counts_of(&master->pools, service->number);
    char text[ADDR_TEXT + 32];

    record_begin(out, "service");
    record_add(out, "name", service->name);
    record_add(out, "way", plan_way_name(service->way));
    record_add(out, "pool", pool == NULL ? "-" : pool->name);
    record_add(out, "state", state_of(service, pool));
    for (size_t i = 0; i < service->endpoint_count; i++)
        if (listeners_fd(&master->listeners, service, i) != -1)
            record_add(out, "endpoint",
                       endpoint_print(&service->endpoints[i], text, sizeof(text)));
    record_add_number(out, "active", (int64_t)counts.active);
    record_add_number(out, "accepted", (int64_t)counts.accepted);
    record_add_number(out, "failed", (int64_t)counts.failed);
    record_add_number(out, "refused", (int64_t)counts.refused);
    record_add_number(out, "replied", (int64_t)counts.replied);
    record_add_number(out, "dropped", (int64_t)counts.dropped);
    record_end(out);
}

static void run_list(struct session *session)
{
    const struct master *master = session->control->master;

    for (size_t i = 0; i < master->plan->service_count; i++)
        add_service(&session->out, master, &master->plan->services[i]);
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
    { "list", SESSION_LOOK, run_list, "Show every service, where it listens, and its counts." },
    { "check", SESSION_LOOK, run_check, "Read the table; change nothing; show every mistake." },
    { "reload", SESSION_ACT, run_reload, "Read the table and apply it, or change nothing." },
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

static void run(struct session *session, const char *word)
{
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        if (strcmp(commands[i].word, word) != 0)
            continue;
        if (session->right < commands[i].right)
            end(session, "denied", "you may not do that");
        else
            commands[i].run(session);
        return;
    }
    end(session, "usage", "unknown command");
}

/* ---- life ---- */

static void on_request(int fd, short what, void *context)
{
    struct session *session = context;
    struct record record = RECORD_EMPTY;
    struct err err = ERR_EMPTY;
    int got = channel_receive(fd, &record, &err);

    (void)what;
    if (got == 0)
        return;
    if (got == -1) {
        session_close(session);
        return;
    }
    watch_stop(&session->control->master->loop, &session->watch); /* one request a session */
    timer_start(&session->control->master->loop, &session->deadline, ANSWER_MS);
    run(session, record.word);
    record_free(&record);
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

    session->control = control;
    session->fd = fd;
    session->right = ask_right(fd, &master->plan->globals);
    list_append(&control->sessions, &session->link);
    control->session_count++;
    timer_init(&session->deadline, on_deadline, session);
    timer_start(&master->loop, &session->deadline, REQUEST_MS);
    watch_init(&session->watch, fd, LOOP_READ, on_request, session);
    if ((session->right == SESSION_NOTHING && control->session_count > STRANGERS)
        || watch_start(&master->loop, &session->watch, NULL) == -1)
        session_close(session);
}

void session_close(struct session *session)
{
    struct loop *loop = &session->control->master->loop;

    reload_forget(&session->waiter);
    if (session->reader != NULL)
        reader_cancel(&session->reader);
    watch_stop(loop, &session->watch);
    timer_stop(loop, &session->deadline);
    fd_close(&session->fd);
    record_out_free(&session->out);
    list_remove(&session->link);
    session->control->session_count--;
    mem_free(&session);
}
