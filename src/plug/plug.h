/*
 * A loaded plugin: found, opened, checked, its descriptor copied. Only in the catalogue and in
 * workers; never in the master. Nothing is ever unloaded.
 */
#ifndef PLUG_PLUG_H
#define PLUG_PLUG_H

#include <usher/service.h>

#include "base/err.h"

struct plug {
    char *path;                   /* absolute, or "built-in" */
    struct usher_service service; /* our copy: what an older plugin lacks is NULL or 0 */
    struct usher_option *options; /* our copy, in our row size; ends with USHER_OPTION_END */
};

/* Finds `name` (a plain word) among the built-in services or as dir/name.so; dir is absolute.
 * Refuses, naming the file and the reason: another ABI, a size below the first version's, another
 * name inside, no callbacks for a shape, option rows whose presets break their own rules, files or
 * folders others may write (as root). */
int plug_load(struct plug *out, const char *dir, const char *name, struct err *err);
/* Checks and copies a descriptor: the part of plug_load() after dlsym(); also for tests. */
int plug_adopt(struct plug *out, const struct usher_service *theirs, const char *path,
               struct err *err);
/* A configuration struct filled from presets and then from key/value pairs; never freed while
 * the worker lives. NULL on error. */
void *plug_conf(const struct plug *plug, const char *const *keys, const char *const *values,
                size_t count, struct err *err);
void plug_free(struct plug *plug); /* the copies; the object stays loaded */

#endif
