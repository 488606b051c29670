#include "base/index.h"

#include "base/mem.h"

#define BUCKETS_FIRST 64

/* FNV-1a: short keys, no enemy chooses them. */
uint64_t index_key(uint64_t before, const void *bytes, size_t count)
{
    const unsigned char *at = bytes;
    uint64_t key = before ^ UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < count; i++)
        key = (key ^ at[i]) * UINT64_C(0x100000001b3);
    return key;
}

static size_t *head_of(const struct index *index, uint64_t key)
{
    return &index->heads[(key ^ key >> 32) & (index->bucket_count - 1)];
}

static void link_entry(struct index *index, size_t i)
{
    size_t *head = head_of(index, index->entries[i].key);

    index->entries[i].next = *head;
    *head = i;
}

/* In order, so that within a bucket the newest stays first: index_drop_last() relies on
 * it. */
static void grow(struct index *index)
{
    index->bucket_count =
        index->bucket_count == 0 ? BUCKETS_FIRST : index->bucket_count * 4;
    index->heads = mem_grow(index->heads, index->bucket_count, sizeof(*index->heads));
    for (size_t i = 0; i < index->bucket_count; i++)
        index->heads[i] = INDEX_END;
    for (size_t i = 0; i < index->count; i++)
        link_entry(index, i);
}

void index_add(struct index *index, uint64_t key, size_t place)
{
    struct index_entry *entry;

    if (index->count == index->bucket_count)
        grow(index);
    entry = MEM_PUSH(index->entries, index->count);
    entry->key = key;
    entry->place = place;
    link_entry(index, index->count - 1);
}

void index_drop_last(struct index *index)
{
    const struct index_entry *last = &index->entries[index->count - 1];

    *head_of(index, last->key) = last->next;
    index->count--;
}

void index_clear(struct index *index)
{
    mem_free(&index->heads);
    mem_free(&index->entries);
    index->bucket_count = index->count = 0;
}

size_t index_next(const struct index *index, uint64_t key, size_t *cursor)
{
    size_t i;

    if (index->count == 0)
        return INDEX_END;
    i = *cursor == INDEX_END ? *head_of(index, key) : index->entries[*cursor].next;
    while (i != INDEX_END && index->entries[i].key != key)
        i = index->entries[i].next;
    *cursor = i;
    return i == INDEX_END ? INDEX_END : index->entries[i].place;
}
