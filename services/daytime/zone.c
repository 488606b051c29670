#include "zone.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WEEK (7 * 86400)
#define YEARS 40

/* There are folders, lists and tables among them. */
static bool is_zone_file(const char *path)
{
    static const char magic[4] = { 'T', 'Z', 'i', 'f' };
    char begin[sizeof(magic)];
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    ssize_t count;

    if (fd == -1)
        return false;
    count = read(fd, begin, sizeof(begin));
    close(fd);
    return count == (ssize_t)sizeof(magic) && memcmp(begin, magic, sizeof(magic)) == 0;
}

bool zone_exists(const char *name)
{
    char path[sizeof(ZONE_FILES) + 64];

    if (name[0] == '/' || name[strlen(name) - 1] == '/' || strstr(name, "..") != NULL)
        return false;
    snprintf(path, sizeof(path), ZONE_FILES "%s", name);
    return strcmp(name, "UTC") == 0 || is_zone_file(path);
}

static struct offset offset_at(time_t when)
{
    struct offset offset = { .since = when };
    struct tm tm;

    localtime_r(&when, &tm);
    offset.seconds = tm.tm_gmtoff;
    snprintf(offset.name, sizeof(offset.name), "%s", tm.tm_zone);
    return offset;
}

static bool is_same(const struct offset *a, const struct offset *b)
{
    return a->seconds == b->seconds && strcmp(a->name, b->name) == 0;
}

/* The second of the change that lies between two weeks. */
static struct offset first_of(struct offset old, struct offset new)
{
    while (new.since - old.since > 1) {
        struct offset middle = offset_at(old.since + (new.since - old.since) / 2);

        if (is_same(&old, &middle))
            old = middle;
        else
            new = middle;
    }
    return new;
}

static void learn_offsets(struct zone *zone)
{
    struct offset last = offset_at(time(NULL) - WEEK);

    zone->offsets[zone->count++] = last;
    for (int week = 0; week < YEARS * 53 && zone->count < ZONE_OFFSETS; week++) {
        struct offset next = offset_at(last.since + WEEK);

        if (!is_same(&last, &next))
            zone->offsets[zone->count++] = next = first_of(last, next);
        last = next;
    }
}

void zone_learn(struct zone *zone, const char *name)
{
    const char *set = getenv("TZ");
    char *before = set != NULL ? strdup(set) : NULL;

    if (name != NULL)
        setenv("TZ", name, 1);
    tzset();
    learn_offsets(zone);
    if (before != NULL)
        setenv("TZ", before, 1);
    else
        unsetenv("TZ");
    tzset();
    free(before);
}

struct tm zone_split(const struct zone *zone, time_t when)
{
    const struct offset *at = &zone->offsets[zone->count - 1];
    time_t shifted;
    struct tm tm;

    while (at > zone->offsets && at->since > when)
        at--;
    shifted = when + at->seconds;
    gmtime_r(&shifted, &tm);
    tm.tm_gmtoff = at->seconds;
    tm.tm_zone = at->name;
    return tm;
}
