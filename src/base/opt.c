#include "base/opt.h"

#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "base/opt_type.h"
#include "base/str.h"

const struct usher_option *opt_find(const struct usher_option *table, const char *key)
{
    for (; table->key != NULL; table++)
        if (strcmp(table->key, key) == 0)
            return table;
    return NULL;
}

const char *opt_nearest(const struct usher_option *table, const char *key)
{
    const char **keys, *nearest;
    size_t count = 0;

    while (table[count].key != NULL)
        count++;
    keys = mem_array(count + 1, sizeof *keys);
    for (size_t i = 0; i < count; i++)
        keys[i] = table[i].key;
    nearest = str_nearest(key, keys);
    mem_free(&keys);
    return nearest;
}

static void *field(const struct usher_option *row, void *into)
{
    return (char *)into + row->offset;
}

int opt_set(const struct usher_option *row, void *into, const char *text, struct err *err)
{
    const struct opt_type *type = opt_type_of(row);

    if (type == NULL)
        return err_set(err, "an option of unknown type %d", (int)row->type);
    return type->set(row, field(row, into), text, err);
}

int opt_check(const struct usher_option *row, const void *of, struct err *err)
{
    const struct usher_list *list = opt_field(row, of);

    if (row->type == USHER_TYPE_LIST && (int64_t)list->count < row->min)
        return err_set(err, "%zu items are below %" PRId64, list->count, row->min);
    return 0;
}

static void free_items(struct usher_list *list)
{
    const char **items = (const char **)list->at;

    for (size_t i = 0; i < list->count; i++)
        mem_free(&items[i]);
    mem_free(&list->at);
}

void opt_clear(const struct usher_option *row, void *into)
{
    const struct opt_type *type = opt_type_of(row);
    void *at = field(row, into);

    if (type == NULL)
        return;
    if (row->type == USHER_TYPE_TEXT)
        mem_free((char **)at);
    else if (row->type == USHER_TYPE_LIST)
        free_items(at);
    memset(at, 0, type->size);
}

void opt_free(const struct usher_option *table, void *of)
{
    for (; table->key != NULL; table++)
        opt_clear(table, of);
}
