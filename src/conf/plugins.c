#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/opt.h"
#include "base/str.h"
#include "conf/checking.h"
#include "conf/value.h"

static bool is_plain_word(const char *name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789_-";

    return name[0] != '\0' && strspn(name, letters) == strlen(name);
}

/* A row that is off may wait for its plugin to be installed. */
static bool is_not_installed(const struct row_check *row)
{
    char *path =
        mem_print("%s/%s.so", row->all->plan->globals.plugin_dir, row->service->plugin);
    bool is_missing = access(path, F_OK) == -1 && errno == ENOENT;

    mem_free(&path);
    return is_missing;
}

static void describe(struct row_check *row)
{
    const struct check_catalogue *catalogue = row->all->input->catalogue;
    struct plan_service *service = row->service;
    struct err err = ERR_EMPTY;

    row->descriptor = catalogue->describe(
        catalogue->context, row->all->plan->globals.plugin_dir, service->plugin, &err);
    if (row->descriptor == NULL) {
        if (service->enabled || !is_not_installed(row))
            row_mistake(row, "plugin", "%s", err.text);
        return;
    }
    service->plugin_path = mem_text(row->descriptor->path);
    service->is_blocking = row->descriptor->has_run && !row->descriptor->has_callbacks;
    service->needs = row->descriptor->needs;
}

/* ---- options --------------------------------------------------------------------- */

static void keep_option(struct plan_service *service, const struct usher_option *row,
                        const void *conf)
{
    char text[ADDR_TEXT];
    const char *value;

    for (size_t i = 0; (value = opt_text(row, conf, i, text, sizeof(text))) != NULL;
         i++) {
        struct plan_option *option = MEM_PUSH(service->options, service->option_count);

        option->key = mem_text(row->key);
        option->value = mem_text(value);
        if (row->type != USHER_TYPE_LIST)
            break;
    }
    /* A value like the zero that a key without preset has would have no text, and no need
     * of it. */
}

static void refuse_option(struct row_check *row, const struct table_entry *entry,
                          const char *key)
{
    const char *nearest = opt_nearest(row->descriptor->options, key);

    if (nearest != NULL)
        mistake_add(row->all->mistakes, entry->file, entry->line,
                    "%s: unknown option of plugin %s; did you mean \"%s\"?", entry->key,
                    row->service->plugin, nearest);
    else
        mistake_add(row->all->mistakes, entry->file, entry->line,
                    "%s: unknown option of plugin %s", entry->key, row->service->plugin);
}

static void check_options(struct row_check *row)
{
    const size_t prefix = strlen("options.");
    void *conf = mem_new(descriptor_conf_size(row->descriptor) + 1);

    opt_preset(row->descriptor->options, conf, NULL);
    for (size_t i = 0; i < row->row->entry_count; i++) {
        const struct table_entry *entry = &row->row->entries[i];
        const char *key = entry->key + prefix;
        const struct usher_option *option;

        if (!str_starts(entry->key, "options.") || strchr(key, '.') != NULL)
            continue;
        option = opt_find(row->descriptor->options, key);
        if (option == NULL)
            refuse_option(row, entry, key);
        else if (value_set(entry, option, conf, row->all->mistakes) == 0)
            keep_option(row->service, option, conf);
    }
    opt_free(row->descriptor->options, conf);
    mem_free(&conf);
}

static void check_options_kind(struct row_check *row)
{
    const struct table_entry *entry = table_find(row->row, "options");

    if (entry != NULL && entry->kind != TABLE_GROUP)
        row_mistake(row, "options", "%s, where a group is expected",
                    table_kind_name(entry->kind));
}

void plugins_check(struct row_check *row)
{
    check_options_kind(row);
    if (!is_plain_word(row->service->plugin)) {
        row_mistake(row, "plugin", "\"%s\" is not a plain word", row->service->plugin);
        return;
    }
    describe(row);
    if (row->descriptor != NULL)
        check_options(row);
}

void plugins_ask(struct row_check *row)
{
    const struct check_catalogue *catalogue = row->all->input->catalogue;
    struct err err = ERR_EMPTY;

    if (row->descriptor == NULL
        || catalogue->check(catalogue->context, row->service, &err) == 0)
        return;
    if (table_find(row->row, "options") != NULL)
        row_mistake(row, "options", "%s", err.text);
    else
        row_mistake(row, "plugin", "%s", err.text);
}
