/*
 * The catalogue: a child of the reader that loads plugins, so that a constructor that crashes,
 * hangs or writes to memory costs a line in the list of mistakes and nothing else. It sees
 * neither table nor plan: one request in, one record out.
 *
 *   describe dir=/usr/lib/usher plugin=echo        -> descriptor ... | error text=...
 *   check dir=... plugin=echo key=... value=...    -> good | error text=...
 */
#ifndef PLUG_CATALOGUE_H
#define PLUG_CATALOGUE_H

#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"
#include "wire/descriptor.h"

struct catalogue {
    int fd;    /* our end */
    pid_t pid; /* 0: not running; started at the first request and again after a crash */
    struct descriptor *known; /* owned */
    size_t known_count;
};

#define CATALOGUE_EMPTY { -1, 0, NULL, 0 }

#define CATALOGUE_TIMEOUT_MS 3000 /* for one request */

/* The descriptor, kept until catalogue_close(); NULL: err says why ("it crashed when it was loaded:
 * signal=11 (Segmentation fault)"). Blocks up to the timeout. */
const struct descriptor *catalogue_describe(struct catalogue *catalogue, const char *dir,
                                            const char *plugin, struct err *err);
int catalogue_check(struct catalogue *catalogue, const char *dir, const char *plugin,
                    const char *const *keys, const char *const *values, size_t count,
                    struct err *err);
void catalogue_close(struct catalogue *catalogue); /* ends the child */

#endif
