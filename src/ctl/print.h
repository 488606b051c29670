/*
 * What usherctl shows: the records of an answer as aligned rows, or one line each.
 */
#ifndef CTL_PRINT_H
#define CTL_PRINT_H

#include "wire/record.h"

struct print {
    char *(*rows)[7]; /* owned, texts too: the rows of `list`, until print_end() */
    size_t count;
};

/* A client_fn's body: services are kept for aligning, texts printed at once (mistakes and
 * warnings to standard error). */
void print_record(struct print *print, const struct record *record);
void print_end(struct print *print);

#endif
