#include "master/counts.h"

static void add_row(struct counts *sum, const struct page_row *row)
{
    sum->accepted += atomic_load_explicit(&row->accepted, memory_order_relaxed);
    sum->active += atomic_load_explicit(&row->active, memory_order_relaxed);
    sum->failed += atomic_load_explicit(&row->failed, memory_order_relaxed);
    sum->refused += atomic_load_explicit(&row->refused, memory_order_relaxed);
    sum->replied += atomic_load_explicit(&row->replied, memory_order_relaxed);
    sum->dropped += atomic_load_explicit(&row->dropped, memory_order_relaxed);
}

static void add_pool(struct counts *sum, const struct pool *pool, unsigned row)
{
    for (size_t i = 0; i < pool->member_count; i++)
        if (pool->members[i].slot != -1)
            add_row(sum, &pages_slot(pool->pools->pages, pool->members[i].slot)->rows[row]);
}

struct counts counts_of(const struct pools *pools, unsigned row)
{
    const struct list *const heads[] = { &pools->running, &pools->leaving };
    struct counts sum = { 0 };

    for (size_t i = 0; i < ARRAY_LEN(heads); i++)
        for (struct list *link = heads[i]->next; link != heads[i]; link = link->next)
            add_pool(&sum, CONTAINER(link, struct pool, link), row);
    return sum;
}
