#include "flow/park.h"

#include <poll.h>
#include <string.h>

#include "base/fd.h"
#include "base/mem.h"
#include "flow/conn.h"
#include "flow/listener.h"
#include "flow/refusal.h"
#include "flow/run.h"

#define NEVER INT64_MAX

static void pin(struct row *row, uint32_t number, int by)
{
    struct page *page = row->flow->page;

    if (number == 0 || page == NULL)
        return;
    sources_at(&page->sources, number)->pinned += (uint16_t)by;
}

static size_t parked_by(const struct row *row, const struct peer *peer)
{
    struct page *page = row->flow->page;

    return page != NULL && peer->source != 0 ? sources_at(&page->sources, peer->source)->pinned
                                             : 0;
}

/* ---- places ---------------------------------------------------------------------------------- */

bool park_has_place(const struct row *row)
{
    return row->park.count < PARK_PLACES && admit_free_files(row->flow) > PARK_SPARE_FILES;
}

static bool has_place_for(const struct row *row, const struct peer *peer)
{
    return park_has_place(row) &&
           parked_by(row, peer) < ADMIT_SHARE * (PARK_PLACES - row->park.count);
}

static void take_out(struct row *row, size_t index)
{
    struct park *park = &row->park;

    pin(row, park->places[index].peer.source, -1);
    park->count--;
    row->flow->parked--;
    memmove(&park->places[index], &park->places[index + 1],
            (park->count - index) * sizeof(park->places[0]));
}

static void wake_in(struct row *row, int64_t ms)
{
    timer_start(&row->flow->loop, &row->park.timer, ms);
}

bool park_add(struct listener *listener, int fd, const struct peer *peer,
              enum admit_verdict why)
{
    struct row *row = listener->row;
    struct park *park = &row->park;

    if (!has_place_for(row, peer))
        return false;
    if (park->places == NULL)
        park->places = mem_array(PARK_PLACES, sizeof(*park->places));
    park->places[park->count++] = (struct parked){ listener, *peer, fd, clock_ms(), why, false };
    row->flow->parked++;
    pin(row, peer->source, 1);
    if (why == ADMIT_SOURCE_RATE || park->count == 1)
        wake_in(row, 1);
    return true;
}

/* ---- starting -------------------------------------------------------------------------------- */

static bool has_left(const struct parked *parked)
{
    struct pollfd look = { .fd = parked->fd };

    return poll(&look, 1, 0) == 1 && (look.revents & (POLLHUP | POLLERR)) != 0;
}

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
    take_out(row, index);
    return true;
}

static void turn_away(struct row *row, size_t index, enum admit_verdict verdict)
{
    struct parked leaver = row->park.places[index];

    take_out(row, index);
    refusal_stream(row, leaver.fd, &leaver.peer, verdict);
}

struct look {
    struct row *row;
    int64_t now_ms, due_ms; /* when it is worth looking again */
    uint32_t held_back;     /* a source that may have no slot now: the last one we asked for */
};

static void due(struct look *look, int64_t at_ms)
{
    if (at_ms < look->due_ms)
        look->due_ms = at_ms;
}

/* false: nobody behind it can start either. */
static bool judge(struct look *look, size_t *index)
{
    struct row *row = look->row;
    struct parked *parked = &row->park.places[*index];
    enum admit_verdict verdict;
    uint64_t room;

    verdict = admit_room(row, &room);
    if (verdict == ADMIT_RATE)
        due(look, look->now_ms + admit_rate_wait_ms(row));
    if (verdict == ADMIT_FILES)
        due(look, look->now_ms + LISTENER_PAUSE_MS);
    if (verdict != ADMIT_YES)
        return false;

    if (has_left(parked)) {
        turn_away(row, *index, ADMIT_WAITED);
        return true;
    }
    verdict = admit_again(row, &parked->peer, room);
    if (verdict == ADMIT_SOURCE_RATE)
        due(look, look->now_ms + admit_source_wait_ms(row, &parked->peer));
    if (verdict != ADMIT_YES) {
        parked->why = verdict;
        look->held_back = parked->peer.source;
        ++*index;
        return true;
    }
    if (!start(row, *index)) {
        due(look, look->now_ms + LISTENER_PAUSE_MS);
        return false;
    }
    return true;
}

/* Who waited for too long is taken out on the way. */
static void start_some(struct look *look)
{
    struct row *row = look->row;
    bool is_going_on = true;

    for (size_t i = 0; i < row->park.count && is_going_on;) {
        struct parked *parked = &row->park.places[i];

        if (look->now_ms - parked->since_ms >= PARK_MS)
            turn_away(row, i, ADMIT_WAITED);
        else if (look->held_back != 0 && parked->peer.source == look->held_back)
            i++;
        else
            is_going_on = judge(look, &i);
    }
}

static void look_for_who_may_start(int fd, short what, void *context)
{
    struct row *row = context;
    struct look look = { .row = row, .now_ms = clock_ms(), .due_ms = NEVER };
    uint64_t room;

    (void)fd, (void)what;
    start_some(&look);
    conn_look_again(row->flow);
    if (admit_room(row, &room) == ADMIT_YES)
        listener_wake_row(row);
    if (row->park.count == 0)
        return;

    due(&look, row->park.places[0].since_ms + PARK_MS);
    if (row_has_siblings(row))
        due(&look, look.now_ms + PARK_RECHECK_MS);
    wake_in(row, look.due_ms > look.now_ms ? look.due_ms - look.now_ms : 1);
}

void park_wake(struct row *row)
{
    wake_in(row, 0);
}

void park_start_all(struct row *row)
{
    while (row->park.count > 0)
        if (!start(row, 0))
            turn_away(row, 0, ADMIT_WAITED);
    timer_stop(&row->flow->loop, &row->park.timer);
    conn_look_again(row->flow);
}

/* ---- life ------------------------------------------------------------------------------------ */

void park_init(struct row *row)
{
    timer_init(&row->park.timer, look_for_who_may_start, row);
}

void park_fini(struct row *row)
{
    timer_stop(&row->flow->loop, &row->park.timer);
    for (size_t i = 0; i < row->park.count; i++)
        fd_close(&row->park.places[i].fd);
    row->flow->parked -= row->park.count;
    row->park.count = 0;
    mem_free(&row->park.places);
}
