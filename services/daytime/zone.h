/*
 * A time zone of one's own. The C library knows one zone a process, changes it through
 * the environment and reads its file again at each change: two rows with two zones would
 * fight over it, and once the worker's doors are closed the file is out of reach. So
 * zone_learn() asks the library for every change of the zone in the years to come, and
 * from then on the zone is a sorted array. New zone data are seen after the next reload.
 */
#ifndef DAYTIME_ZONE_H
#define DAYTIME_ZONE_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#define ZONE_FILES "/usr/share/zoneinfo/"
#define ZONE_OFFSETS 160 /* four a year, 40 years */

/* What holds from `since` until the next one. */
struct offset {
    time_t since;
    long seconds; /* east of UTC */
    char name[16];
};

struct zone {
    size_t count;
    struct offset offsets[ZONE_OFFSETS];
};

bool zone_exists(const char *name);
/* name NULL: the system's zone. For a zone of zeros, once, in open(). */
void zone_learn(struct zone *zone, const char *name);
/* What the zone's clocks show at this time; tm_zone lives as long as the zone. */
struct tm zone_split(const struct zone *zone, time_t when);

#endif
