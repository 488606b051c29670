#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/opt.h"
#include "base/str.h"
#include "conf/checking.h"
#include "conf/keys.h"
#include "conf/lex.h"
#include "conf/resolve.h"
#include "conf/value.h"


/* ---- places ---------------------------------------------------------------------- */

/* The value of the last "KEY=VALUE" for key, or NULL. */
static const char *override_of(const struct check_input *input, const char *key)
{
    const char *found = NULL;
    size_t length = strlen(key);

    for (size_t i = 0; i < input->overrides.count; i++)
        if (strncmp(input->overrides.at[i], key, length) == 0
            && input->overrides.at[i][length] == '=')
            found = input->overrides.at[i] + length + 1;
    return found;
}

static bool is_set(const struct checking *all, const char *key)
{
    return override_of(all->input, key) != NULL
           || table_find(&all->table.globals, key) != NULL;
}

void globals_mistake(struct checking *all, const char *key, const char *format, ...)
{
    const struct table_entry *entry = table_find(&all->table.globals, key);
    char text[1024], option[96];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (override_of(all->input, key) != NULL) {
        snprintf(option, sizeof(option), "-o %s", key);
        mistake_add(all->mistakes, option, 0, "%s", text);
    } else {
        mistake_add(all->mistakes, all->table.globals.file,
                    entry != NULL ? entry->line : 0, "%s: %s", key, text);
    }
}

/* ---- values ---------------------------------------------------------------------- */

static bool is_structure(const struct table_entry *entry)
{
    return strcmp(entry->key, "defaults") == 0 || strcmp(entry->key, "services") == 0
           || (entry->kind == TABLE_GROUP && strchr(entry->key, '.') == NULL
               && opt_find(keys_global, entry->key) == NULL
               && !value_is_group(keys_global, entry->key));
}

/* defaults and services as plain values, and groups that are none of ours. */
static void check_structure(struct checking *all)
{
    static const char *const groups[] = { "log", "defaults", "services", NULL };

    for (size_t i = 0; i < all->table.globals.entry_count; i++) {
        const struct table_entry *entry = &all->table.globals.entries[i];
        const char *nearest = str_nearest(entry->key, groups);

        if (!is_structure(entry))
            continue;
        if (entry->kind != TABLE_GROUP)
            globals_mistake(all, entry->key, "%s, where a group is expected",
                    table_kind_name(entry->kind));
        else if (keys_never(entry->key) != NULL)
            globals_mistake(all, entry->key, "%s is not in this version",
                            keys_never(entry->key));
        else if (nearest != NULL)
            globals_mistake(all, entry->key, "unknown group; did you mean \"%s\"?",
                            nearest);
        else
            globals_mistake(all, entry->key,
                    "unknown group; services stand in the group services, or in "
                    "services_dir");
    }
}

static void set_override(struct checking *all, const char *key, const char *value)
{
    const struct usher_option *row = opt_find(keys_global, key);
    const char *nearest = opt_nearest(keys_global, key);
    struct usher_option items[] = { USHER_OPTION_END, USHER_OPTION_END };
    struct err err = ERR_EMPTY;

    if (row == NULL && nearest != NULL) {
        globals_mistake(all, key, "unknown key; did you mean \"%s\"?", nearest);
    } else if (row == NULL) {
        globals_mistake(all, key, "unknown key");
    } else if (row->type != USHER_TYPE_LIST) {
        if (opt_set(row, &all->plan->globals, value, &err) == -1)
            globals_mistake(all, key, "%s", err.text);
    } else {
        items[0] = *row; /* items with commas between them, as a preset has them */
        items[0].preset = value;
        opt_clear(row, &all->plan->globals);
        if (opt_preset(items, &all->plan->globals, NULL) == -1
            || opt_check(row, &all->plan->globals, &err) == -1)
            globals_mistake(all, key, "\"%s\" is not a list of texts", value);
    }
}

static void set_overrides(struct checking *all)
{
    for (size_t i = 0; i < all->input->overrides.count; i++) {
        const char *text = all->input->overrides.at[i], *equals = strchr(text, '=');
        char *key;

        if (equals == NULL) {
            mistake_add(all->mistakes, "-o", 0, "\"%s\" is not KEY=VALUE", text);
            continue;
        }
        key = mem_bytes(text, (size_t)(equals - text));
        set_override(all, key, equals + 1);
        mem_free(&key);
    }
}

/* ---- the services directory ------------------------------------------------------ */

static char *beside(const char *main_file, const char *path)
{
    const char *slash = strrchr(main_file, '/');

    if (path[0] == '/' || slash == NULL)
        return mem_text(path);
    return mem_print("%.*s/%s", (int)(slash - main_file), main_file, path);
}

/* Texts side by side, from token on. */
static char *joined_text(struct lex *lex, struct lex_token token)
{
    char *all = mem_text("");

    for (; token.kind == LEX_TEXT; token = lex_next(lex)) {
        char *part = lex_text(&token), *both = mem_print("%s%s", all, part);

        mem_free(&all);
        mem_free(&part);
        all = both;
    }
    return all;
}

/* The text of a key at the top level, or NULL. */
static char *find_text(const struct source_file *file, const char *key)
{
    struct lex lex;
    struct lex_token token;
    unsigned depth = 0;
    bool is_key = false;

    lex_init(&lex, file->bytes, file->length);
    for (token = lex_next(&lex); token.kind != LEX_END; token = lex_next(&lex)) {
        if (lex_is(&token, '{') || lex_is(&token, '(') || lex_is(&token, '['))
            depth++;
        else if (depth > 0
                 && (lex_is(&token, '}') || lex_is(&token, ')') || lex_is(&token, ']')))
            depth--;
        else if (is_key && depth == 0 && token.kind == LEX_TEXT)
            return joined_text(&lex, token);
        is_key = (token.kind == LEX_NAME && token.length == strlen(key)
                  && memcmp(token.at, key, token.length) == 0)
                 || (is_key && (lex_is(&token, '=') || lex_is(&token, ':')));
    }
    return NULL;
}

char *check_services_dir(const struct source *source, const struct check_input *input)
{
    const char *given = override_of(input, "services_dir");
    char *found = given != NULL ? mem_text(given) : NULL, *path;

    if (found == NULL && source->file_count > 0)
        found = find_text(&source->files[0], "services_dir");
    path = beside(input->main_file,
                  found != NULL ? found : opt_find(keys_global, "services_dir")->preset);
    mem_free(&found);
    return path;
}

static void check_dir(struct checking *all)
{
    char *path = beside(all->input->main_file, all->plan->globals.services_dir);

    if (all->source->dir != NULL && strcmp(path, all->source->dir) != 0)
        globals_mistake(all, "services_dir", "%s, but %s was read", path,
                        all->source->dir);
    else if (all->source->is_dir_missing && is_set(all, "services_dir"))
        globals_mistake(all, "services_dir", "%s: No such file or directory", path);
    mem_free(&path);
}

/* A reload while the folder is gone would close every port. Where the main file has the
 * services, nobody needs it. */
void globals_check_all(struct checking *all)
{
    if (all->source->is_dir_missing && all->table.row_count == 0
        && all->mistakes->count == 0)
        globals_mistake(all, "services_dir",
                        "%s: No such file or directory, and the main file has no "
                        "services",
                        all->source->dir);
}

/* ---- rules ----------------------------------------------------------------------- */

static void set_text(const char *key, struct plan_globals *globals, const char *text)
{
    opt_set(opt_find(keys_global, key), globals, text, NULL);
}

static void check_plugin_dir(struct checking *all)
{
    const char *given = all->input->plugin_dir;
    char *path;

    /* On the command line it is relative to where we are. */
    if (given != NULL)
        path = mem_text(given);
    else
        path = beside(all->input->main_file, all->plan->globals.plugin_dir);
    set_text("plugin_dir", &all->plan->globals, path);
    mem_free(&path);
}

static void check_paths(struct checking *all)
{
    const struct plan_globals *globals = &all->plan->globals;

    if (strcmp(globals->log_to, "stderr") != 0 && strcmp(globals->log_to, "syslog") != 0
        && globals->log_to[0] != '/')
        globals_mistake(all, "log.to",
                "\"%s\" is neither \"stderr\", \"syslog\" nor an absolute path",
                globals->log_to);
    if (globals->control[0] != '/')
        globals_mistake(all, "control", "\"%s\" is not an absolute path",
                        globals->control);
    else if (strlen(globals->control) > 107)
        globals_mistake(all, "control",
                "%zu bytes are above 107, all that a socket's path may have",
                strlen(globals->control));
}

/* 0: nobody but root, and who runs usherd. The caller's own group may be everybody's
 * ("users"), so it is none that nobody asked for. */
static void check_control_group(struct checking *all, const char *key, const char *group,
                                gid_t *gid_out)
{
    struct err err = ERR_EMPTY;

    *gid_out = 0;
    if (!all->input->is_root && !is_set(all, key))
        return;
    if (resolve_group(group, gid_out, &err) == -1)
        globals_mistake(all, key, "%s", err.text);
}

/* The key's value was no text: that has been said, and the field has its preset. */
static bool is_wrong_kind(const struct checking *all, const char *key)
{
    const struct table_entry *entry = table_find(&all->table.globals, key);

    return entry != NULL && entry->kind != TABLE_TEXT
           && override_of(all->input, key) == NULL;
}

/* Root: the user must be there. Otherwise: it is the caller, and can be nobody else. */
static void check_user(struct checking *all)
{
    struct plan_globals *globals = &all->plan->globals;
    struct err err = ERR_EMPTY;
    uid_t uid;
    gid_t gid;

    if (is_wrong_kind(all, "user"))
        return;
    if (!all->input->is_root && !is_set(all, "user")) {
        char *name = resolve_user_name(all->input->uid);

        set_text("user", globals, name);
        mem_free(&name);
        return;
    }
    if (resolve_user(globals->user, &uid, &gid, &err) == -1) {
        globals_mistake(all, "user", "%s%s", err.text,
                is_set(all, "user") ? "" : "; add it, or name another");
        all->is_user_bad = true;
    } else if (!all->input->is_root && uid != all->input->uid) {
        globals_mistake(all, "user",
                        "\"%s\": only root can run services as somebody else",
                        globals->user);
    }
}

static void check_group(struct checking *all)
{
    struct plan_globals *globals = &all->plan->globals;
    struct err err = ERR_EMPTY;
    gid_t gid;

    if (globals->group == NULL)
        return;
    if (resolve_group(globals->group, &gid, &err) == -1) {
        globals_mistake(all, "group", "%s", err.text);
        all->is_user_bad = true;
    } else if (!all->input->is_root && gid != all->input->gid) {
        globals_mistake(all, "group",
                        "\"%s\": only root can run services in another group",
                        globals->group);
    }
}

static void check_bind(struct checking *all)
{
    const struct usher_list *bind = &all->plan->globals.bind;
    struct usher_address found[RESOLVE_HOSTS];
    struct err err = ERR_EMPTY;

    all->is_bind_bad = bind->count == 0;
    for (size_t i = 0; i < bind->count; i++)
        if (resolve_host(bind->at[i], AF_UNSPEC, found, &err) == -1) {
            globals_mistake(all, "bind", "%s", err.text);
            all->is_bind_bad = true;
        }
}

/* ---- defaults -------------------------------------------------------------------- */

static bool is_of_a_row(const struct table_entry *entry)
{
    return strcmp(entry->key, "plugin") == 0 || strcmp(entry->key, "exec") == 0
           || strcmp(entry->key, "listen") == 0 || strcmp(entry->key, "options") == 0
           || str_starts(entry->key, "options.");
}

/* Sets them once, so that what is wrong is said once. */
static void check_defaults(struct checking *all)
{
    const struct table_row *defaults = &all->table.defaults;
    struct plan_service *scratch = mem_new(sizeof(*scratch));

    for (size_t i = 0; i < defaults->entry_count; i++)
        if (is_of_a_row(&defaults->entries[i])
            && strchr(defaults->entries[i].key, '.') == NULL)
            mistake_add(
                all->mistakes, defaults->entries[i].file, defaults->entries[i].line,
                "%s: belongs to a service, not to defaults", defaults->entries[i].key);
    value_set_all(defaults, keys_service, scratch, is_of_a_row, all->mistakes);
    opt_free(keys_service, scratch);
    mem_free(&scratch);
}

void globals_check(struct checking *all)
{
    struct plan_globals *globals = &all->plan->globals;

    opt_preset(keys_global, globals, NULL);
    check_structure(all);
    value_set_all(&all->table.globals, keys_global, globals, is_structure, all->mistakes);
    set_overrides(all);
    check_dir(all);
    check_plugin_dir(all);
    workers_check(all);
    check_paths(all);
    check_user(all);
    check_group(all);
    check_bind(all);
    check_control_group(all, "control_read", globals->control_read,
                        &globals->control_read_gid);
    check_control_group(all, "control_operate", globals->control_operate,
                        &globals->control_operate_gid);
    check_defaults(all);
}

void globals_assume(struct checking *all)
{
    struct plan_globals *globals = &all->plan->globals;
    char *dir = find_text(&all->source->files[0], "plugin_dir");

    opt_preset(keys_global, globals, NULL);
    if (dir != NULL)
        set_text("plugin_dir", globals, dir);
    mem_free(&dir);
    set_overrides(all);
    check_plugin_dir(all);
    all->is_user_bad = all->is_bind_bad = true;
}
