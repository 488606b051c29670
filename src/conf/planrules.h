/*
 * Who may come in, in a plan's records. allow and deny have records of their own behind
 * their row's, since a row's line has no room for 100 000 rules:
 *
 *   rules list=deny rule=10.0.0.0/8 rule=192.0.2.1 ...
 *
 * Of conf/planwire only.
 */
#ifndef CONF_PLANRULES_H
#define CONF_PLANRULES_H

#include <stdbool.h>

#include "base/err.h"
#include "conf/plan.h"
#include "wire/record.h"

/* Whether the key stands in such records, and not in its row's. */
bool planrules_has(const char *key);
void planrules_print(struct record_out *out, const struct plan_service *service);
/* Appends to the list that the record names; each rule is checked. */
int planrules_take(struct plan_service *service, const struct record *record,
                   struct err *err);
/* The row's other texts, which workers will read as numbers. */
int planrules_check(const struct plan_service *service, struct err *err);

#endif
