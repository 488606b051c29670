#include "master/control.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "master/master.h"
#include "master/session.h"
#include "sock/bind.h"

#define ACCEPTS_A_TURN 16
#define BACKLOG 64

/* Only the default's folder is ours to make; any other is the administrator's. */
static void make_folder(const char *path)
{
    if (strcmp(path, USHER_RUNSTATEDIR "/usher/control") == 0)
        (void)mkdir(USHER_RUNSTATEDIR "/usher", 0755);
}

/* Open to all when groups may ask: who it is, is asked of the kernel (master/session). */
static unsigned socket_mode(const struct plan_globals *globals)
{
    return globals->control_read_gid != 0 || globals->control_operate_gid != 0 ? 0666 : 0600;
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
    if (result == -1 && err->code == EADDRINUSE)
        return err_set(err, "control: %s: another usherd answers there", plan->globals.control);
    return result == -1 ? err_prefix(err, "control") : 0;
}

static void on_caller(int fd, short what, void *context)
{
    struct control *control = context;

    (void)what;
    for (int budget = ACCEPTS_A_TURN; budget > 0; budget--) {
        int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (peer == -1)
            return;
        if (control->session_count >= CONTROL_SESSIONS)
            fd_close(&peer);
        else
            session_open(control, peer);
    }
}

static int listen_on(struct control *control, const struct plan *plan, struct err *err)
{
    int fd;

    if (open_socket(plan, &fd, err) == -1)
        return -1;
    control->fd = fd;
    control->path = mem_text(plan->globals.control);
    watch_init(&control->watch, fd, LOOP_READ, on_caller, control);
    return watch_start(&control->master->loop, &control->watch, err);
}

static void stop_listening(struct control *control)
{
    struct endpoint endpoint = { .kind = ENDPOINT_UNIX_SEQPACKET };

    if (control->fd == -1)
        return;
    watch_stop(&control->master->loop, &control->watch);
    if (addr_parse_unix(control->path, &endpoint.addr, NULL) == 0)
        bind_unlink(control->fd, &endpoint);
    fd_close(&control->fd);
    mem_free(&control->path);
}

int control_open(struct control *control, struct master *master, struct err *err)
{
    *control = (struct control){ .master = master, .fd = -1 };
    list_init(&control->sessions);
    return listen_on(control, master->plan, err);
}

void control_close(struct control *control)
{
    struct list *link, *safe;

    if (control->master == NULL)
        return;
    LIST_EACH(&control->sessions, link, safe)
        session_close(CONTAINER(link, struct session, link));
    stop_listening(control);
}

void control_follow(struct control *control, const struct plan *plan)
{
    struct control old = *control;
    struct err err = ERR_EMPTY;

    if (control->path == NULL)
        return;
    if (strcmp(control->path, plan->globals.control) == 0) {
        (void)chmod(control->path, socket_mode(&plan->globals));
        return;
    }
    watch_stop(&control->master->loop, &control->watch);
    if (listen_on(control, plan, &err) == 0) {
        old.watch = (struct watch){ 0 };
        watch_init(&old.watch, old.fd, LOOP_READ, on_caller, &old);
        stop_listening(&old);
        return;
    }
    log_error("control", "fail reason=\"%s\", the old socket goes on", err.text);
    control->fd = old.fd;
    control->path = old.path;
    watch_init(&control->watch, old.fd, LOOP_READ, on_caller, control);
    (void)watch_start(&control->master->loop, &control->watch, &err);
}
