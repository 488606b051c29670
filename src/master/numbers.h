/*
 * Numbers that stay with a name: a service keeps its place in the pages, and a pool its
 * number in their directory, over reloads and restarts, so that counts of old and new
 * workers add up.
 */
#ifndef MASTER_NUMBERS_H
#define MASTER_NUMBERS_H

#include <stddef.h>

#include "base/err.h"

struct numbers {
    char **names; /* owned; the place is the number */
    size_t count, limit;
};

/* The number of this name, new or known; -1 when all `limit` are taken. */
int numbers_of(struct numbers *numbers, const char *name, struct err *err);
/* Lets go of every name that is_used() denies; their numbers may be given again. */
void numbers_prune(struct numbers *numbers,
                   int (*is_used)(const char *name, void *context), void *context);
void numbers_free(struct numbers *numbers);

#endif
