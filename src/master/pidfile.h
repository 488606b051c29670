/*
 * The file that holds the master's process id, locked as long as the master lives. For
 * people and old scripts; nothing in usher reads it.
 */
#ifndef MASTER_PIDFILE_H
#define MASTER_PIDFILE_H

#include "base/err.h"

struct pidfile {
    int fd;
    const char *path; /* borrowed */
};

#define PIDFILE_EMPTY { -1, NULL }

/* Refuses a symbolic link, anything but a regular file, and a file another process has
 * locked. */
int pidfile_open(struct pidfile *file, const char *path, struct err *err);
void pidfile_close(struct pidfile *file); /* removes it, where it is still ours */

#endif
