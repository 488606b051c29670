/*
 * What the reader prints, as records, and the master reads:
 *
 *   warning text=...      any number
 *   mistake text=...      any number
 *   system                they are not the table's: the system said no
 *   plan ...              conf/planwire, unless there were mistakes
 *   end                   last: without it the output was cut off
 *
 * The master believes none of it: whoever parsed a stranger's table may be its author's
 * by now.
 */
#ifndef MASTER_READER_RESULT_H
#define MASTER_READER_RESULT_H

#include <stddef.h>

#include "base/err.h"
#include "conf/plan.h"
#include "conf/source.h"

#define READER_REMARKS_MAX 1000 /* mistakes, and warnings; the rest is counted */

/* In the reader: blocks until all is written. 0, or -1. */
int reader_result_print(int fd, const struct plan *plan, const struct mistakes *mistakes);
/* The plan, which the caller owns. NULL: there are mistakes, or err says what is wrong
 * with the text; remarks are added in either case. */
struct plan *reader_result_parse(const char *text, size_t length,
                                 struct mistakes *mistakes, struct err *err);
/* Adds a mistake of one printable line, as the terminal and the log need it. */
void reader_result_add(struct mistakes *mistakes, const char *text);

#endif
