/*
 * An answer as one JSON object, for programs: the names are a promise, usherctl(8) has
 * them. Only this file knows jansson.
 */
#ifndef CTL_JSON_H
#define CTL_JSON_H

#include "base/err.h"
#include "ctl/answer.h"

/* To standard output; pure ASCII. -1: it could not be written. */
int json_print_list(const struct answer *answer, struct err *err);
int json_print_explain(const struct answer *answer, struct err *err);
int json_print_status(const struct answer *answer, struct err *err);

#endif
