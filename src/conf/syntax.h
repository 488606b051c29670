/*
 * The grammar of a table file, checked before libconfig parses it: libconfig says "syntax
 * error" and leaks on its way out, this says what is missing, and where a key stood
 * before. What passes here libconfig accepts.
 */
#ifndef CONF_SYNTAX_H
#define CONF_SYNTAX_H

#include <stddef.h>

#include "conf/source.h"

#define SYNTAX_KEYS  512 /* in one group: libconfig looks each up among all others */
#define SYNTAX_ITEMS 4096

/* Lines of all plain values in the file's order (libconfig's own are those of the next
 * token). */
struct syntax {
    unsigned *lines;
    size_t count;
};

/* The file must have passed source_scan(). -1: one mistake was added, or more where keys
 * stand twice. Give syntax back in either case. */
int syntax_check(const struct source_file *file, struct syntax *syntax,
                 struct mistakes *mistakes);
void syntax_free(struct syntax *syntax);

#endif
