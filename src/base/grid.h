/*
 * Rows of texts printed in aligned columns: what --table and `usherctl list` show.
 */
#ifndef BASE_GRID_H
#define BASE_GRID_H

#include <stddef.h>
#include <stdio.h>

struct grid {
    size_t columns;
    size_t count; /* cells */
    char **cells; /* owned */
};

#define GRID_EMPTY(columns) { (columns), 0, NULL }

/* Adds one row of `columns` texts, copied; NULL and "" are shown as "-". */
void grid_add(struct grid *grid, const char *const *texts);
/* Two blanks between columns, none at the end of a line. */
void grid_print(const struct grid *grid, FILE *out);
void grid_free(struct grid *grid);

#endif
