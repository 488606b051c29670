/*
 * The texts of a row's admission keys as numbers. The reader parses them to find
 * mistakes, and writes them back in canonical form (user and group names as numbers);
 * workers and the master parse that form again. Nothing here looks anything up.
 */
#ifndef CONF_ADMISSION_H
#define CONF_ADMISSION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <usher/service.h>

#include "base/err.h"

/* ---- rate, rate_per_source: "50/s", "600/m", "1000/h"; with a burst: "50/s:100"
 * ------------ */

#define ADMISSION_RATE_MAX 1000000 /* of count, and of burst */

struct admission_rate {
    uint64_t count; /* this many ...; 0: no rate */
    int64_t per_ms; /* ... in this time */
    uint64_t burst; /* at once after a rest; count unless given */
};

/* NULL is no rate. */
int admission_rate(const char *text, struct admission_rate *out, struct err *err);

/* ---- hours: "08:00-18:00", "22:00-06:00" (over midnight), up to "24:00"
 * -------------------- */

struct admission_hours {
    unsigned from,
        to; /* minutes of the day, local time; to is the first minute outside. Where
               from is above to, the time goes over midnight; they are never equal */
};

int admission_hours(const char *text, struct admission_hours *out, struct err *err);
/* Whether the minute (0 to 1439) is in it. */
bool admission_hours_have(const struct admission_hours *hours, unsigned minute);

/* ---- max_load: "8.0"
 * ------------------------------------------------------------------------ */

/* In hundredths: 800; 0 for NULL: no limit. */
int admission_load(const char *text, unsigned *out, struct err *err);

/* ---- allow, deny
 * ---------------------------------------------------------------------------- */

enum admission_whom {
    ADMISSION_NET,   /* "10.0.0.0/8", "192.0.2.1", "2001:db8::/32"; "all" is 0.0.0.0/0 and
                        ::/0,   and UNIX peers */
    ADMISSION_LOCAL, /* "local": loopback, UNIX peers, or the peer's address is the
                        connection's own local one */
    ADMISSION_UID,   /* "uid:1000"; the reader takes names too */
    ADMISSION_GID
};

struct admission_rule {
    enum admission_whom whom;
    bool is_ipv4;         /* NET: of address; "::ffff:10.0.0.0/104" is 10.0.0.0/8 */
    bool is_everybody;    /* NET: "all" */
    unsigned prefix;      /* NET: bits, 0 to 32 or 128 */
    unsigned char ip[16]; /* NET: IPv4 in the first four */
    uint32_t id;          /* UID, GID */
};

#define ADMISSION_RULE_TEXT 56 /* room for any rule as text */

/* Bits behind the prefix that are set are a mistake, not ignored (D5). Rules are numeric:
 * a host's name is one too, and so is an interface behind an address. */
int admission_rule(const char *text, struct admission_rule *out, struct err *err);
/* The canonical text: equal rules have equal texts. Returns out, of ADMISSION_RULE_TEXT
 * bytes. */
char *admission_rule_print(const struct admission_rule *rule, char *out);

#endif
