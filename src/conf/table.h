/*
 * The table as it is written: libconfig's tree made flat, with file and line of
 * everything. Types are kept as found; which keys there are, and what they may hold, is
 * conf/check's affair. The only file that calls libconfig.
 */
#ifndef CONF_TABLE_H
#define CONF_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "conf/source.h"

enum table_kind {
    TABLE_TEXT,
    TABLE_NUMBER,
    TABLE_FRACTION,
    TABLE_BOOL,
    TABLE_LIST, /* [ ] or ( ) */
    TABLE_GROUP
};

struct table_value {
    enum table_kind kind;
    char *text; /* numbers in decimal, "true", "false"; NULL for a list or group in a list
                 */
    unsigned line;
    bool is_refused; /* the scan has said what is wrong with it: it stands for nothing */
};

/* A key of a group within the row is written with a dot, behind an entry for the group
 * itself (which has no values): "options", then "options.prefix". */
struct table_entry {
    char *key;
    const char *file; /* the source's */
    unsigned line;
    enum table_kind kind;
    struct table_value *values; /* one, or a list's items */
    size_t value_count;
};

struct table_row {
    char *name; /* NULL: the global settings, or `defaults` */
    const char *file;
    unsigned line;
    struct table_entry *entries;
    size_t entry_count;
};

struct table {
    struct table_row globals; /* file NULL: the main file could not be parsed */
    struct table_row defaults;
    struct table_row *rows;
    size_t row_count;
};

/* Adds what one file says: the main one, or one of services_dir. -1: mistakes were added,
 * and the table has what could be read. The source must outlive the table. */
int table_add(struct table *table, const struct source_file *file, bool is_main,
              struct mistakes *mistakes);
void table_free(struct table *table);
/* The entry, or NULL. */
const struct table_entry *table_find(const struct table_row *row, const char *key);
/* "a text", "a number", ... */
const char *table_kind_name(enum table_kind kind);

#endif
