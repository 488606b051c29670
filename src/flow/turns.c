#include "flow/turns.h"

#include "flow/conn.h"
#include "flow/listener.h"
#include "flow/refusal.h"
#include "flow/run.h"
#include "flow/silent.h"

#define NEVER INT64_MAX
#define SERVED 16     /* sources told apart in one pass */
#define RECHECK_MS 20 /* while other workers may hold slots */

struct look {
    struct row *row;
    int64_t now_ms, due_ms;  /* due: when it is worth looking again */
    uint32_t served[SERVED]; /* who started, or may have no slot now, in this pass */
    size_t served_count; /* where that is more than SERVED: the last of them */
    bool has_started; /* somebody did, in this pass */
    uint64_t in_vain;  /* nobody goes for a source that holds so many, or more */
};

static void look_again_at(struct look *look, int64_t at_ms)
{
    if (at_ms < look->due_ms)
        look->due_ms = at_ms;
}

static void look_again_in(struct look *look, int64_t ms)
{
    look_again_at(look, look->now_ms + ms);
}

/* The crowd's callers have no number: nobody knows who of them are one source. */
static bool is_served(const struct look *look, uint32_t source)
{
    for (size_t i = 0; source != 0 && i < look->served_count && i < SERVED; i++)
        if (look->served[i] == source)
            return true;
    return false;
}

/* Where more than SERVED sources wait, one may be tried twice in a pass: it has a later
 * turn then, so that nobody is passed over. */
static void set_served(struct look *look, uint32_t source)
{
    if (source != 0)
        look->served[look->served_count++ % SERVED] = source;
}

static bool is_time_over(const struct look *look)
{
    return row_is_dear(look->row) && clock_ms() - look->now_ms >= PARK_TURN_MS;
}

/* Whether another's silent connection has gone for this one. */
static bool make_room(struct look *look, const struct parked *parked)
{
    struct row *row = look->row;
    uint64_t held = admit_held(row, &parked->peer);

    look_again_in(look, LISTENER_SILENT_MS);
    if (held >= look->in_vain)
        return false;
    switch (silent_make_room(row, &parked->peer)) {
    case SILENT_GONE:
        return true;
    case SILENT_TOLD:
        park_put_first(row, parked->fd);
        break;
    case SILENT_NOBODY:
        look->in_vain = held;
        break;
    case SILENT_LEAVING:
        break;
    }
    return false;
}

/* No slot is left. */
static enum admit_verdict judge_without_room(struct look *look,
                                             const struct parked *parked,
                                             enum admit_verdict verdict)
{
    if (!silent_exists(look->row)) {
        if (verdict == ADMIT_FILES)
            look_again_in(look, LISTENER_PAUSE_MS);
        return verdict;
    }
    verdict = admit_but_for_room(look->row, &parked->peer);
    if (verdict != ADMIT_YES || make_room(look, parked))
        return verdict;
    return ADMIT_SHARE_HELD; /* for one behind it somebody may go */
}

/* YES, or why not now. A slot that is released wakes the park; whatever else it waits for
 * has to be looked for. */
static enum admit_verdict judge(struct look *look, const struct parked *parked)
{
    struct row *row = look->row;
    uint64_t room;
    enum admit_verdict verdict = admit_room_again(row, &room);

    if (room == 0)
        verdict = judge_without_room(look, parked, verdict);
    else if (verdict == ADMIT_YES)
        verdict = admit_again(row, &parked->peer, room);
    if (verdict == ADMIT_RATE)
        look_again_in(look, admit_rate_wait_ms(row));
    else if (verdict == ADMIT_SOURCE_RATE)
        look_again_in(look, admit_source_wait_ms(row, &parked->peer));
    else if (verdict == ADMIT_SHARE_HELD && room > 0 && room < row_free(row))
        look_again_in(look, LISTENER_PAUSE_MS); /* other rows give them back */
    return verdict;
}

/* false: the system is short of something; it stays where it is. */
static bool start(struct look *look, size_t index)
{
    struct row *row = look->row;
    struct parked *parked = &row->park.places[index], leaver;
    struct err err = ERR_EMPTY;

    if (!parked->is_greeted)
        refusal_greet(row, parked->fd);
    parked->is_greeted = true;
    leaver = *parked;
    if (run_stream(row, &leaver.listener->env, leaver.fd, &leaver.peer, &err) == -1) {
        listener_pause_row(row, &err);
        look_again_in(look, LISTENER_PAUSE_MS);
        return false;
    }
    admit_spend(row, &leaver.peer);
    park_take_out(row, index);
    if (leaver.turn > row->park.turn)
        row->park.turn = leaver.turn;
    look->has_started = true;
    return true;
}

/* Leaves the next one's index. false: nobody behind it can start either. */
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
    if (verdict == ADMIT_YES)
        return start(look, *index);
    ++*index;
    return true;
}

/* One pass: every source once. Whether another is worth it. */
static bool start_some(struct look *look)
{
    struct park *park = &look->row->park;

    look->served_count = 0;
    look->has_started = false;
    for (size_t i = 0; i < park->count;) {
        if (is_served(look, park->places[i].peer.source)) {
            i++;
            continue;
        }
        if (is_time_over(look)) {
            look_again_in(look, 0);
            return false;
        }
        if (!try_one(look, &i))
            return false;
    }
    return look->has_started;
}

static void turn_away_who_waited(struct look *look)
{
    struct row *row = look->row;

    for (size_t i = 0; i < row->park.count;)
        if (look->now_ms - row->park.places[i].since_ms >= PARK_MS)
            park_refuse(row, i, ADMIT_WAITED);
        else
            look_again_at(look, row->park.places[i++].since_ms + PARK_MS);
}

static void look_later(struct look *look)
{
    struct row *row = look->row;

    if (row_has_siblings(row)) /* they do not tell us what they let go of */
        look_again_in(look, RECHECK_MS);
    park_look_at(row, look->due_ms); /* slots that came free meanwhile have set it
                                        before */
}

void turns_look(int fd, short what, void *context)
{
    struct row *row = context;
    struct look look = { .row = row, .now_ms = clock_ms(), .due_ms = NEVER,
                         .in_vain = UINT64_MAX };
    uint64_t room;

    (void)fd, (void)what;
    turn_away_who_waited(&look);
    while (start_some(&look))
        continue;
    conn_look_again(row->flow);
    admit_room(row, &room);
    if (room > 0 || silent_exists(row))
        listener_wake_row(row); /* for a newcomer one who is silent may go */
    if (row->park.count > 0)
        look_later(&look);
    else
        flow_check_drained(row->flow);
}
