#include "master/control.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "master/master.h"
#include "master/session.h"
#include "sock/bind.h"

#define ACCEPTS_A_TURN 16
#define BACKLOG 64
#define PAUSE_MS 1000

/* Only the default's folder is ours to make; any other is the administrator's. */
static void make_folder(const char *path)
{
    if (strcmp(path, USHER_RUNSTATEDIR "/usher/control") == 0)
        (void)mkdir(USHER_RUNSTATEDIR "/usher", 0755);
}

/* Open to all when groups may ask: who it is, is asked of the kernel (master/session). */
static unsigned socket_mode(const struct plan_globals *globals)
{
    return globals->control_read_gid != 0 || globals->control_operate_gid != 0 ? 0666
                                                                               : 0600;
}

static int open_socket(const struct plan *plan, int *fd_out, struct err *err)
{
    struct endpoint endpoint = { .kind = ENDPOINT_UNIX_SEQPACKET };
    struct bind_options options = {
        .backlog = BACKLOG,
        .socket_mode = socket_mode(&plan->globals),
        .socket_uid = (uid_t)-1,
        .socket_gid = (gid_t)-1,
    };
    int result;

    make_folder(plan->globals.control);
    if (addr_parse_unix(plan->globals.control, &endpoint.addr, err) == -1)
        return err_prefix(err, "control");
    result = bind_open(&endpoint, &options, fd_out, err);
    if (result == -1)
        return err_prefix(err, err->code == EADDRINUSE
                                   ? "control (is it another usherd's?)"
                                   : "control");
    return 0;
}

static void on_pause_over(int fd, short what, void *context)
{
    struct control *control = context;
    struct err err = ERR_EMPTY;

    (void)fd;
    (void)what;
    if (watch_start(&control->master->loop, &control->watch, &err) == -1)
        log_error("control", "fail reason=\"%s\"", err.text);
}

/* Without descriptors the socket stays readable: trying again at once would be
 * spinning. */
static void pause_accepting(struct control *control)
{
    watch_stop(&control->master->loop, &control->watch);
    timer_start(&control->master->loop, &control->pause, PAUSE_MS);
}

static void on_caller(int fd, short what, void *context)
{
    struct control *control = context;

    (void)what;
    for (int budget = ACCEPTS_A_TURN; budget > 0; budget--) {
        int peer;

        if (control->session_count >= CONTROL_SESSIONS) { /* goes on with
                                                             control_on_place() */
            watch_stop(&control->master->loop, &control->watch);
            return;
        }
        peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (peer == -1 && errno != EAGAIN && errno != ECONNABORTED && errno != EINTR)
            pause_accepting(control);
        if (peer == -1)
            return;
        session_open(control, peer);
    }
}

void control_on_place(struct control *control)
{
    bool was_full = control->session_count-- >= CONTROL_SESSIONS;

    if (was_full && control->fd != -1 &&
        !timer_is_on(&control->master->loop, &control->pause))
        on_pause_over(-1, 0, control);
}

static void give_up(int *fd, char **path)
{
    struct endpoint endpoint = { .kind = ENDPOINT_UNIX_SEQPACKET };

    if (*fd != -1 && addr_parse_unix(*path, &endpoint.addr, NULL) == 0)
        bind_unlink(*fd, &endpoint);
    fd_close(fd);
    mem_free(path);
}

static int watch_socket(struct control *control, struct err *err)
{
    watch_init(&control->watch, control->fd, LOOP_READ, on_caller, control);
    return watch_start(&control->master->loop, &control->watch, err);
}

static void stop_watching(struct control *control)
{
    watch_stop(&control->master->loop, &control->watch);
    timer_stop(&control->master->loop, &control->pause);
}

int control_open(struct control *control, struct master *master, struct err *err)
{
    *control = (struct control){ .master = master, .fd = -1, .started_ms = clock_ms() };
    list_init(&control->sessions);
    timer_init(&control->pause, on_pause_over, control);
    watch_init(&control->watch, -1, LOOP_READ, on_caller, control);
    if (open_socket(master->plan, &control->fd, err) == -1)
        return -1;
    control->path = mem_text(master->plan->globals.control);
    return watch_socket(control, err);
}

void control_close(struct control *control)
{
    struct list *link, *safe;

    if (control->master == NULL)
        return;
    LIST_EACH(&control->sessions, link, safe)
        session_close(CONTAINER(link, struct session, link));
    stop_watching(control); /* after the sessions: the last one's end starts it again */
    give_up(&control->fd, &control->path);
}

void control_follow(struct control *control, const struct plan *plan)
{
    struct err err = ERR_EMPTY;
    char *old_path = control->path;
    int old_fd = control->fd, fd;

    if (old_path == NULL)
        return;
    if (strcmp(old_path, plan->globals.control) == 0) {
        (void)chmod(old_path, socket_mode(&plan->globals));
        return;
    }
    if (open_socket(plan, &fd, &err) == -1) {
        log_error("control", "fail reason=\"%s\", the old socket goes on", err.text);
        return;
    }
    stop_watching(control);
    control->fd = fd;
    control->path = mem_text(plan->globals.control);
    give_up(&old_fd, &old_path);
    if (watch_socket(control, &err) == -1)
        log_error("control", "fail reason=\"%s\"", err.text);
}
