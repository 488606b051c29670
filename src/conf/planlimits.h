/*
 * What a row's programs may use up, in a plan's records; one each behind their row's:
 *
 *   limit resource=nofile value=64
 *
 * Of conf/planwire only.
 */
#ifndef CONF_PLANLIMITS_H
#define CONF_PLANLIMITS_H

#include "base/err.h"
#include "conf/plan.h"
#include "wire/record.h"

void planlimits_print(struct record_out *out, const struct plan_service *service);
/* Appends the record's limit to the row. */
int planlimits_take(struct plan_service *service, const struct record *record,
                    struct err *err);

#endif
