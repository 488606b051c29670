/*
 * A plugin's descriptor as a record: what the catalogue prints after loading it, and what
 * the reader checks rows against. Nothing in it points into the plugin.
 */
#ifndef WIRE_DESCRIPTOR_H
#define WIRE_DESCRIPTOR_H

#include <stdbool.h>
#include <stddef.h>

#include <usher/service.h>

#include "base/err.h"
#include "wire/record.h"

#define DESCRIPTOR_NAME    64  /* bytes a plugin's name or an option's key may have */
#define DESCRIPTOR_OPTIONS 100 /* rows an option table may have: they must fit a record  \
                                */

struct descriptor {
    char *name, *path, *sentence; /* path: absolute; "built-in" for linked ones */
    unsigned shapes, needs;
    bool has_callbacks; /* opened, data, finished, drained or gone: runs in dispatch and
                           fork */
    bool has_run;       /* run(): fork mode only, where there are no callbacks */
    struct usher_option *options; /* owned, with its texts; ends with USHER_OPTION_END */
};

#define DESCRIPTOR_EMPTY { 0 }

/* One record: "descriptor name=... shapes=... option=KEY type=... min=... max=...
 * option=KEY ...": the fields behind an option are its own, those that are NULL are left
 * out. Offsets do not travel: a reader lays out its own struct of descriptor_conf_size()
 * bytes. */
void descriptor_print(struct record_out *out, const struct usher_service *service,
                      const char *path);
/* Believes nothing: names, ranges and presets are checked again. On -1 out is empty. */
int descriptor_parse(struct descriptor *out, const struct record *record,
                     struct err *err);
size_t descriptor_conf_size(const struct descriptor *descriptor);
void descriptor_free(struct descriptor *descriptor);

/* [a-z0-9_-]+, and [a-z0-9_]+; at most DESCRIPTOR_NAME bytes. */
bool descriptor_is_name(const char *text);
bool descriptor_is_key(const char *text);
/* What an option table must keep to: keys, types, ranges, fields inside conf_size bytes,
 * aligned and apart, presets that obey their own row. Errors begin with "option KEY:
 * ". */
int descriptor_check_options(const struct usher_option *rows, size_t conf_size,
                             struct err *err);

#endif
