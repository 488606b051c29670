/*
 * One entry of the table into one field: is the key known, is the value of the right
 * type, is it within its range. Everything that is wrong becomes a mistake with file,
 * line and key.
 */
#ifndef CONF_VALUE_H
#define CONF_VALUE_H

#include <usher/service.h>

#include "conf/source.h"
#include "conf/table.h"

/* 0, or -1 after a mistake was added; a list is replaced, not appended to. An ADDRESS may
 * be a name: it is resolved. */
int value_set(const struct table_entry *entry, const struct usher_option *row, void *into,
              struct mistakes *mistakes);
/* Adds the mistake for a key that no row has: refused for now, for good, or unknown (then
 * with the nearest of keys). */
void value_unknown(const struct table_entry *entry, const struct usher_option *keys,
                   struct mistakes *mistakes);
/* All entries: known keys are set, groups without keys and unknown keys refused. Entries
 * for which skip() is true are left alone; skip may be NULL. */
void value_set_all(const struct table_row *from, const struct usher_option *keys,
                   void *into, bool (*skip)(const struct table_entry *entry),
                   struct mistakes *mistakes);
/* Whether keys has keys in the group ("log" for "log.level"). */
bool value_is_group(const struct usher_option *keys, const char *name);
/* The field becomes what it is without the key. */
void value_reset(const struct usher_option *row, void *into);

#endif
