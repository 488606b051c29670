#include "flow/door.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/fd.h"
#include "base/mem.h"
#include "flow/conn.h"
#include "flow/run.h"
#include "flow/silent.h"
#include "wire/channel.h"

#define SUBJECT "door"
#define BUDGET 64     /* callers a wake-up */
#define LAST 1024     /* callers at the end: more do not fit in its socket */
#define PAUSE_MS 50

struct door {
    struct flow *flow;
    int fd;
    struct watch watch, timer;
    int held; /* a caller who was welcomed and could not be served yet; -1: none */
    struct row *held_row;
    struct peer held_peer;
    struct log_limit limit;
};

__attribute__((format(printf, 2, 3))) static void say(struct door *door,
                                                      const char *format, ...)
{
    struct err err = ERR_EMPTY;
    unsigned long left_out;
    va_list args;

    va_start(args, format);
    vsnprintf(err.text, sizeof(err.text), format, args);
    va_end(args);
    if (log_limit(&door->limit, &left_out))
        log_warning(SUBJECT, "%s left_out=%lu", err.text, left_out);
}

static void pause_it(struct door *door, const struct err *err)
{
    say(door, "hold error=\"%s\"", err->text);
    watch_stop(&door->flow->loop, &door->watch);
    timer_start(&door->flow->loop, &door->timer, PAUSE_MS);
}

/* ---- who it is --------------------------------------------------------------------- */

static int ask_number(int fd, int option)
{
    int value = -1;
    socklen_t length = sizeof(value);

    return getsockopt(fd, SOL_SOCKET, option, &value, &length) == 0 ? value : -1;
}

/* A connected stream; the peer is whom the kernel names. */
static bool inspect(int fd, struct peer *peer)
{
    struct sockaddr_storage addr;
    socklen_t length = sizeof(addr);

    if (ask_number(fd, SO_TYPE) != SOCK_STREAM || ask_number(fd, SO_ACCEPTCONN) != 0 ||
        getpeername(fd, (struct sockaddr *)&addr, &length) == -1)
        return false;
    peer_set(peer, &addr, length);
    return true;
}

static struct row *find_row(struct flow *flow, const char *name)
{
    for (size_t i = 0; name != NULL && i < flow->row_count; i++)
        if (plan_is_offered(flow->rows[i].service) &&
            strcmp(flow->rows[i].service->name, name) == 0)
            return &flow->rows[i];
    return NULL;
}

/* What a listener's connections have from it, and what the last reader left. */
static void prepare(int fd, const struct row *row)
{
    const struct plan_service *service = row->service;
    int one = 1, nodelay = service->nodelay, keepalive = service->keepalive;

    setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &one, sizeof(one));
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &keepalive, sizeof(keepalive));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &nodelay, sizeof(nodelay));
    fd_set_nonblock(fd, !run_is_blocking(row));
}

/* ---- serving ----------------------------------------------------------------------- */

static void turn_away(struct door *door, int fd, const char *line)
{
    refusal_tell(fd, line);
    farewell_add(&door->flow->farewell, fd, clock_ms(), false);
}

/* A program is told to which address its caller came; its own listeners have nothing to
 * do with that. */
static int serve_program(struct row *row, int fd, const struct peer *peer,
                         struct err *err)
{
    struct endpoint local = { .kind = ENDPOINT_TCP,
                              .addr = { .length = sizeof(local.addr.storage) } };
    struct env env;
    int result;

    if (getsockname(fd, (struct sockaddr *)&local.addr.storage, &local.addr.length) == -1)
        local.addr.length = 0;
    addr_normalize(&local.addr);
    if (peer->kind == PEER_UNIX)
        local.kind = ENDPOINT_UNIX;
    env_init(&env, row->service, &local, 1);
    result = run_stream(row, &env, fd, peer, err);
    env_fini(&env);
    return result;
}

static int serve(struct row *row, int fd, const struct peer *peer, struct err *err)
{
    return row->program != NULL ? serve_program(row, fd, peer, err)
                                : run_stream(row, NULL, fd, peer, err);
}

static enum admit_verdict judge(struct row *row, int fd, struct peer *peer)
{
    uint64_t room;
    enum admit_verdict before = admit_room(row, &room), verdict;

    if (before == ADMIT_RATE)
        return before;
    verdict = admit_stream(row, fd, peer, room);
    if (room > 0 || (verdict != ADMIT_SHARE_HELD && verdict != ADMIT_FULL))
        return verdict;
    verdict = row->park.at_rate > 0 ? ADMIT_RATE : admit_but_for_room(row, peer);
    if (verdict != ADMIT_YES)
        return verdict;
    return silent_make_room(row, peer) == SILENT_GONE ? ADMIT_YES : before;
}

static void welcome(struct door *door, struct row *row, int fd, const struct peer *peer)
{
    struct err err = ERR_EMPTY;

    prepare(fd, row);
    if (!refusal_tell(fd, DOOR_YES)) {
        fd_close(&fd);
        return;
    }
    refusal_greet(row, fd);
    admit_spend(row, peer);
    if (serve(row, fd, peer, &err) == 0)
        return;
    door->held = fd;
    door->held_row = row;
    door->held_peer = *peer;
    pause_it(door, &err);
}

static void admit(struct door *door, const struct record *record, int fd)
{
    struct row *row = find_row(door->flow, record_get(record, "service"));
    struct peer peer;
    enum admit_verdict verdict;

    if (!record_is(record, "caller") || fd == -1 || !inspect(fd, &peer)) {
        fd_close(&fd); /* mostly: the caller left on the way */
        return;
    }
    if (row == NULL)
        turn_away(door, fd, DOOR_NONE);
    else if ((verdict = judge(row, fd, &peer)) == ADMIT_YES)
        welcome(door, row, fd, &peer);
    else {
        refusal_note(row, &peer, verdict);
        turn_away(door, fd, admit_is_denial(verdict) ? DOOR_NONE : DOOR_BUSY);
    }
}

/* ---- receiving --------------------------------------------------------------------- */

/* A descriptor that finds no place is lost: so we look before we take one. */
static int look_for_place(struct err *err)
{
    int probe = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0); /* the one that may be copied */

    if (probe == -1)
        return err_sys(err, "no place for a caller");
    fd_close(&probe);
    return 0;
}

/* An empty packet looks like the end of file, which only comes when all others are
 * gone. */
static bool is_deserted(const struct door *door)
{
    struct pollfd look = { .fd = door->fd };

    return poll(&look, 1, 0) == 1 && (look.revents & POLLHUP) != 0;
}

static bool go_on_after(struct door *door, const struct err *err)
{
    if (err->code == EBADMSG || (err->code == 0 && !is_deserted(door))) {
        say(door, "deny error=\"%s\"", err->text);
        return true;
    }
    if (err->code == 0)
        watch_stop(&door->flow->loop, &door->watch);
    else
        pause_it(door, err);
    return false;
}

/* false: nothing more now. */
static bool receive_one(struct door *door)
{
    struct record record = RECORD_EMPTY;
    struct err err = ERR_EMPTY;
    int fd = -1, result;

    if (look_for_place(&err) == -1) {
        pause_it(door, &err);
        return false;
    }
    result = channel_receive_fd(door->fd, &record, &fd, &err);
    if (result == 1)
        admit(door, &record, fd);
    record_free(&record);
    if (result == -1)
        return go_on_after(door, &err);
    return result == 1 && door->held == -1;
}

static void receive_some(struct door *door, int budget)
{
    while (budget-- > 0 && receive_one(door))
        continue;
    conn_look_again(door->flow);
}

static void door_ready(int fd, short what, void *context)
{
    (void)fd, (void)what;
    receive_some(context, BUDGET);
}

static int serve_held(struct door *door, struct err *err)
{
    int held = door->held;

    door->held = -1;
    if (held == -1)
        return 0;
    admit_find(door->held_row, held, &door->held_peer);
    if (!admit_has_slot(door->held_row, &door->held_peer)) {
        /* The door is for callers of other rows, too. */
        refusal_stream(door->held_row, held, &door->held_peer, ADMIT_WAITED);
        return 0;
    }
    if (serve(door->held_row, held, &door->held_peer, err) == 0)
        return 0;
    door->held = held;
    return -1;
}

static void pause_ended(int fd, short what, void *context)
{
    struct door *door = context;
    struct err err = ERR_EMPTY;

    (void)fd, (void)what;
    if (serve_held(door, &err) == -1 ||
        watch_start(&door->flow->loop, &door->watch, &err) == -1)
        pause_it(door, &err);
    conn_look_again(door->flow);
}

/* ---- life -------------------------------------------------------------------------- */

int door_open(struct flow *flow, int fd, struct err *err)
{
    struct door *door;

    if (fd == -1)
        return 0;
    door = mem_new(sizeof(*door));
    door->flow = flow;
    door->fd = fd;
    door->held = -1;
    watch_init(&door->watch, fd, LOOP_READ, door_ready, door);
    timer_init(&door->timer, pause_ended, door);
    flow->door = door;
    return watch_start(&flow->loop, &door->watch, err);
}

void door_close(struct flow *flow)
{
    struct door *door = flow->door;
    struct err err = ERR_EMPTY;

    if (door == NULL)
        return;
    if (serve_held(door, &err) == 0)
        receive_some(door, LAST);
    if (door->held != -1) {
        refusal_stream(door->held_row, door->held, &door->held_peer, ADMIT_WAITED);
        door->held = -1;
    }
    door_free(flow);
}

void door_free(struct flow *flow)
{
    struct door *door = flow->door;

    if (door == NULL)
        return;
    watch_stop(&flow->loop, &door->watch);
    timer_stop(&flow->loop, &door->timer);
    fd_close(&door->held);
    fd_close(&door->fd);
    mem_free(&flow->door);
}
