/*
 * An answer, kept whole: what is aligned, or becomes one JSON object, cannot be shown
 * line by line.
 */
#ifndef CTL_ANSWER_H
#define CTL_ANSWER_H

#include <stddef.h>

#include "wire/record.h"

struct answer {
    struct record *records; /* owned, in the order in which they came */
    size_t count, room;
};

/* Before the reason, in the keys of a service that count refusals by reason. */
#define ANSWER_REFUSED "refused."
#define ANSWER_DROPPED "dropped." /* the same for datagrams that were not answered */

#define ANSWER_EMPTY { NULL, 0, 0 }

/* Takes the record. "again" makes the answer empty: usherd begins anew. */
void answer_take(struct answer *answer, struct record *record);
void answer_free(struct answer *answer);

/* The first record with this word at or after `from`, or count: `for (i = answer_find(a,
 * "pool", 0); i < a->count; i = answer_find(a, "pool", i + 1))`. */
size_t answer_find(const struct answer *answer, const char *word, size_t from);

/* Where a service listens: its record is followed by any number of "endpoints". */
struct answer_places {
    const struct answer *answer;
    size_t record, field;
};
struct answer_places answer_places(const struct answer *answer, size_t service);
const char *answer_next_place(struct answer_places *places); /* or NULL */

/* A number that usherd sent; 0 when it did not. */
int64_t answer_number(const struct record *record, const char *key);

#endif
