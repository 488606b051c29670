#include "flow/intake.h"

#include <errno.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "flow/run.h"
#include "flow/silent.h"

#define TROUBLE_MS 1000 /* pause after an error that no shortage explains */

/* What a wake-up has for its callers. */
struct chance {
    uint64_t room;             /* slots the row may still give */
    enum admit_verdict before; /* what was known before accept() */
    int64_t until_ms;          /* dear ones may be started at once */
};

/* ---- serving ----------------------------------------------------------------------- */

/* 0: served, or its caller is gone; -1: not now, fd is still ours. */
static int serve(struct listener *listener, int fd, const struct peer *peer,
                 struct err *err)
{
    return run_stream(listener->row, &listener->env, fd, peer, err);
}

static void start(struct listener *listener, int fd, const struct peer *peer)
{
    struct err err = ERR_EMPTY;

    if (row_is_dear(listener->row) && park_has_left(fd)) {
        refusal_stream(listener->row, fd, peer, ADMIT_WAITED);
        return;
    }
    refusal_greet(listener->row, fd);
    admit_spend(listener->row, peer);
    if (serve(listener, fd, peer, &err) == 0)
        return;
    listener->held = fd;
    listener->held_peer = *peer;
    listener_pause(listener, LISTENER_PAUSE_MS, &err);
}

static bool is_patient(const struct row *row)
{
    return row->service->on_limit == PLAN_ON_LIMIT_QUEUE;
}

/* Others of its source have its slot: nobody else has to wait for them. */
static void put_aside(struct listener *listener)
{
    struct row *row = listener->row;
    int held = listener->held;

    if (!is_patient(row) ||
        !park_add(listener, held, &listener->held_peer, ADMIT_SOURCE))
        refusal_stream(row, held, &listener->held_peer, ADMIT_SOURCE);
    listener->held = -1;
}

int intake_serve_held(struct listener *listener, struct err *err)
{
    struct row *row = listener->row;
    int held = listener->held;

    if (held == -1)
        return 0;
    /* Its entry may have been given away meanwhile. */
    admit_find(row, held, &listener->held_peer);
    if (row_is_full(row))
        return err_set(err, "others have its slot");
    if (!admit_has_slot(row, &listener->held_peer)) {
        put_aside(listener);
        return 0;
    }
    if (serve(listener, held, &listener->held_peer, err) == -1)
        return -1;
    listener->held = -1;
    return 0;
}

/* ---- callers ----------------------------------------------------------------------- */

/* Callers stay in the kernel's queue meanwhile. err: said, if it is not the slots. */
static void wait_for_room(struct listener *listener, enum admit_verdict before,
                          const struct err *err)
{
    if (before == ADMIT_FULL)
        listener_fill(listener);
    else
        listener_pause(listener, LISTENER_PAUSE_MS, err);
}

/* false: it finds no place. */
static bool find_place(struct listener *listener, int fd, const struct peer *peer,
                       enum admit_verdict verdict)
{
    struct row *row = listener->row;

    if (admit_held(row, peer) == 0 && !park_has_source(row, peer))
        park_make_place(row);
    return park_add(listener, fd, peer, verdict);
}

/* No slot is left, and nothing else speaks against this one: another's silent connection
 * may go for it. */
static enum silent_answer ask_for_room(struct row *row, const struct peer *peer,
                                       enum admit_verdict *verdict)
{
    enum admit_verdict but_for_room = row->park.at_rate > 0
                                          ? ADMIT_RATE : admit_but_for_room(row, peer);

    if (!silent_exists(row))
        return SILENT_NOBODY;
    if (but_for_room == ADMIT_YES)
        return silent_make_room(row, peer);
    *verdict = but_for_room;
    return SILENT_NOBODY;
}

static void settle_where_full(struct listener *listener, int fd, struct peer *peer,
                              enum admit_verdict verdict)
{
    struct row *row = listener->row;
    enum admit_verdict before = verdict;
    enum silent_answer answer = ask_for_room(row, peer, &verdict);

    if (answer == SILENT_GONE)
        start(listener, fd, peer);
    else if ((!is_patient(row) && answer != SILENT_TOLD) ||
             !find_place(listener, fd, peer, verdict))
        refusal_stream(row, fd, peer, verdict);
    else if (answer == SILENT_TOLD)
        park_put_first(row, fd);
    else if (answer == SILENT_NOBODY && admit_held(row, peer) == 0)
        wait_for_room(listener, before, NULL); /* even who holds nothing has to wait */
}

/* At a limit: another's silent connection goes, or this one waits, or this one goes. */
static void settle(struct listener *listener, int fd, struct peer *peer,
                   enum admit_verdict verdict)
{
    struct row *row = listener->row;
    uint64_t room;
    enum admit_verdict before = admit_room(row, &room);

    if (room == 0 && (verdict == ADMIT_SHARE_HELD || verdict == ADMIT_FULL))
        settle_where_full(listener, fd, peer, before); /* nobody's share is anything
                                                          now */
    else if (verdict == ADMIT_RATE && is_patient(row) && park_has_left(fd))
        refusal_stream(row, fd, peer, ADMIT_WAITED);
    else if (!is_patient(row) || !find_place(listener, fd, peer, verdict))
        refusal_stream(row, fd, peer, verdict);
    else if (room == 0 && admit_held(row, peer) == 0)
        wait_for_room(listener, before, NULL);
}

/* Children take time to start: when this wake-up has had its part of it, or others of its
 * source wait already, a caller waits for its turn, so that the next in the queue can be
 * looked at. */
static bool has_to_wait(const struct row *row, const struct peer *peer, int64_t until_ms)
{
    if (!row_is_dear(row) || row->flow->page == NULL)
        return false;
    return park_has_source(row, peer) || (clock_ms() >= until_ms && row->live > 0);
}

/* A flood leaves many behind who are gone already: they take no place. */
static void wait_for_turn(struct listener *listener, int fd, const struct peer *peer)
{
    if (park_has_left(fd))
        refusal_stream(listener->row, fd, peer, ADMIT_WAITED);
    else if (!park_add(listener, fd, peer, ADMIT_TURN))
        refusal_stream(listener->row, fd, peer, ADMIT_TURN);
}

static void judge(struct listener *listener, int fd, struct peer *peer,
                  const struct chance *chance)
{
    struct row *row = listener->row;
    enum admit_verdict verdict = admit_stream(row, fd, peer, chance->room);

    if (verdict == ADMIT_YES && chance->before == ADMIT_RATE)
        verdict = ADMIT_RATE;
    if (verdict == ADMIT_YES && has_to_wait(row, peer, chance->until_ms))
        verdict = ADMIT_TURN;
    switch (verdict) {
    case ADMIT_YES:
        start(listener, fd, peer);
        break;
    case ADMIT_TURN:
        wait_for_turn(listener, fd, peer);
        break;
    case ADMIT_RATE:
    case ADMIT_SOURCE_RATE:
    case ADMIT_SOURCE:
    case ADMIT_SHARE_HELD:
    case ADMIT_FULL:
        settle(listener, fd, peer, verdict);
        break;
    default:
        refusal_stream(row, fd, peer, verdict);
    }
}

/* ---- accepting --------------------------------------------------------------------- */

static bool is_shortage(int code)
{
    return code == EMFILE || code == ENFILE || code == ENOMEM || code == ENOBUFS;
}

/* That caller went away, or the network did: not our listener's trouble. */
static bool is_passing(int code)
{
    static const int passing[] = { ECONNABORTED, EPROTO,       ENETDOWN,     ENOPROTOOPT,
                                   EHOSTDOWN,    ENONET,       EHOSTUNREACH, EOPNOTSUPP,
                                   ENETUNREACH,  EINTR,        EPERM,        ETIMEDOUT,
                                   ECONNRESET };

    for (size_t i = 0; i < ARRAY_LEN(passing); i++)
        if (passing[i] == code)
            return true;
    return false;
}

/* What accept() left in errno, or would have. */
static void describe(const struct listener *listener, struct err *err)
{
    bool is_select = strcmp(loop_method(&listener->row->flow->loop), "select") == 0;

    err_sys(err, "accept");
    if (err->code == EMFILE && is_select)
        err_prefix(err, "loop = \"select\" holds at most %d descriptors", FD_SETSIZE);
}

/* What accept() said: whether to go on with the next one. Else `listener` is paused where
 * that is our trouble. */
static bool go_on_after(struct listener *listener)
{
    struct err err = ERR_EMPTY;

    if (errno == EAGAIN)
        return false;
    if (is_passing(errno))
        return true;
    describe(listener, &err);
    if (err.code == EINVAL && listener_mend(listener))
        return true;
    listener_pause(listener, is_shortage(err.code) ? LISTENER_PAUSE_MS : TROUBLE_MS,
                   &err);
    return false;
}

/* The caller's descriptor, or -1. */
static int accept_caller(struct listener *listener, struct peer *peer)
{
    int flags = SOCK_CLOEXEC | (run_is_blocking(listener->row) ? 0 : SOCK_NONBLOCK);
    struct sockaddr_storage addr;
    socklen_t length = sizeof(addr);
    int fd = accept4(listener->fd, (struct sockaddr *)&addr, &length, flags);

    if (fd != -1)
        peer_set(peer, &addr, length);
    return fd;
}

/* Callers of a row that may give no slot now: they wait in the kernel's queue, unless
 * somebody has to be looked at. Says whether to accept. */
static bool may_accept(struct listener *listener, enum admit_verdict before)
{
    struct row *row = listener->row;
    struct err err = ERR_EMPTY;

    if (before == ADMIT_YES || before == ADMIT_RATE || !is_patient(row))
        return true;
    if (silent_exists(row) && park_has_place(row))
        return true;
    if (before == ADMIT_FILES) {
        errno = EMFILE;
        describe(listener, &err);
    }
    wait_for_room(listener, before, &err);
    return false;
}

/* false: nothing more now. */
static bool accept_one(struct listener *listener, struct chance *chance)
{
    struct peer peer;
    int fd;

    chance->before = admit_room(listener->row, &chance->room);
    if (!may_accept(listener, chance->before))
        return false;
    fd = accept_caller(listener, &peer);
    if (fd == -1)
        return go_on_after(listener);
    judge(listener, fd, &peer, chance);
    return listener->state == LISTENER_OPEN;
}

void intake_accept(struct listener *listener)
{
    struct row *row = listener->row;
    struct chance chance = { 0 };
    int left = INTAKE_BUDGET;

    if (row_is_dear(row)) {
        chance.until_ms = clock_ms() + PARK_TURN_MS;
        if (row->park.count > row->park.at_limit)
            left = INTAKE_CROWDED;
    }
    while (left-- > 0 && accept_one(listener, &chance))
        continue;
}
