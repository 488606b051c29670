#include "conf/checking.h"

#include <stdarg.h>
#include <stdio.h>

bool row_says(const struct row_check *row, const char *key)
{
    return table_find(row->row, key) != NULL;
}

const char *row_place(const struct row_check *row, const char *key, size_t item,
                      unsigned *line_out)
{
    const struct table_entry *entry = key != NULL ? table_find(row->row, key) : NULL;

    if (entry == NULL && key != NULL)
        entry = table_find(&row->all->table.defaults, key);
    if (entry == NULL) {
        *line_out = row->row->line;
        return row->row->file;
    }
    *line_out = item < entry->value_count ? entry->values[item].line : entry->line;
    return entry->file;
}

static __attribute__((format(printf, 4, 0))) void add(const struct row_check *row,
                                                      const char *key, size_t item,
                                                      const char *format, va_list args)
{
    char text[1024];
    unsigned line;
    const char *file = row_place(row, key, item, &line);

    vsnprintf(text, sizeof(text), format, args);
    mistake_add(row->all->mistakes, file, line, "%s: %s",
                key != NULL ? key : row->row->name, text);
}

void row_mistake(const struct row_check *row, const char *key, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    add(row, key, (size_t)-1, format, args);
    va_end(args);
}

void row_mistake_at(const struct row_check *row, const char *key, size_t item,
                    const char *format, ...)
{
    va_list args;

    va_start(args, format);
    add(row, key, item, format, args);
    va_end(args);
}
