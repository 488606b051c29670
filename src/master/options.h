/*
 * The command line of usherd, as usherd(8) has it.
 */
#ifndef MASTER_OPTIONS_H
#define MASTER_OPTIONS_H

#include <stdbool.h>

#include <usher/service.h>

#include "base/err.h"

enum options_task {
    OPTIONS_SERVE,
    OPTIONS_CHECK,
    OPTIONS_TABLE,
    OPTIONS_KEYS,
    OPTIONS_HELP,
    OPTIONS_VERSION
};

struct options {
    enum options_task task;
    const char *config;          /* all texts point into argv, or are constants */
    const char *pid_file;        /* NULL: none */
    const char *plugin_dir;      /* NULL: the table's */
    const char **overrides;      /* owned; KEY=VALUE */
    size_t override_count;
    bool to_background;
    int ready_fd;                /* -1: none */
};

/* -1: wrong usage, err says what; nothing is printed. */
int options_parse(struct options *options, int argc, char **argv, struct err *err);
void options_free(struct options *options);
struct usher_list options_overrides(const struct options *options);
/* The text of -h. */
const char *options_usage(void);

#endif
