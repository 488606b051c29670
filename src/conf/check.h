/*
 * From source to plan: the whole configuration road in one call, for the reader.
 *
 *   source (bytes) -> table (libconfig, typed entries) -> keys (types, ranges) -> check
 * (users, endpoints, plugins, rules between keys) -> plan
 *
 * Resolves names (users, groups, hosts, service ports), asks for plugins through
 * `catalogue`, and collects every mistake. Runs unprivileged; may block on the resolver:
 * the master limits its time.
 */
#ifndef CONF_CHECK_H
#define CONF_CHECK_H

#include "conf/plan.h"
#include "conf/source.h"
#include "wire/descriptor.h"

/* What conf asks of the layer above it: plugins are loaded elsewhere (plug/catalogue). */
struct check_catalogue {
    void *context;
    /* The plugin's descriptor; the catalogue keeps it. NULL: err says why. */
    const struct descriptor *(*describe)(void *context, const char *dir,
                                         const char *plugin, struct err *err);
    /* Lets the plugin's check() see its options. 0 or -1. */
    int (*check)(void *context, const struct plan_service *service, struct err *err);
};

struct check_input {
    const char *main_file;
    struct usher_list overrides; /* "-o KEY=VALUE", applied after the file */
    const char *plugin_dir;      /* --plugin-dir, or NULL: the table's */
    bool is_root;                /* users may be chosen, files must be safe */
    uid_t uid;                   /* the caller, when not root */
    gid_t gid;
    const struct check_catalogue *catalogue;
};

/* The services directory the main file names, without parsing: conf/source must know it
 * while files can still be opened, so check_services_dir() looks for a plain
 * `services_dir = "..."` at the top level (or the -o override) with a scanner of its own;
 * check_build() then makes sure that the parsed value is the same, or refuses. Relative
 * to the main file's folder. Caller frees. */
char *check_services_dir(const struct source *source, const struct check_input *input);
/* The plan, or NULL with at least one mistake. */
struct plan *check_build(const struct check_input *input, const struct source *source,
                         struct mistakes *mistakes);

#endif
