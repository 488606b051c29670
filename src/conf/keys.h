/*
 * Every key of the table, once: type, range, default and a sentence. The reader checks
 * against these rows, plans travel by them, and tests/check/manual.t holds the manual
 * against them.
 */
#ifndef CONF_KEYS_H
#define CONF_KEYS_H

#include <stdbool.h>

#include <usher/service.h>

/* Groups are written with a dot: "log.level" is key `level` in group `log`. */
extern const struct usher_option keys_global[];  /* into struct plan_globals */
extern const struct usher_option keys_service[]; /* into struct plan_service */

/* "TLS", "PROXY protocol", ...: what is refused for good, by the key somebody would try;
 * NULL. */
const char *keys_never(const char *key);

#endif
