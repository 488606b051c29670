/*
 * What the files of the check share: the state of one check, and of one row of it. Of
 * conf/ only.
 */
#ifndef CONF_CHECKING_H
#define CONF_CHECKING_H

#include <stdbool.h>
#include <sys/stat.h>

#include "conf/check.h"
#include "conf/table.h"

struct checking {
    const struct check_input *input;
    const struct source *source;
    struct table table;
    struct plan *plan;
    struct mistakes *mistakes;
    bool is_main_bad; /* it could not be parsed: settings and defaults are not known */
    bool is_user_bad; /* the global user or group is a mistake: rows need not say so */
    bool is_bind_bad; /* the same of the bind list */
};

struct row_check {
    struct checking *all;
    const struct table_row *row;
    struct plan_service *service;
    const struct descriptor *descriptor; /* NULL: a program, or a plugin we do not have */
};

/* A mistake in a setting: at the line where the main file sets it, or in -o. */
__attribute__((format(printf, 3, 4))) void globals_mistake(struct checking *all,
                                                           const char *key,
                                                           const char *format, ...);
/* Whether the row itself sets the key; defaults do not count. */
bool row_says(const struct row_check *row, const char *key);
/* A mistake in a key of the row, at the line where the row or the defaults set it; where
 * neither does, at the row's own line. key NULL: in the row as a whole. */
__attribute__((format(printf, 3, 4))) void
row_mistake(const struct row_check *row, const char *key, const char *format, ...);
/* The same for an item of a list. */
__attribute__((format(printf, 4, 5))) void row_mistake_at(const struct row_check *row,
                                                          const char *key, size_t item,
                                                          const char *format, ...);
/* Where that is. */
const char *row_place(const struct row_check *row, const char *key, size_t item,
                      unsigned *line_out);

/* conf/globals: the settings outside rows; defaults are looked at, and kept. Then, once
 * the rest is right, whether there was anywhere to have services from. */
void globals_check(struct checking *all);
void globals_check_all(struct checking *all);
/* In the place of that, where the main file could not be parsed: as much as rows need. */
void globals_assume(struct checking *all);

/* conf/plugins: the descriptor; sets plugin_path, is_blocking, needs and options. */
void plugins_check(struct row_check *row);
/* Lets the plugin see its options; last, when nothing else is wrong with the row. */
void plugins_ask(struct row_check *row);
/* conf/programs: the program, its environment, its limits. */
void programs_check(struct row_check *row);
/* conf/endpoints: listen into endpoints. */
void endpoints_check(struct row_check *row);
/* The same endpoint in two rows. */
void endpoints_check_all(struct checking *all);
/* conf/rules: which keys go with which rows. */
void rules_check(struct row_check *row);
/* Rows that tcpmux could not tell apart. */
void rules_check_all(struct checking *all);
/* conf/workers: the number for each pool; then, once the pools are known, whether there
 * are too many. */
void workers_check(struct checking *all);
void workers_check_all(struct checking *all);
/* conf/circles: options that are addresses and lead back to their own row, or to one that
 * does. */
void circles_check_all(struct checking *all);
/* conf/callers: the texts of admission; allow and deny become canonical. After
 * rules_check(). */
void callers_check(struct row_check *row);
/* conf/identity: users and groups into ids; then, from all that, the pool's key. */
void identity_check(struct row_check *row);
/* stat() of what the row names, below its root directory where it has one. */
int checking_stat(const struct row_check *row, const char *path, struct stat *out);
char *identity_pool_key(const struct plan_service *service);

#endif
