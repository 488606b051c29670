/*
 * What the files of a plan's reading share. They run in the master, and the reader's
 * records may be an attacker's: nothing is believed. Of conf/planwire only.
 */
#ifndef CONF_PLANWIRE_PARSE_H
#define CONF_PLANWIRE_PARSE_H

#include <stdint.h>

#include <usher/service.h>

#include "base/err.h"
#include "conf/plan.h"
#include "wire/record.h"

#define PLANWIRE_ID_MAX ((int64_t)UINT32_MAX - 1) /* -1 is no id, in any system call */

/* conf/planwire_fields: every field must be one of names, and come once only. */
int planwire_check_fields(const struct record *record, const char *const *names,
                          struct err *err);
/* The same, where a field may also be a key of the table: that one is set in `into`,
 * which has its presets already. */
int planwire_read_keys(const struct usher_option *keys, const struct record *record,
                       void *into, const char *const *names, struct err *err);

/* conf/planwire_service: a row; the plan must have room for it. */
int planwire_take_service(struct plan *plan, const struct record *record,
                          struct err *err);
/* conf/planwire_parts: what follows a row, appended to it. */
int planwire_take_option(struct plan_service *service, const struct record *record,
                         struct err *err);
int planwire_take_endpoint(struct plan_service *service, const struct record *record,
                           struct err *err);

#endif
