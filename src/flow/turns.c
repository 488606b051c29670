#include "flow/turns.h"

#include "flow/conn.h"
#include "flow/listener.h"
#include "flow/refusal.h"
#include "flow/run.h"
#include "flow/silent.h"

#define NEVER INT64_MAX
#define SERVED 16     /* sources told apart in one pass */
#define RECHECK_MS 20 /* while slots are held by other workers */

/* false: the system is short of something; it stays where it is. */
static bool start(struct row *row, size_t index)
{
    struct parked *parked = &row->park.places[index], leaver;
    struct err err = ERR_EMPTY;

    if (!parked->is_greeted)
        refusal_greet(row, parked->fd);
    parked->is_greeted = true;
    leaver = *parked;
    if (run_stream(row, &leaver.listener->env, leaver.fd, &leaver.peer, &err) == -1) {
        listener_pause_row(row, &err);
        return false;
    }
    admit_spend(row, &leaver.peer);
    park_take_out(row, index);
    if (leaver.turn > row->park.turn)
        row->park.turn = leaver.turn;
    return true;
}

struct look {
    struct row *row;
    int64_t now_ms, due_ms; /* when it is worth looking again */
    uint32_t served[SERVED]; /* sources that had their turn in this pass, or may have no slot now */
    size_t served_count;
    size_t started;          /* in this pass */
};

static void due(struct look *look, int64_t at_ms)
{
    if (at_ms < look->due_ms)
        look->due_ms = at_ms;
}

static bool is_served(const struct look *look, uint32_t source)
{
    for (size_t i = 0; source != 0 && i < look->served_count; i++)
        if (look->served[i] == source)
            return true;
    return false;
}

static void set_served(struct look *look, uint32_t source)
{
    if (source != 0)
        look->served[look->served_count++ % SERVED] = source;
    if (look->served_count > SERVED)
        look->served_count = SERVED;
}

static bool is_time_over(const struct look *look)
{
    return row_is_dear(look->row) && clock_ms() - look->now_ms >= PARK_TURN_MS;
}

/* What may be done for one: YES, or why not now; due() says when to ask again. */
static enum admit_verdict judge(struct look *look, struct parked *parked)
{
    struct row *row = look->row;
    uint64_t room;
    enum admit_verdict verdict = admit_room_again(row, &room);

    if (verdict == ADMIT_RATE) {
        due(look, look->now_ms + admit_rate_wait_ms(row));
        return verdict;
    }
    if (room == 0 && silent_exists(row)) {
        due(look, look->now_ms + LISTENER_SILENT_MS);
        return silent_make_room(row, &parked->peer) ? ADMIT_YES : ADMIT_SHARE_HELD;
    }
    if (verdict == ADMIT_FILES)
        due(look, look->now_ms + LISTENER_PAUSE_MS);
    if (verdict != ADMIT_YES)
        return verdict;
    verdict = admit_again(row, &parked->peer, room);
    if (verdict == ADMIT_SOURCE_RATE)
        due(look, look->now_ms + admit_source_wait_ms(row, &parked->peer));
    return verdict;
}

/* false: nobody behind it can start either. */
static bool try_one(struct look *look, size_t *index)
{
    struct row *row = look->row;
    struct parked *parked = &row->park.places[*index];
    uint32_t source = parked->peer.source;
    enum admit_verdict verdict;

    if (park_has_left(parked->fd)) {
        park_refuse(row, *index, ADMIT_WAITED);
        return true;
    }
    verdict = judge(look, parked);
    if (verdict == ADMIT_RATE || verdict == ADMIT_FULL || verdict == ADMIT_FILES)
        return false;
    set_served(look, source);
    if (verdict != ADMIT_YES)
        ++*index;
    else if (start(row, *index))
        look->started++;
    else {
        due(look, look->now_ms + LISTENER_PAUSE_MS);
        return false;
    }
    return true;
}

/* One pass: every source once. */
static bool start_some(struct look *look)
{
    struct row *row = look->row;

    look->served_count = look->started = 0;
    for (size_t i = 0; i < row->park.count;) {
        if (is_served(look, row->park.places[i].peer.source))
            i++;
        else if (is_time_over(look)) {
            due(look, look->now_ms);
            return false;
        } else if (!try_one(look, &i))
            return false;
    }
    return look->started > 0;
}

static void turn_away_who_waited(struct look *look)
{
    struct row *row = look->row;

    for (size_t i = 0; i < row->park.count;)
        if (look->now_ms - row->park.places[i].since_ms >= PARK_MS)
            park_refuse(row, i, ADMIT_WAITED);
        else
            due(look, row->park.places[i++].since_ms + PARK_MS);
}

void turns_look(int fd, short what, void *context)
{
    struct row *row = context;
    struct look look = { .row = row, .now_ms = clock_ms(), .due_ms = NEVER };
    uint64_t room;

    (void)fd, (void)what;
    turn_away_who_waited(&look);
    while (start_some(&look))
        continue;
    conn_look_again(row->flow);
    admit_room(row, &room);
    if (room > 0)
        listener_wake_row(row);
    if (row->park.count == 0) {
        flow_check_drained(row->flow);
        return;
    }

    if (row_has_siblings(row))
        due(&look, look.now_ms + RECHECK_MS);
    timer_start(&row->flow->loop, &row->park.timer,
                look.due_ms > look.now_ms ? look.due_ms - look.now_ms : 0);
}
