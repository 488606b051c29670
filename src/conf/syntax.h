/*
 * The grammar of a table file, checked before libconfig parses it: libconfig says "syntax
 * error" and leaks on its way out, this says what is missing, and where a key stood
 * before. What passes here libconfig accepts.
 */
#ifndef CONF_SYNTAX_H
#define CONF_SYNTAX_H

#include <stdbool.h>
#include <stddef.h>

#include "conf/source.h"

#define SYNTAX_KEYS  512 /* in one group: libconfig looks each up among all others */
#define SYNTAX_ITEMS (1 << 17) /* in a list: rules of access come by the ten thousand */

/* A plain value. libconfig's own lines are those of the next token. */
struct syntax_value {
    unsigned line;
    bool is_bad;       /* a number that the scan has refused: libconfig must not see it */
    size_t at, length; /* where it stands in the file's bytes */
};

/* All plain values in the file's order. */
struct syntax {
    struct syntax_value *values;
    size_t count;
};

/* source_scan() must have seen all of the file; what it has said is not said again. -1:
 * the file cannot be parsed: one mistake was added, or more where keys stand twice, or
 * none beyond the scan's. Give syntax back in either case. */
int syntax_check(const struct source_file *file, struct syntax *syntax,
                 struct mistakes *mistakes);
void syntax_free(struct syntax *syntax);

#endif
