/*
 * The types of options, and what the files of base/opt share. Of base/opt*.c only.
 */
#ifndef BASE_OPT_TYPE_H
#define BASE_OPT_TYPE_H

#include <stddef.h>

#include <usher/service.h>

#include "base/err.h"

/* Reads a text of the row's type into the field at `at`; see opt_set(). */
typedef int opt_set_fn(const struct usher_option *row, void *at, const char *text,
                       struct err *err);

struct opt_type {
    const char *name;
    size_t size; /* of the field */
    opt_set_fn *set;
};

/* NULL: none of ours. Rows may come from a plugin: that is an error, not a crash. */
const struct opt_type *opt_type_of(const struct usher_option *row);

/* A row's field: the table says what it is. */
static inline const void *opt_field(const struct usher_option *row, const void *from)
{
    return (const char *)from + row->offset;
}

/* base/opt_numbers: types with a range. */
opt_set_fn opt_set_uint, opt_set_int, opt_set_size, opt_set_duration, opt_set_mode;
/* base/opt_words: all others. */
opt_set_fn opt_set_bool, opt_set_text, opt_set_enum, opt_set_address, opt_append_item;

#define OPT_SHOWN 96 /* how much of a bad value a message repeats */

/* A value as a message may repeat it: printable. */
const char *opt_show(char shown[OPT_SHOWN], const char *text);
/* -1: "\"text\" why". */
int opt_refuse(struct err *err, const char *text, const char *why);

#endif
