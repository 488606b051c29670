#include "conf/check.h"

#include <string.h>

#include "base/mem.h"
#include "base/opt.h"
#include "base/str.h"
#include "conf/checking.h"
#include "conf/keys.h"
#include "conf/planwire.h"
#include "conf/value.h"

/* ---- one row --------------------------------------------------------------------- */

static bool is_of_plugin(const struct table_entry *entry)
{
    return strcmp(entry->key, "options") == 0 || str_starts(entry->key, "options.");
}

static bool is_not_for_all(const struct table_entry *entry)
{
    return is_of_plugin(entry) || strcmp(entry->key, "plugin") == 0
           || strcmp(entry->key, "exec") == 0 || strcmp(entry->key, "listen") == 0;
}

/* What is wrong with the defaults themselves was said before. */
static void set_values(struct row_check *row)
{
    struct mistakes said = { 0 };

    opt_preset(keys_service, row->service, NULL);
    value_set_all(&row->all->table.defaults, keys_service, row->service, is_not_for_all,
                  &said);
    value_set_all(row->row, keys_service, row->service, is_of_plugin, row->all->mistakes);
    mistakes_free(&said);
}

static enum plan_way way_of(const struct plan_service *service)
{
    if (service->exec.count > 0)
        return service->wait ? PLAN_WAY_WAIT : PLAN_WAY_EXEC;
    return service->mode == PLAN_FORK ? PLAN_WAY_FORK : PLAN_WAY_DISPATCH;
}

/* The longest line that the row's records have. */
static size_t longest_record(const struct plan_service *service)
{
    struct record_out out = RECORD_OUT_EMPTY;
    size_t longest = 0;

    planwire_print_service(&out, service);
    for (const char *at = out.bytes; at != NULL && *at != '\0';) {
        size_t length = strcspn(at, "\n");

        longest = length > longest ? length : longest;
        at += length + (at[length] == '\n');
    }
    record_out_free(&out);
    return longest;
}

/* A plugin that is asked without it might miss it. */
static bool has_refused_value(const struct table_row *row)
{
    for (size_t i = 0; i < row->entry_count; i++)
        for (size_t j = 0; j < row->entries[i].value_count; j++)
            if (row->entries[i].values[j].is_refused)
                return true;
    return false;
}

static void finish(struct row_check *row)
{
    size_t longest = longest_record(row->service);

    row->service->pool_key = identity_pool_key(row->service);
    if (longest + strlen(row->service->pool_key) * 4 + 1024 > RECORD_MAX)
        row_mistake(row, NULL, "is too long: %zu bytes of at most %d", longest,
                    RECORD_MAX);
    else if (!has_refused_value(row->row))
        plugins_ask(row);
}

static void check_row(struct row_check *row)
{
    struct plan_service *service = row->service;
    size_t before = row->all->mistakes->count;

    service->name = mem_text(row->row->name);
    service->file = mem_text(row->row->file);
    service->line = row->row->line;
    set_values(row);
    identity_check(row);
    if (service->plugin != NULL)
        plugins_check(row);
    if (service->exec.count > 0)
        programs_check(row);
    endpoints_check(row);
    rules_check(row);
    callers_check(row);
    service->way = way_of(service);
    if (row->all->mistakes->count == before)
        finish(row);
}

/* ---- the table ------------------------------------------------------------------- */

static void check_rows(struct checking *all)
{
    const struct table *table = &all->table;

    all->plan->services = mem_array(PLAN_SERVICES, sizeof(*all->plan->services));
    for (size_t i = 0; i < table->row_count; i++) {
        struct row_check row = { .all = all, .row = &table->rows[i] };

        if (i == PLAN_SERVICES) {
            row_mistake(&row, NULL, "the table has %zu services, more than %d",
                        table->row_count, PLAN_SERVICES);
            return;
        }
        row.service = &all->plan->services[all->plan->service_count++];
        check_row(&row);
    }
}

static void read_table(struct checking *all)
{
    for (size_t i = 0; i < all->source->file_count; i++)
        if (!all->source->files[i].is_bad)
            table_add(&all->table, &all->source->files[i], i == 0, all->mistakes);
    all->is_main_bad = all->table.globals.file == NULL;
}

/* What does not hang on the main file is checked in any case. */
static void check_table(struct checking *all)
{
    read_table(all);
    if (all->is_main_bad)
        globals_assume(all);
    else
        globals_check(all);
    check_rows(all);
    if (!all->is_main_bad) {
        endpoints_check_all(all);
        circles_check_all(all);
        rules_check_all(all);
        workers_check_all(all);
        globals_check_all(all);
    }
}

struct plan *check_build(const struct check_input *input, const struct source *source,
                         struct mistakes *mistakes)
{
    struct checking all = { .input = input, .source = source, .mistakes = mistakes };

    all.plan = mem_new(sizeof(*all.plan));
    all.plan->config = mem_text(input->main_file);
    if (source->file_count > 0)
        check_table(&all);
    table_free(&all.table);
    if (mistakes->count > 0 || source->file_count == 0)
        plan_free(&all.plan);
    return all.plan;
}
