/*
 * A loaded plugin: found, opened, checked, its descriptor copied. Only in the catalogue
 * and in workers; never in the master. Nothing is ever unloaded.
 */
#ifndef PLUG_PLUG_H
#define PLUG_PLUG_H

#include <stdbool.h>

#include <usher/service.h>

#include "base/err.h"

#define PLUG_CONF_MAX     (1024 * 1024)      /* conf_size */
#define PLUG_CONN_MAX     65536              /* conn_size */
#define PLUG_INPUT_MAX    (16 * 1024 * 1024) /* max_input */
#define PLUG_INPUT_PRESET 4096               /* for a max_input of 0 */

struct plug {
    char *path;                   /* absolute, or "built-in" */
    struct usher_service service; /* our copy: what an older plugin lacks is NULL or 0;
                                     texts and max_input are filled in, options is ours */
    struct usher_option *options; /* our copy, in our size; ends with USHER_OPTION_END */
};

#define PLUG_EMPTY { 0 }

/* Finds `name` (a plain word) among the built-in services or as dir/name.so; dir is
 * absolute. Refuses, naming the file and the reason: another ABI, a size below the first
 * version's, another name inside, no callbacks for a shape, option rows whose presets
 * break their own rules, files or folders others may write. Files and folders must be
 * root's when we are. */
int plug_load(struct plug *out, const char *dir, const char *name, struct err *err);
/* The same; only_root: they must be root's whoever we are. For the reader of a daemon
 * that runs as root, which has given up being root when it loads. */
int plug_load_safe(struct plug *out, const char *dir, const char *name, bool only_root,
                   struct err *err);
/* Checks and copies a descriptor: the part of plug_load() after dlsym(); also for tests.
 * The name inside must be path's last part when that ends in ".so". On -1 out is
 * empty. */
int plug_adopt(struct plug *out, const struct usher_service *theirs, const char *path,
               struct err *err);
/* A configuration struct filled from presets and then from key/value pairs; never freed
 * while the worker lives (plug_conf_free() is for the catalogue and tests). NULL on
 * error: err names the key. */
void *plug_conf(const struct plug *plug, const char *const *keys,
                const char *const *values, size_t count, struct err *err);
void plug_conf_free(const struct plug *plug, void *conf);
void plug_free(struct plug *plug); /* the copies; the object stays loaded */

#endif
