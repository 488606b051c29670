/*
 * Opens what the table's administrator wrote, and nothing that somebody else could have
 * put there. As root every folder on the way, those of symbolic links included, and the
 * file itself must belong to root and be writable by nobody else; a FIFO or device is
 * never opened.
 */
#ifndef CONF_SAFE_H
#define CONF_SAFE_H

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/err.h"

/* kind: S_IFREG or S_IFDIR. is_strict false: no look at owners (also when we are not
 * root). The descriptor is close-on-exec, and the caller's. Errors have no path: "is a
 * directory". */
int safe_open(const char *path, mode_t kind, bool is_strict, struct err *err);
/* Whether a file or folder is root's alone: what it is otherwise, or NULL. */
const char *safe_fault(const struct stat *st);

#endif
