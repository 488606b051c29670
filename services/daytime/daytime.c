/*
 * daytime (RFC 867): one line with the date and time, then the end. In UDP every datagram
 * is answered with the line.
 *
 * The time zone. The C library knows one zone a process, changes it through the
 * environment and reads its file again at each change: two rows with two zones would
 * fight over it, and once the worker's doors are closed the file is out of reach. So
 * open() asks the library for every change of the row's zone in the years to come, and
 * from then on the zone is a sorted array of the row's own. New zone data are seen after
 * the next reload.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <usher/service.h>

#define ZONES_DIR "/usr/share/zoneinfo/"
#define WEEK (7 * 86400)
#define YEARS 40
#define LINE_SIZE 256 /* CRLF included */

struct daytime_conf {
    const char *format;
    const char *timezone;
};

static const struct usher_option daytime_options[] = {
    USHER_OPTION_TEXT(struct daytime_conf, format, "classic", 1, 128,
                      "\"classic\", \"iso8601\", or a text for strftime(3)."),
    USHER_OPTION_TEXT(struct daytime_conf, timezone, NULL, 1, 64,
                      "Time zone, as \"Europe/Rome\"; the system's unless set."),
    USHER_OPTION_END
};

/* What holds from `since` until the next one. */
struct offset {
    time_t since;
    long seconds; /* east of UTC */
    char zone[16];
};

struct daytime {
    size_t count;
    struct offset offsets[4 * YEARS];
    time_t line_time; /* the line is made once a second, however many ask */
    size_t length;
    char line[LINE_SIZE];
};

/* ---- the zone ------------------------------------------------------------------ */

static bool zone_exists(const char *name)
{
    char path[sizeof(ZONES_DIR) + 64];

    if (name[0] == '/' || name[strlen(name) - 1] == '/' || strstr(name, "..") != NULL)
        return false;
    snprintf(path, sizeof(path), ZONES_DIR "%s", name);
    return strcmp(name, "UTC") == 0 || access(path, R_OK) == 0;
}

static struct offset offset_at(time_t when)
{
    struct offset offset = { .since = when };
    struct tm tm;

    localtime_r(&when, &tm);
    offset.seconds = tm.tm_gmtoff;
    snprintf(offset.zone, sizeof(offset.zone), "%s", tm.tm_zone);
    return offset;
}

static bool is_same(const struct offset *a, const struct offset *b)
{
    return a->seconds == b->seconds && strcmp(a->zone, b->zone) == 0;
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

static void learn_offsets(struct daytime *daytime)
{
    struct offset last = offset_at(time(NULL) - WEEK);

    daytime->offsets[daytime->count++] = last;
    for (int week = 0; week < YEARS * 53 && daytime->count < 4 * YEARS; week++) {
        struct offset next = offset_at(last.since + WEEK);

        if (!is_same(&last, &next))
            daytime->offsets[daytime->count++] = next = first_of(last, next);
        last = next;
    }
}

static void learn_zone(struct daytime *daytime, const char *name)
{
    const char *set = getenv("TZ");
    char *before = set != NULL ? strdup(set) : NULL;

    if (name != NULL)
        setenv("TZ", name, 1);
    tzset();
    learn_offsets(daytime);
    if (before != NULL)
        setenv("TZ", before, 1);
    else
        unsetenv("TZ");
    tzset();
    free(before);
}

static struct tm split_time(const struct daytime *daytime, time_t when)
{
    const struct offset *at = &daytime->offsets[daytime->count - 1];
    time_t shifted;
    struct tm tm;

    while (at > daytime->offsets && at->since > when)
        at--;
    shifted = when + at->seconds;
    gmtime_r(&shifted, &tm);
    tm.tm_gmtoff = at->seconds;
    tm.tm_zone = at->zone;
    return tm;
}

/* ---- the line ------------------------------------------------------------------ */

/* Puts a text for tm into to, without CRLF; 0: none, or no room for it. */
static size_t print_time(char *to, size_t room, const char *format, const struct tm *tm)
{
    /* By another name, or the compiler objects to a format it can not see. */
    size_t (*print)(char *, size_t, const char *, const struct tm *) = strftime;
    long minutes = labs(tm->tm_gmtoff) / 60;
    size_t length;

    if (strcmp(format, "classic") == 0)
        return strftime(to, room, "%a %b %e %H:%M:%S %Y", tm);
    if (strcmp(format, "iso8601") != 0)
        return print(to, room, format, tm);
    length = strftime(to, room, "%Y-%m-%dT%H:%M:%S", tm);
    return length
           + (size_t)snprintf(to + length, room - length, "%c%02ld:%02ld",
                              tm->tm_gmtoff < 0 ? '-' : '+', minutes / 60, minutes % 60);
}

static void make_line(const struct usher_instance *service)
{
    const struct daytime_conf *conf = service->conf;
    struct daytime *daytime = service->state;
    time_t now = time(NULL);
    struct tm tm;

    if (now == daytime->line_time)
        return;
    tm = split_time(daytime, now);
    daytime->length = print_time(daytime->line, LINE_SIZE - 2, conf->format, &tm);
    memcpy(daytime->line + daytime->length, "\r\n", 2);
    daytime->length += 2;
    daytime->line_time = now;
}

/* ---- the service --------------------------------------------------------------- */

static int daytime_check(const void *conf, char *error, size_t room)
{
    const struct daytime_conf *daytime = conf;
    struct tm tm = { .tm_year = 127, .tm_mon = 8, .tm_mday = 29, .tm_wday = 3 };
    char text[LINE_SIZE / 2]; /* a Wednesday in September is as long as a date gets */

    tm.tm_zone = "UTC";
    if (daytime->timezone != NULL && !zone_exists(daytime->timezone)) {
        snprintf(error, room, "timezone: there is no \"%s\" in " ZONES_DIR,
                 daytime->timezone);
        return -1;
    }
    if (print_time(text, sizeof(text), daytime->format, &tm) == 0) {
        snprintf(error, room, "format: gives no text, or more than %zu bytes",
                 sizeof(text) - 1);
        return -1;
    }
    return 0;
}

static int daytime_open(const struct usher_instance *service, void **state)
{
    const struct daytime_conf *conf = service->conf;
    struct daytime *daytime = calloc(1, sizeof(*daytime));

    if (daytime == NULL) {
        usher_log(service, USHER_ERROR, "no memory");
        return -1;
    }
    learn_zone(daytime, conf->timezone);
    *state = daytime;
    return 0;
}

static void daytime_close(void *state)
{
    free(state);
}

static void daytime_opened(struct usher_conn *conn)
{
    const struct daytime *daytime = conn->service->state;

    make_line(conn->service);
    usher_write(conn, daytime->line, daytime->length);
    usher_end(conn);
}

static void daytime_datagram(struct usher_dgram *dgram)
{
    const struct daytime *daytime = dgram->service->state;

    make_line(dgram->service);
    usher_reply(dgram, daytime->line, daytime->length);
}

USHER_SERVICE(daytime) = {
    USHER_SERVICE_HEADER,
    .name = "daytime",
    .shapes = USHER_STREAM | USHER_DATAGRAM,
    .sentence = "Tells the date and time in one line (RFC 867).",
    .options = daytime_options,
    .conf_size = sizeof(struct daytime_conf),
    .check = daytime_check,
    .open = daytime_open,
    .close = daytime_close,
    .opened = daytime_opened,
    .datagram = daytime_datagram,
};
