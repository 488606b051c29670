/*
 * What usherctl shows to people. Everything is escaped: what stands in a record may have
 * come from anybody, and goes to a terminal.
 */
#ifndef CTL_PRINT_H
#define CTL_PRINT_H

#include "ctl/answer.h"
#include "wire/record.h"

/* Mistakes and warnings to standard error, help and other lines to standard output, at
 * once; whether the record was one of those. */
bool print_line(const struct record *record);
void print_list(const struct answer *answer);
void print_explain(const struct answer *answer);
void print_status(const struct answer *answer); /* ctl/status.c */

#endif
