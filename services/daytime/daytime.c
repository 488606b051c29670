/*
 * daytime (RFC 867): one line with the date and time, then the end. In UDP every datagram
 * is answered with the line.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <usher/service.h>

#include "zone.h"

#define LINE_SIZE 256 /* CRLF included */
#define FORMAT_MAX 128

struct daytime_conf {
    const char *format;
    const char *timezone;
};

static const struct usher_option daytime_options[] = {
    USHER_OPTION_TEXT(struct daytime_conf, format, "classic", 1, FORMAT_MAX,
                      "\"classic\", \"iso8601\", or a text for strftime(3)."),
    USHER_OPTION_TEXT(struct daytime_conf, timezone, NULL, 1, 64,
                      "Time zone, as \"Europe/Rome\"; the system's unless set."),
    USHER_OPTION_END
};

struct daytime {
    struct zone zone;
    time_t line_time; /* the line is made once a second, however many ask */
    size_t length;
    char line[LINE_SIZE];
};

/* ---- the line ------------------------------------------------------------------ */

static long long seconds_of(const struct tm *tm)
{
    struct tm copy = *tm;

    return (long long)timegm(&copy) - tm->tm_gmtoff;
}

/* The library takes the parts of a time for the system's when it makes %s of them, so we
 * put the number there, without regard to flags and width. */
static void expand_seconds(char *to, size_t room, const char *format, const struct tm *tm)
{
    size_t made = 0;

    while (*format != '\0' && made + 1 < room) {
        size_t count = *format == '%' ? 1 + strspn(format + 1, "_-0^#+123456789EO") : 1;

        if (*format == '%' && format[count] != '\0')
            count++;
        if (count > 1 && format[count - 1] == 's')
            snprintf(to + made, room - made, "%lld", seconds_of(tm));
        else
            snprintf(to + made, room - made, "%.*s", (int)count, format);
        made += strlen(to + made);
        format += count;
    }
    to[made] = '\0';
}

/* Puts a text for tm into to, without CRLF; 0: none, or no room for it. */
static size_t print_time(char *to, size_t room, const char *format, const struct tm *tm)
{
    /* By another name, or the compiler objects to a format it can not see. */
    size_t (*print)(char *, size_t, const char *, const struct tm *) = strftime;
    char expanded[FORMAT_MAX / 2 * sizeof("-9223372036854775808")];
    long minutes = labs(tm->tm_gmtoff) / 60;
    size_t length;

    if (strcmp(format, "classic") == 0)
        return strftime(to, room, "%a %b %e %H:%M:%S %Y", tm);
    if (strcmp(format, "iso8601") != 0) {
        expand_seconds(expanded, sizeof(expanded), format, tm);
        return print(to, room, expanded, tm);
    }
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
    tm = zone_split(&daytime->zone, now);
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
        snprintf(error, room, "timezone: there is no \"%s\" in " ZONE_FILES,
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
    zone_learn(&daytime->zone, conf->timezone);
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
