/*
 * A table's text through the whole configuration road, in one process and from memory:
 * what usherd's reader does, with tests/support/some_plugins and fuzz/names for the world
 * around it.
 */
#ifndef TABLES_H
#define TABLES_H

#include <stddef.h>

#include "conf/plan.h"
#include "conf/source.h"

/* The plan, or NULL with mistakes. A text that begins with "# run: root" is read as root
 * reads it, any other as the ordinary user 4242. Costs less than a second, or ends the
 * process. */
struct plan *tables_read(const char *text, size_t count, struct mistakes *mistakes);

#endif
