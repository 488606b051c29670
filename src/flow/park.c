#include "flow/park.h"

#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/fd.h"
#include "base/mem.h"
#include "flow/listener.h"
#include "flow/refusal.h"
#include "flow/turns.h"

static size_t parked_by(const struct row *row, const struct peer *peer)
{
    const struct source_entry *source = flow_source(row->flow, peer);

    return source != NULL ? source->pinned : 0;
}

static void pin(struct row *row, const struct peer *peer, int by)
{
    struct source_entry *source = flow_source(row->flow, peer);

    if (source != NULL)
        source->pinned += (uint16_t)by;
}

/* ---- places ------------------------------------------------------------------------ */

/* Who waits holds a descriptor that somebody's slot may need: so the park has its share
 * of those that are free, as a source has of slots. */
static bool has_files(const struct row *row)
{
    uint64_t files = admit_free_files(row->flow);

    if (row->service->way == PLAN_WAY_DISPATCH) /* who waits leaves as many for who may
                                                   start */
        return files > PARK_SPARE_FILES &&
               row->park.count < admit_part_of_files(files, row->live);
    return files > PARK_SPARE_FILES &&
           (files > UINT64_MAX / ADMIT_SHARE || row->park.count < ADMIT_SHARE * files);
}

/* The last caller at a limit of the source that has most of them here, if that is more
 * than one. */
static struct parked *find_heaviest(const struct row *row)
{
    struct parked *best = NULL;
    size_t most = 1;

    for (size_t i = row->park.count; i > 0; i--) {
        struct parked *parked = &row->park.places[i - 1];
        size_t count = parked_by(row, &parked->peer);

        if (!parked->is_for_turn && count > most) {
            best = parked;
            most = count;
        }
    }
    return best;
}

bool park_has_place(const struct row *row)
{
    return has_files(row) &&
           (row->park.at_limit < PARK_PLACES || find_heaviest(row) != NULL);
}

bool park_has_source(const struct row *row, const struct peer *peer)
{
    return parked_by(row, peer) > 0;
}

static bool has_place_for(const struct row *row, const struct peer *peer,
                          bool is_for_turn)
{
    const struct park *park = &row->park;
    size_t left = is_for_turn ? PARK_TURNS - (park->count - park->at_limit)
                              : PARK_PLACES - park->at_limit;

    return left > 0 && has_files(row) && parked_by(row, peer) < ADMIT_SHARE * left;
}

static bool grow(struct park *park)
{
    size_t room = park->room > 0 ? 2 * park->room : PARK_PLACES;
    struct parked *places;

    if (park->count < park->room)
        return true;
    places = mem_try(room * sizeof(*places));
    if (places == NULL)
        return false;
    if (park->count > 0)
        memcpy(places, park->places, park->count * sizeof(*places));
    mem_free(&park->places);
    park->places = places;
    park->room = room;
    return true;
}

/* The crowd takes turns as one source. */
static uint64_t turn_of(const struct park *park, const struct peer *peer)
{
    for (size_t i = park->count; i > 0; i--)
        if (park->places[i - 1].peer.source == peer->source)
            return park->places[i - 1].turn + 1;
    return park->turn;
}

static void put_in(struct row *row, const struct parked *parked)
{
    struct park *park = &row->park;
    struct parked *place;
    size_t at = park->count;

    while (at > 0 && park->places[at - 1].turn > parked->turn)
        at--;
    place = &park->places[at];
    memmove(place + 1, place, (park->count - at) * sizeof(*place));
    *place = *parked;
    row->flow->parked++;
    park->count++;
    park->at_rate += parked->is_for_rate;
    park->at_limit += !parked->is_for_turn;
    pin(row, &parked->peer, 1);
}

/* Its place is the caller's to fill. */
static void count_out(struct row *row, const struct parked *parked)
{
    pin(row, &parked->peer, -1);
    row->park.at_limit -= !parked->is_for_turn;
    row->park.at_rate -= parked->is_for_rate;
    row->park.count--;
    row->flow->parked--;
}

void park_take_out(struct row *row, size_t index)
{
    struct park *park = &row->park;
    struct parked *parked = &park->places[index];

    count_out(row, parked);
    memmove(parked, parked + 1, (park->count - index) * sizeof(*parked));
}

/* ---- coming and going -------------------------------------------------------------- */

bool park_has_left(int fd)
{
    struct pollfd look = { .fd = fd };
    int left = 0;

    if (poll(&look, 1, 0) != 1 || (look.revents & (POLLHUP | POLLERR)) == 0)
        return false;
    /* Of a UNIX peer that closed, what it said before is there still. */
    return (look.revents & POLLERR) != 0 || ioctl(fd, FIONREAD, &left) == -1 || left == 0;
}

void park_refuse(struct row *row, size_t index, enum admit_verdict verdict)
{
    struct parked leaver = row->park.places[index];

    park_take_out(row, index);
    refusal_stream(row, leaver.fd, &leaver.peer, verdict);
}

/* Those who left meanwhile, in one pass: a flood leaves many behind. */
static void sweep(struct row *row)
{
    struct parked *places = row->park.places;
    size_t all = row->park.count, kept = 0;
    int64_t now_ms = clock_ms();

    if (now_ms - row->park.swept_ms < PARK_SWEEP_MS)
        return;
    row->park.swept_ms = now_ms;
    for (size_t i = 0; i < all; i++) {
        struct parked parked = places[i];

        if (park_has_left(parked.fd)) {
            count_out(row, &parked);
            refusal_stream(row, parked.fd, &parked.peer, ADMIT_WAITED);
        } else {
            places[kept++] = parked;
        }
    }
}

static bool find_place(struct row *row, const struct peer *peer, bool is_for_turn)
{
    if (has_place_for(row, peer, is_for_turn))
        return true;
    sweep(row);
    return has_place_for(row, peer, is_for_turn);
}

void park_look_at(struct row *row, int64_t at_ms)
{
    struct loop *loop = &row->flow->loop;

    if (timer_is_on(loop, &row->park.timer) && row->park.due_ms <= at_ms)
        return;
    row->park.due_ms = at_ms;
    timer_start(loop, &row->park.timer, at_ms - clock_ms());
}

/* A slot that is released wakes the park. Tokens and turns do not, and somebody has to
 * see when the first has waited for too long. */
static void wake_for(struct row *row, enum admit_verdict why)
{
    if (why == ADMIT_TURN)
        park_wake(row);
    else if (why == ADMIT_RATE || why == ADMIT_SOURCE_RATE || row->park.count == 1)
        park_look_at(row, clock_ms() + 1);
}

bool park_add(struct listener *listener, int fd, const struct peer *peer,
              enum admit_verdict why)
{
    struct row *row = listener->row;
    struct parked parked = { .listener = listener, .peer = *peer, .fd = fd,
                             .since_ms = clock_ms(), .is_for_turn = why == ADMIT_TURN,
                             .is_for_rate = why == ADMIT_RATE,
                             .is_greeted = fd == listener->held };

    if (!find_place(row, peer, parked.is_for_turn) || !grow(&row->park))
        return false;
    parked.turn = turn_of(&row->park, peer);
    put_in(row, &parked);
    wake_for(row, why);
    return true;
}

void park_put_first(struct row *row, int fd)
{
    struct parked *places = row->park.places, first;
    size_t at = 0;

    while (at < row->park.count && places[at].fd != fd)
        at++;
    if (at == 0 || at == row->park.count)
        return;
    first = places[at];
    first.turn = places[0].turn;
    memmove(&places[1], &places[0], at * sizeof(*places));
    places[0] = first;
}

bool park_make_place(struct row *row)
{
    struct parked *parked;

    if (row->park.at_limit < PARK_PLACES)
        return true;
    parked = find_heaviest(row);
    if (parked == NULL)
        return false;
    park_refuse(row, (size_t)(parked - row->park.places), ADMIT_SHARE_HELD);
    return true;
}

void park_wake(struct row *row)
{
    row->park.due_ms = INT64_MIN;
    timer_start(&row->flow->loop, &row->park.timer, 0);
}

void park_turn_away(struct row *row)
{
    while (row->park.count > 0)
        park_refuse(row, 0, ADMIT_WAITED);
    timer_stop(&row->flow->loop, &row->park.timer);
}

/* ---- life -------------------------------------------------------------------------- */

void park_init(struct row *row)
{
    timer_init(&row->park.timer, turns_look, row);
}

void park_fini(struct row *row)
{
    timer_stop(&row->flow->loop, &row->park.timer);
    for (size_t i = 0; i < row->park.count; i++)
        fd_close(&row->park.places[i].fd);
    row->flow->parked -= row->park.count;
    row->park.count = row->park.room = row->park.at_limit = row->park.at_rate = 0;
    mem_free(&row->park.places);
}
