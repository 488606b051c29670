/*
 * A plan as records and back: "plan", "global", then per row "service", "option",
 * "limit", "endpoint". What the reader prints and the master reads; exact in both
 * directions. The master's side believes nothing: counts, ranges and words are checked
 * again.
 *
 * Files: planwire_print.c the reader's side; planwire_parse.c the master's, with
 * planwire_service.c one row, planwire_parts.c what belongs to it and planwire_fields.c
 * the fields of any record; planrules.c and planlimits.c two kinds of records, both ways.
 */
#ifndef CONF_PLANWIRE_H
#define CONF_PLANWIRE_H

#include "conf/plan.h"
#include "wire/record.h"

void planwire_print(struct record_out *out, const struct plan *plan);
/* The plan, or NULL. */
struct plan *planwire_parse(const char *text, size_t count, struct err *err);
/* One record: the settings outside rows. */
void planwire_print_globals(struct record_out *out, const struct plan_globals *globals);
/* One row alone, without file and line, and with 0 for a port that was drawn: equal texts
 * mean equal rows (conf/plandiff). */
void planwire_print_service(struct record_out *out, const struct plan_service *service);

#endif
