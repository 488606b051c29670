#include "conf/table.h"

#include <libconfig.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "conf/syntax.h"

#define NAME_MAX_LENGTH 64

/* What walking one file needs: values are met in the same order as conf/syntax met
 * them. */
struct walk {
    const struct source_file *file;
    const struct syntax *syntax;
    size_t value;
    bool is_main;
    struct table *table;
    struct mistakes *mistakes;
    int result;
};

const char *table_kind_name(enum table_kind kind)
{
    static const char *const names[] = { "a text",    "a number", "a fraction",
                                         "a boolean", "a list",   "a group" };

    return names[kind];
}

static enum table_kind kind_of(const config_setting_t *setting)
{
    switch (config_setting_type(setting)) {
    case CONFIG_TYPE_STRING:
        return TABLE_TEXT;
    case CONFIG_TYPE_BOOL:
        return TABLE_BOOL;
    case CONFIG_TYPE_FLOAT:
        return TABLE_FRACTION;
    case CONFIG_TYPE_ARRAY:
    case CONFIG_TYPE_LIST:
        return TABLE_LIST;
    case CONFIG_TYPE_GROUP:
        return TABLE_GROUP;
    default:
        return TABLE_NUMBER;
    }
}

/* ---- values ---------------------------------------------------------------------- */

static char *scalar_text(const config_setting_t *setting, enum table_kind kind)
{
    if (kind == TABLE_TEXT)
        return mem_text(config_setting_get_string(setting));
    if (kind == TABLE_BOOL)
        return mem_text(config_setting_get_bool(setting) ? "true" : "false");
    if (kind == TABLE_FRACTION)
        return mem_print("%g", config_setting_get_float(setting));
    return mem_print("%lld", config_setting_get_int64(setting));
}

/* Steps over the values in a group or list that stands where neither may stand. */
static void skip_values(struct walk *walk, const config_setting_t *setting)
{
    enum table_kind kind = kind_of(setting);

    if (kind != TABLE_LIST && kind != TABLE_GROUP) {
        walk->value++;
        return;
    }
    for (int i = 0; i < config_setting_length(setting); i++)
        skip_values(walk, config_setting_get_elem(setting, (unsigned)i));
}

static void add_value(struct walk *walk, struct table_entry *entry,
                      const config_setting_t *setting)
{
    struct table_value *value = MEM_PUSH(entry->values, entry->value_count);

    value->kind = kind_of(setting);
    value->line = entry->line;
    if (walk->value < walk->syntax->count) {
        value->line = walk->syntax->values[walk->value].line;
        value->is_refused = walk->syntax->values[walk->value].is_bad;
    }
    if (value->kind != TABLE_LIST && value->kind != TABLE_GROUP)
        value->text = scalar_text(setting, value->kind);
    skip_values(walk, setting);
}

/* ---- entries --------------------------------------------------------------------- */

static void add_members(struct walk *walk, struct table_row *row, const char *prefix,
                        const config_setting_t *group);

static void add_entry(struct walk *walk, struct table_row *row, const char *prefix,
                      const config_setting_t *setting)
{
    struct table_entry *entry = MEM_PUSH(row->entries, row->entry_count);
    char *key = mem_print("%s%s", prefix, config_setting_name(setting));

    entry->key = key;
    entry->file = walk->file->name;
    entry->line = config_setting_source_line(setting);
    entry->kind = kind_of(setting);
    if (entry->kind == TABLE_GROUP) {
        char *inner = mem_print("%s.", key);

        add_members(walk, row, inner, setting);
        mem_free(&inner);
    } else if (entry->kind == TABLE_LIST) {
        for (int i = 0; i < config_setting_length(setting); i++)
            add_value(walk, entry, config_setting_get_elem(setting, (unsigned)i));
    } else {
        add_value(walk, entry, setting);
    }
}

static void add_members(struct walk *walk, struct table_row *row, const char *prefix,
                        const config_setting_t *group)
{
    for (int i = 0; i < config_setting_length(group); i++)
        add_entry(walk, row, prefix, config_setting_get_elem(group, (unsigned)i));
}

/* ---- rows ------------------------------------------------------------------------ */

static __attribute__((format(printf, 3, 4))) void
refuse(struct walk *walk, const config_setting_t *setting, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    mistake_add(walk->mistakes, walk->file->name, config_setting_source_line(setting),
                "%s: %s", config_setting_name(setting), text);
    walk->result = -1;
}

static bool may_be_row(struct walk *walk, const config_setting_t *setting)
{
    const char *name = config_setting_name(setting);

    if (kind_of(setting) != TABLE_GROUP) {
        refuse(walk, setting, "%s, where a service (a group) is expected%s",
               table_kind_name(kind_of(setting)),
               walk->is_main ? "" : "; settings stand in the main file");
        return false;
    }
    if (strchr(name, '*') != NULL || strlen(name) > NAME_MAX_LENGTH) {
        refuse(walk, setting,
               "a service's name has letters, digits, \"-\" and \"_\", at most %d",
               NAME_MAX_LENGTH);
        return false;
    }
    for (size_t i = 0; i < walk->table->row_count; i++)
        if (strcmp(walk->table->rows[i].name, name) == 0) {
            refuse(walk, setting, "a service of this name stands in %s:%u",
                   walk->table->rows[i].file, walk->table->rows[i].line);
            return false;
        }
    return true;
}

static void add_row(struct walk *walk, const config_setting_t *setting)
{
    struct table_row *row;

    if (!may_be_row(walk, setting)) {
        skip_values(walk, setting);
        return;
    }
    row = MEM_PUSH(walk->table->rows, walk->table->row_count);
    row->name = mem_text(config_setting_name(setting));
    row->file = walk->file->name;
    row->line = config_setting_source_line(setting);
    add_members(walk, row, "", setting);
}

static void add_rows(struct walk *walk, const config_setting_t *group)
{
    for (int i = 0; i < config_setting_length(group); i++)
        add_row(walk, config_setting_get_elem(group, (unsigned)i));
}

static void add_global(struct walk *walk, const config_setting_t *setting)
{
    const char *name = config_setting_name(setting);
    bool is_group = kind_of(setting) == TABLE_GROUP;

    if (is_group && strcmp(name, "services") == 0) {
        add_rows(walk, setting);
    } else if (is_group && strcmp(name, "defaults") == 0) {
        walk->table->defaults.file = walk->file->name;
        walk->table->defaults.line = config_setting_source_line(setting);
        add_members(walk, &walk->table->defaults, "", setting);
    } else {
        add_entry(walk, &walk->table->globals, "", setting);
    }
}

static void add_tree(struct walk *walk, const config_setting_t *root)
{
    if (!walk->is_main) {
        add_rows(walk, root);
        return;
    }
    walk->table->globals.file = walk->file->name;
    for (int i = 0; i < config_setting_length(root); i++)
        add_global(walk, config_setting_get_elem(root, (unsigned)i));
}

/* What libconfig is shown: zeros where the scan has refused a number, and a new line at
 * the end, since libconfig 1.5 refuses a comment that ends with the file. */
static char *mended_bytes(const struct walk *walk)
{
    char *bytes = mem_print("%s\n", walk->file->bytes);

    for (size_t i = 0; i < walk->syntax->count; i++) {
        const struct syntax_value *value = &walk->syntax->values[i];

        if (value->is_bad) {
            memset(bytes + value->at, ' ', value->length);
            bytes[value->at] = '0';
        }
    }
    return bytes;
}

static int parse(struct walk *walk)
{
    char *bytes = mended_bytes(walk);
    config_t config;

    config_init(&config);
    if (config_read_string(&config, bytes) == CONFIG_TRUE) {
        add_tree(walk, config_root_setting(&config));
    } else {
        mistake_add(walk->mistakes, walk->file->name,
                    (unsigned)config_error_line(&config), "%s",
                    config_error_text(&config));
        walk->result = -1;
    }
    config_destroy(&config);
    mem_free(&bytes);
    return walk->result;
}

int table_add(struct table *table, const struct source_file *file, bool is_main,
              struct mistakes *mistakes)
{
    struct syntax syntax = { NULL, 0 };
    struct walk walk = { file, &syntax, 0, is_main, table, mistakes, 0 };
    int result = syntax_check(file, &syntax, mistakes);

    if (result == 0)
        result = parse(&walk);
    syntax_free(&syntax);
    return result;
}

/* ---- the whole ------------------------------------------------------------------- */

const struct table_entry *table_find(const struct table_row *row, const char *key)
{
    for (size_t i = 0; i < row->entry_count; i++)
        if (strcmp(row->entries[i].key, key) == 0)
            return &row->entries[i];
    return NULL;
}

static void free_row(struct table_row *row)
{
    for (size_t i = 0; i < row->entry_count; i++) {
        struct table_entry *entry = &row->entries[i];

        for (size_t j = 0; j < entry->value_count; j++)
            mem_free(&entry->values[j].text);
        mem_free(&entry->values);
        mem_free(&entry->key);
    }
    mem_free(&row->entries);
    mem_free(&row->name);
    row->entry_count = 0;
}

void table_free(struct table *table)
{
    free_row(&table->globals);
    free_row(&table->defaults);
    for (size_t i = 0; i < table->row_count; i++)
        free_row(&table->rows[i]);
    mem_free(&table->rows);
    table->row_count = 0;
}
