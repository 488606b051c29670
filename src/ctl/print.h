/*
 * What usherctl shows: the records of an answer as aligned rows, or one line each.
 */
#ifndef CTL_PRINT_H
#define CTL_PRINT_H

#include "base/grid.h"
#include "wire/record.h"

#define PRINT_COLUMNS 7

struct print {
    struct grid services; /* the rows of `list`, until print_end() */
};

#define PRINT_EMPTY { GRID_EMPTY(PRINT_COLUMNS) }

/* A client_fn's body: services are kept for aligning, texts printed at once (mistakes and
 * warnings to standard error). */
void print_record(struct print *print, const struct record *record);
void print_end(struct print *print);

#endif
