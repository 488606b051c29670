#include "flow/farewell.h"

#include <errno.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"

#define READS 4 /* a look */

struct stay {
    struct list link;
    struct watch watch;
    struct farewell *farewell;
    int64_t since_ms;
    size_t bytes;
    int fd;
    bool is_watched;
    bool is_packets;
};

static struct stay *first_of(struct list *list)
{
    return LIST_FIRST(list, struct stay, link);
}

static void end_stay(struct stay *stay)
{
    struct farewell *farewell = stay->farewell;

    if (stay->is_watched)
        watch_stop(farewell->loop, &stay->watch);
    list_remove(&stay->link);
    fd_close(&stay->fd);
    mem_free(&stay);
    farewell->count--;
    if (farewell->count == 0 && farewell->emptied != NULL)
        farewell->emptied(farewell->context);
}

/* Throws away what came; says whether the peer has ended, or went on for too long. */
static bool is_over(struct stay *stay)
{
    char waste[16384];

    for (int reads = READS; reads > 0; reads--) {
        ssize_t count = recv(stay->fd, waste, sizeof(waste), MSG_DONTWAIT);

        if (count == 0 && (!stay->is_packets || fd_packets_ended(stay->fd)))
            return true;
        if (count == -1)
            return errno != EAGAIN && errno != EINTR;
        stay->bytes += (size_t)count;
        if (stay->bytes > FAREWELL_BYTES)
            return true;
    }
    return false;
}

static void stay_ready(int fd, short what, void *context)
{
    struct stay *stay = context;

    (void)fd, (void)what;
    if (is_over(stay))
        end_stay(stay);
}

/* The first look: gone by now, or else the loop tells when. */
static void look_at(struct stay *stay)
{
    struct farewell *farewell = stay->farewell;

    if (is_over(stay)) {
        end_stay(stay);
        return;
    }
    watch_init(&stay->watch, stay->fd, LOOP_READ, stay_ready, stay);
    if (watch_start(farewell->loop, &stay->watch, NULL) == -1) {
        end_stay(stay);
        return;
    }
    stay->is_watched = true;
    list_remove(&stay->link);
    list_append(&farewell->watched, &stay->link);
}

static void start_timer(struct farewell *farewell, int64_t now_ms)
{
    struct stay *fresh = first_of(&farewell->fresh),
                *watched = first_of(&farewell->watched);

    if (fresh != NULL)
        timer_start(farewell->loop, &farewell->timer, FAREWELL_FRESH_MS);
    else if (watched != NULL)
        timer_start(farewell->loop, &farewell->timer,
                    watched->since_ms + FAREWELL_MS - now_ms);
}

static void time_came(int fd, short what, void *context)
{
    struct farewell *farewell = context;
    int64_t now_ms = clock_ms();
    struct stay *stay;

    (void)fd, (void)what;
    while ((stay = first_of(&farewell->fresh)) != NULL &&
           now_ms - stay->since_ms >= FAREWELL_FRESH_MS)
        look_at(stay);
    while ((stay = first_of(&farewell->watched)) != NULL &&
           now_ms - stay->since_ms >= FAREWELL_MS)
        end_stay(stay);
    start_timer(farewell, now_ms);
}

void farewell_init(struct farewell *farewell, struct loop *loop)
{
    farewell->loop = loop;
    list_init(&farewell->fresh);
    list_init(&farewell->watched);
    farewell->count = 0;
    timer_init(&farewell->timer, time_came, farewell);
    farewell->emptied = NULL;
}

void farewell_fini(struct farewell *farewell)
{
    struct stay *stay;

    farewell->emptied = NULL;
    timer_stop(farewell->loop, &farewell->timer);
    while ((stay = first_of(&farewell->fresh)) != NULL)
        end_stay(stay);
    while ((stay = first_of(&farewell->watched)) != NULL)
        end_stay(stay);
}

/* Under load the newcomers pay for a look at those before, and the timer has nothing to
 * do. */
static void look_at_oldest(struct farewell *farewell, int64_t now_ms)
{
    struct stay *stay;

    for (int looks = 2; looks > 0; looks--) {
        stay = first_of(&farewell->fresh);
        if (stay == NULL || now_ms - stay->since_ms < FAREWELL_FRESH_MS)
            return;
        look_at(stay);
    }
}

void farewell_add(struct farewell *farewell, int fd, int64_t now_ms, bool is_packets)
{
    struct stay *stay = mem_try(sizeof(*stay));
    bool is_first = list_is_empty(&farewell->fresh);

    if (stay == NULL || shutdown(fd, SHUT_WR) == -1) {
        mem_free(&stay);
        fd_close(&fd);
        return;
    }
    stay->farewell = farewell;
    stay->fd = fd;
    stay->since_ms = now_ms;
    stay->bytes = 0;
    stay->is_watched = false;
    stay->is_packets = is_packets;
    list_append(&farewell->fresh, &stay->link);
    farewell->count++;

    if (farewell->count > FAREWELL_MAX)
        end_stay(first_of(list_is_empty(&farewell->watched) ? &farewell->fresh
                                                            : &farewell->watched));
    look_at_oldest(farewell, now_ms);
    if (is_first)
        timer_start(farewell->loop, &farewell->timer, FAREWELL_FRESH_MS);
}
