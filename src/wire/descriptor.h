/*
 * A plugin's descriptor as a record: what the catalogue prints after loading it, and what the
 * reader checks rows against. Nothing in it points into the plugin.
 */
#ifndef WIRE_DESCRIPTOR_H
#define WIRE_DESCRIPTOR_H

#include <stdbool.h>
#include <stddef.h>

#include <usher/service.h>

#include "base/err.h"
#include "wire/record.h"

struct descriptor {
    char *name, *path, *sentence; /* path: absolute; "built-in" for linked ones */
    unsigned shapes, needs;
    bool has_callbacks; /* opened, data, finished, drained or gone: runs in dispatch and fork */
    bool has_run;       /* run(): fork mode only, where there are no callbacks */
    struct usher_option *options; /* owned, with its texts; ends with USHER_OPTION_END */
};

#define DESCRIPTOR_EMPTY { 0 }

/* One record: "descriptor name=... option=key,type,min,max,unit,choices,preset,help"... The
 * options' offsets are replaced: a reader lays out its own struct of descriptor_conf_size(). */
void descriptor_print(struct record_out *out, const struct usher_service *service,
                      const char *path);
int descriptor_parse(struct descriptor *out, const struct record *record, struct err *err);
size_t descriptor_conf_size(const struct descriptor *descriptor);
void descriptor_free(struct descriptor *descriptor);

#endif
