/*
 * Echo, until a byte H comes: then it notes in the worker's page that nobody's callback
 * runs, and spins. With a byte L it lies that callbacks go on beginning, too.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <usher/service.h>

/* The beginning of struct page in flow/page.h. */
struct notes {
    _Atomic uint32_t now_row, last_row;
    _Atomic int64_t now_since_ms;
};

static struct notes *notes; /* of our worker: the only part of the pages that it may
                               write */

static int hides_open(const struct usher_instance *service, void **state)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    char line[512], rights[8];
    unsigned long begin;

    (void)service, (void)state;
    while (maps != NULL && fgets(line, sizeof(line), maps) != NULL)
        if (strstr(line, "usher-pages") != NULL
            && sscanf(line, "%lx-%*x %7s", &begin, rights) == 2 && rights[1] == 'w')
            notes = (struct notes *)begin;
    if (maps != NULL)
        fclose(maps);
    return notes != NULL ? 0 : -1;
}

static void hide(bool lies)
{
    struct timespec now;

    notes->now_row = 0;
    notes->now_since_ms = 1;
    while (lies) {
        clock_gettime(CLOCK_MONOTONIC, &now);
        notes->now_since_ms = now.tv_sec * 1000 + now.tv_nsec / 1000000;
    }
    for (;;)
        ;
}

static size_t hides_data(struct usher_conn *conn, const void *bytes, size_t count)
{
    if (count > 0 &&
        (memchr(bytes, 'H', count) != NULL || memchr(bytes, 'L', count) != NULL))
        hide(memchr(bytes, 'L', count) != NULL);
    usher_write(conn, bytes, count);
    return count;
}

USHER_SERVICE(hides) = {
    USHER_SERVICE_HEADER,
    .name = "hides",
    .shapes = USHER_STREAM,
    .sentence = "Echo that hides at H and spins.",
    .open = hides_open,
    .data = hides_data,
};
