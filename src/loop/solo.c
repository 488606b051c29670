#include "loop/solo.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

#define NO_TIME INT64_MAX

struct slot {
    struct watch *watch; /* NULL: was removed; the next turn closes the gap */
    int64_t due_ms;      /* NO_TIME: not a timer */
};

/* slots[i] is what polls[i] stands for. While callbacks run, slots are only emptied and
 * appended, never moved, so a turn may walk them by number. */
struct solo {
    struct slot *slots;
    struct pollfd *polls;
    size_t count, room;
};

struct solo *solo_open(void)
{
    return mem_new(sizeof(struct solo));
}

void solo_close(struct solo **solo)
{
    if (*solo == NULL)
        return;
    mem_free(&(*solo)->slots);
    mem_free(&(*solo)->polls);
    mem_free(solo);
}

static void make_room(struct solo *solo)
{
    if (solo->count < solo->room)
        return;
    solo->room = solo->room == 0 ? 8 : solo->room * 2;
    solo->slots = mem_grow(solo->slots, solo->room, sizeof *solo->slots);
    solo->polls = mem_grow(solo->polls, solo->room, sizeof *solo->polls);
}

void solo_add(struct solo *solo, struct watch *watch, int64_t after_ms)
{
    short what = event_get_events(&watch->event);
    struct pollfd *polled;

    solo_remove(solo, watch);
    make_room(solo);
    polled = &solo->polls[solo->count];
    polled->fd = after_ms < 0 ? event_get_fd(&watch->event) : -1;
    polled->events =
        (short)((what & LOOP_READ ? POLLIN : 0) | (what & LOOP_WRITE ? POLLOUT : 0));
    polled->revents = 0;
    solo->slots[solo->count].watch = watch;
    solo->slots[solo->count].due_ms = after_ms < 0 ? NO_TIME : clock_ms() + after_ms;
    solo->count++;
}

/* How many watches one child has fits one hand, so nothing better than looking at
 * each. */
static size_t find(const struct solo *solo, const struct watch *watch)
{
    size_t i;

    for (i = 0; i < solo->count && solo->slots[i].watch != watch; i++)
        ;
    return i;
}

void solo_remove(struct solo *solo, struct watch *watch)
{
    size_t i = find(solo, watch);

    if (i == solo->count)
        return;
    solo->slots[i].watch = NULL;
    solo->polls[i].fd = -1;
}

bool solo_has(const struct solo *solo, const struct watch *watch)
{
    return find(solo, watch) < solo->count;
}

static void close_gaps(struct solo *solo)
{
    size_t to = 0;

    for (size_t from = 0; from < solo->count; from++) {
        if (solo->slots[from].watch == NULL)
            continue;
        solo->slots[to] = solo->slots[from];
        solo->polls[to++] = solo->polls[from];
    }
    solo->count = to;
}

/* Milliseconds until the first timer, for poll(): -1 without one. */
static int time_left(const struct solo *solo)
{
    int64_t due_ms = NO_TIME, left_ms;

    for (size_t i = 0; i < solo->count; i++)
        if (solo->slots[i].due_ms < due_ms)
            due_ms = solo->slots[i].due_ms;
    if (due_ms == NO_TIME)
        return -1;
    left_ms = due_ms - clock_ms();
    if (left_ms <= 0)
        return 0;
    return left_ms < INT_MAX ? (int)left_ms : INT_MAX;
}

static short what_is_possible(const struct pollfd *polled)
{
    short what = 0;
    bool is_broken = (polled->revents & (POLLERR | POLLHUP | POLLNVAL)) != 0;

    if ((polled->events & POLLIN) && (is_broken || (polled->revents & POLLIN)))
        what |= LOOP_READ;
    if ((polled->events & POLLOUT) && (is_broken || (polled->revents & POLLOUT)))
        what |= LOOP_WRITE;
    return what;
}

static void run_one(struct solo *solo, size_t i, int64_t now_ms)
{
    struct slot *slot = &solo->slots[i];
    const struct event *event;
    short what;

    if (slot->watch == NULL)
        return;
    event = &slot->watch->event;
    if (slot->due_ms == NO_TIME)
        what = what_is_possible(&solo->polls[i]);
    else
        what = slot->due_ms <= now_ms ? LOOP_TIMEOUT : 0;
    if (what == LOOP_TIMEOUT)
        slot->watch = NULL; /* runs once, and may be started again by its own callback */
    if (what != 0)
        event_get_callback(event)(event_get_fd(event), what,
                                  event_get_callback_arg(event));
}

int solo_turn(struct solo *solo)
{
    size_t count;
    int64_t now_ms;

    close_gaps(solo);
    count = solo->count;
    if (count == 0)
        return 1;
    if (poll(solo->polls, (nfds_t)count, time_left(solo)) == -1)
        return errno == EINTR ? 0 : -1;
    now_ms = clock_ms();
    /* What is added meanwhile stands behind `count`: its turn is the next. */
    for (size_t i = 0; i < count; i++)
        run_one(solo, i, now_ms);
    return 0;
}
