/*
 * Applies an option table (struct usher_option, the same rows plugins use) to a struct.
 * Every value has one canonical text, so a struct can be printed as key=value pairs and
 * read again: that is how a checked plan and a plugin's configuration travel between
 * processes.
 *
 * Texts and lists in the struct are owned by it: filled by opt_preset() and opt_set(),
 * given back by opt_free().
 *
 * Files: opt.c rows and fields, opt_type.c the types, opt_numbers.c and opt_words.c text
 * into a value of each, opt_text.c the way back, opt_preset.c presets.
 */
#ifndef BASE_OPT_H
#define BASE_OPT_H

#include <stdbool.h>
#include <stddef.h>

#include <usher/service.h>

#include "base/err.h"

const struct usher_option *opt_find(const struct usher_option *table, const char *key);
/* Fills every field with its preset; the struct must be zeroed. -1: a preset breaks its
 * own row's rules (a plugin made wrong): opt_free() gives back what was filled. A list's
 * preset has commas between its items; "" is the empty list. */
int opt_preset(const struct usher_option *table, void *into, struct err *err);
/*
 * Sets one field from text; for LIST the text is one item, which is appended (opt_clear()
 * first). Errors read "70000 is above 65535", "\"x\" is not one of: a, b", "30: a
 * duration needs a unit (ms, s, m, h)": the caller puts file, line and key before them.
 * ADDRESS takes numeric text. "none" and "unlimited" are outside min..max and always
 * allowed. On -1 the field stays as it was.
 */
int opt_set(const struct usher_option *row, void *into, const char *text,
            struct err *err);
/* What only a whole list can break: -1 when it has fewer than min items. */
int opt_check(const struct usher_option *row, const void *of, struct err *err);
/* As if there were no preset. */
void opt_clear(const struct usher_option *row, void *into);
/* The canonical text of a field (for LIST: of item `item`), or NULL when it is unset (the
 * row has no preset and the field is still zero) or there is no such item. Yields a
 * pointer into out, into the struct or to a constant. For everything but TEXT and LIST,
 * ADDR_TEXT bytes are room enough (ENUM: the longest choice, if that is longer). */
const char *opt_text(const struct usher_option *row, const void *from, size_t item,
                     char *out, size_t room);
/* Whether the field still has its preset's value. */
bool opt_is_preset(const struct usher_option *row, const void *from);
void opt_free(const struct usher_option *table, void *of);
/* The nearest key of the table, or NULL. */
const char *opt_nearest(const struct usher_option *table, const char *key);
/* "text", "number", "duration", ... */
const char *opt_type_name(enum usher_type type);

#endif
