/*
 * The table's bytes. Reads the main file and every *.conf of the services directory (byte
 * order of names), safely: regular files only, opened without following the last symlink
 * into a FIFO or device, not writable by others when we are root (nor their folders),
 * capped. Then scans the bytes for what libconfig 1.5 gets wrong: @include, an unclosed
 * comment or string, numbers with a leading 0 or outside 32 bits. Runs in the reader
 * while it still has its privileges, and parses nothing: names of keys are conf/table's
 * affair.
 */
#ifndef CONF_SOURCE_H
#define CONF_SOURCE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define SOURCE_MAX (1024 * 1024) /* bytes of all files together */

/* Mistakes are collected, all of them: "usher.conf:4: listen: 70000 is above 65535". */
#define MISTAKES_MAX 500

struct mistakes {
    char **at;
    size_t count;
    char **warnings; /* what is right but unwise: shown by --check, never fatal */
    size_t warning_count;
    bool is_system; /* it is not the table that is wrong: the system said no */
};

/* file NULL: the mistake belongs to no file; line 0: to no line. */
__attribute__((format(printf, 4, 5))) void mistake_add(struct mistakes *mistakes,
                                                       const char *file, unsigned line,
                                                       const char *format, ...);
__attribute__((format(printf, 4, 5))) void mistake_warn(struct mistakes *mistakes,
                                                        const char *file, unsigned line,
                                                        const char *format, ...);
void mistakes_free(struct mistakes *mistakes);

struct source_file {
    char *name;  /* as it is shown: the main file as given, "services.d/echo.conf" */
    char *bytes; /* NUL-terminated */
    size_t length;
    bool is_bad; /* the scan did not see all of it: it must not be parsed */
};

struct source {
    struct source_file *files; /* the main file first */
    size_t file_count;
    char *dir; /* as source_add_dir() was given it; NULL before */
    bool
        is_dir_missing; /* a mistake only where the table names it: check_build() knows */
    bool is_lax;        /* tests only: as root, files may be anybody's */
};

/* The main file is read first; where the services directory is stands in it, so there are
 * two steps. Both return -1 when mistakes were added. */
int source_open(struct source *source, const char *main_file, struct mistakes *mistakes);
int source_add_dir(struct source *source, const char *dir, struct mistakes *mistakes);
/* The scan of one file's bytes, also for tests and fuzzing; sets is_bad. -1: mistakes
 * were added. */
int source_scan(struct source_file *file, struct mistakes *mistakes);
void source_free(struct source *source);

#endif
