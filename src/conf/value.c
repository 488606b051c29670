#include "conf/value.h"

#include <string.h>

#include "base/mem.h"
#include "base/opt.h"
#include "base/str.h"
#include "conf/keys.h"
#include "conf/resolve.h"

static const char *wanted(enum usher_type type)
{
    switch (type) {
    case USHER_TYPE_BOOL:
        return "true or false";
    case USHER_TYPE_UINT:
    case USHER_TYPE_INT:
        return "a number";
    case USHER_TYPE_SIZE:
        return "a size (a number, or a text such as \"64k\")";
    case USHER_TYPE_DURATION:
        return "a duration (a text such as \"30s\")";
    case USHER_TYPE_MODE:
        return "a mode (a text such as \"0660\")";
    case USHER_TYPE_ADDRESS:
        return "an address (a text)";
    case USHER_TYPE_LIST:
        return "a text, or a list of texts";
    default:
        return "a text";
    }
}

/* A duration written as a number passes: opt_set() says best what it lacks. */
static bool is_right_kind(const struct usher_option *row, enum table_kind kind)
{
    switch (row->type) {
    case USHER_TYPE_BOOL:
        return kind == TABLE_BOOL;
    case USHER_TYPE_UINT:
    case USHER_TYPE_INT:
        return kind == TABLE_NUMBER;
    case USHER_TYPE_SIZE:
    case USHER_TYPE_DURATION:
        return kind == TABLE_TEXT || kind == TABLE_NUMBER;
    default:
        return kind == TABLE_TEXT
               || (kind == TABLE_NUMBER && strcmp(row->key, "workers") == 0);
    }
}

static int refuse_kind(const struct table_entry *entry, unsigned line,
                       enum table_kind kind, const struct usher_option *row,
                       struct mistakes *mistakes)
{
    mistake_add(mistakes, entry->file, line, "%s: %s, where %s is expected", entry->key,
                table_kind_name(kind), wanted(row->type));
    return -1;
}

static int set_text(const struct usher_option *row, void *into, const char *text,
                    struct err *err)
{
    struct usher_address address;
    char numeric[ADDR_TEXT];

    if (row->type != USHER_TYPE_ADDRESS)
        return opt_set(row, into, text, err);
    if (resolve_address(text, &address, err) == -1)
        return -1;
    return opt_set(row, into, addr_print(&address, numeric, sizeof(numeric)), err);
}

static int set_one(const struct table_entry *entry, const struct table_value *value,
                   const struct usher_option *row, void *into, struct mistakes *mistakes)
{
    struct err err = ERR_EMPTY;

    if (value->is_refused)
        return -1;
    if (!is_right_kind(row, value->kind))
        return refuse_kind(entry, value->line, value->kind, row, mistakes);
    if (set_text(row, into, value->text, &err) == 0)
        return 0;
    mistake_add(mistakes, entry->file, value->line, "%s: %s", entry->key, err.text);
    return -1;
}

int value_set(const struct table_entry *entry, const struct usher_option *row, void *into,
              struct mistakes *mistakes)
{
    struct err err = ERR_EMPTY;
    int result = 0;

    if (entry->kind == TABLE_GROUP
        || (entry->kind == TABLE_LIST && row->type != USHER_TYPE_LIST))
        return refuse_kind(entry, entry->line, entry->kind, row, mistakes);
    if (row->type == USHER_TYPE_LIST)
        opt_clear(row, into);
    for (size_t i = 0; i < entry->value_count; i++)
        if (set_one(entry, &entry->values[i], row, into, mistakes) == -1)
            result = -1;
    if (result == 0 && opt_check(row, into, &err) == -1) {
        mistake_add(mistakes, entry->file, entry->line, "%s: %s", entry->key, err.text);
        result = -1;
    }
    return result;
}

void value_reset(const struct usher_option *row, void *into)
{
    struct usher_option alone[] = { *row, USHER_OPTION_END };

    opt_clear(row, into);
    opt_preset(alone, into, NULL);
}

/* ---- keys ------------------------------------------------------------------------ */

bool value_is_group(const struct usher_option *keys, const char *name)
{
    size_t length = strlen(name);

    for (; keys->key != NULL; keys++)
        if (strncmp(keys->key, name, length) == 0 && keys->key[length] == '.')
            return true;
    return false;
}

void value_unknown(const struct table_entry *entry, const struct usher_option *keys,
                   struct mistakes *mistakes)
{
    const char *never = keys_never(entry->key), *nearest = opt_nearest(keys, entry->key);

    if (never != NULL)
        mistake_add(mistakes, entry->file, entry->line, "%s: %s is not in this version",
                    entry->key, never);
    else if (nearest != NULL)
        mistake_add(mistakes, entry->file, entry->line,
                    "%s: unknown key; did you mean \"%s\"?", entry->key, nearest);
    else
        mistake_add(mistakes, entry->file, entry->line, "%s: unknown key", entry->key);
}

/* Within a group that is not ours, which is a mistake of its own. */
static bool is_inside_unknown(const struct table_entry *entry,
                              const struct usher_option *keys)
{
    const char *dot = strrchr(entry->key, '.');
    char *group;
    bool is_known;

    if (dot == NULL)
        return false;
    group = mem_bytes(entry->key, (size_t)(dot - entry->key));
    is_known = value_is_group(keys, group);
    mem_free(&group);
    return !is_known;
}

static void set_or_refuse(const struct table_entry *entry,
                          const struct usher_option *keys, void *into,
                          struct mistakes *mistakes)
{
    const struct usher_option *row = opt_find(keys, entry->key);
    bool is_group = value_is_group(keys, entry->key);

    if (row != NULL)
        value_set(entry, row, into, mistakes);
    else if (is_group && entry->kind != TABLE_GROUP)
        mistake_add(mistakes, entry->file, entry->line,
                    "%s: %s, where a group is expected", entry->key,
                    table_kind_name(entry->kind));
    else if (!is_group && !is_inside_unknown(entry, keys))
        value_unknown(entry, keys, mistakes);
}

void value_set_all(const struct table_row *from, const struct usher_option *keys,
                   void *into, bool (*skip)(const struct table_entry *entry),
                   struct mistakes *mistakes)
{
    for (size_t i = 0; i < from->entry_count; i++)
        if (skip == NULL || !skip(&from->entries[i]))
            set_or_refuse(&from->entries[i], keys, into, mistakes);
}
