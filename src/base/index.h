/*
 * Finds places in an array by a key: a hash table from 64-bit keys to numbers, where a
 * key may have many. The owner compares what it finds; equal keys only make that rare.
 * Places are added in any order and given up last first, as the array they point into
 * grows and shrinks.
 */
#ifndef BASE_INDEX_H
#define BASE_INDEX_H

#include <stddef.h>
#include <stdint.h>

#define INDEX_END SIZE_MAX

struct index_entry {
    uint64_t key;
    size_t place, next;
};

struct index { /* all zero: empty */
    size_t *heads; /* owned; bucket_count of them, a power of two */
    size_t bucket_count;
    struct index_entry *entries; /* owned */
    size_t count;
};

/* A key made of bytes, and of what came before (0 at first). */
uint64_t index_key(uint64_t before, const void *bytes, size_t count);
void index_add(struct index *index, uint64_t key, size_t place);
void index_drop_last(struct index *index);
void index_clear(struct index *index); /* empty again; frees */
/* The places of a key, newest first: *cursor is INDEX_END before the first call.
 * INDEX_END: no more. */
size_t index_next(const struct index *index, uint64_t key, size_t *cursor);

#endif
