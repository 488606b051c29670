#include "master/counts.h"

static void add_row(struct counts *sum, const struct page_row *row)
{
    sum->accepted += page_read(&row->accepted);
    sum->active += page_read(&row->active);
    sum->failed += page_read(&row->failed);
    sum->refused += page_read(&row->refused);
    sum->replied += page_read(&row->replied);
    sum->dropped += page_read(&row->dropped);
    sum->bytes_in += page_read(&row->bytes_in);
    sum->bytes_out += page_read(&row->bytes_out);
    for (size_t i = 0; i < PAGE_REASONS; i++) {
        sum->refused_by[i] += page_read(&row->refused_by[i]);
        sum->dropped_by[i] += page_read(&row->dropped_by[i]);
    }
}

static void add_pool(struct counts *sum, const struct pool *pool, unsigned row)
{
    for (size_t i = 0; i < pool->member_count; i++)
        if (pool->members[i].slot != -1)
            add_row(sum,
                    &pages_slot(pool->pools->pages, pool->members[i].slot)->rows[row]);
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
