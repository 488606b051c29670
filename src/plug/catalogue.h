/*
 * The catalogue: a child of the reader that loads plugins, so that a constructor that
 * crashes, hangs or writes to memory costs a line in the list of mistakes and nothing
 * else. It is asked about neither table nor plan: one request in, one record out.
 *
 *   describe dir=/usr/lib/usher plugin=echo safe=0 -> descriptor ... | error text=...
 *   check dir=... plugin=echo safe=0 key=... value=... key=... value=...
 *                                                  -> good | error text=...
 *
 * Or failed text=..., once, where the child itself could not begin.
 *
 * What it answers is gossip: parsed strictly, and unprintable bytes in texts are escaped.
 *
 * Files: catalogue.c what is known of plugins, catalogue_ask.c one question to the child,
 * catalogue_child.c what runs in the child, catalogue_bounds.c what it may use up.
 */
#ifndef PLUG_CATALOGUE_H
#define PLUG_CATALOGUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "wire/descriptor.h"

/* Starts the child, which goes on in child(context); its pid, or -1. The child must die
 * with us. Given by the layer above: processes are started in proc/spawn only. */
typedef pid_t catalogue_start_fn(int (*child)(void *), void *context, struct err *err);

/* In the child, before it looks at the first plugin. */
typedef int catalogue_enter_fn(struct err *err);

/* What is known of one plugin: its descriptor, or why there is none. */
struct catalogue_known {
    char *dir, *plugin;
    struct descriptor descriptor;
    char *error; /* NULL: descriptor is good */
};

struct catalogue {
    int fd;         /* our end; -1: not running */
    pid_t pid;      /* started at the first request and again after a crash */
    int timeout_ms; /* for one request */
    bool only_root; /* plugins must be root's (plug_load_safe) */
    bool has_failed; /* a system call of ours did: what was then said is no plugin's
                        fault */
    catalogue_start_fn *start;
    catalogue_enter_fn *enter; /* NULL: nothing */
    struct catalogue_known **known; /* owned */
    size_t known_count;
};

#define CATALOGUE_TIMEOUT_MS 3000

/* start must be set before the first request. */
#define CATALOGUE_EMPTY { .fd = -1, .timeout_ms = CATALOGUE_TIMEOUT_MS }

/* The options of one row: count keys and their values. */
struct catalogue_row {
    const char *dir, *plugin;
    const char *const *keys, *const *values;
    size_t count;
};

/* The descriptor, kept until catalogue_close(); NULL: err says why ("/usr/lib/usher/x.so:
 * it crashed when it was loaded: signal=11 (Segmentation fault)"). Asks once per plugin.
 * Blocks up to the timeout. */
const struct descriptor *catalogue_describe(struct catalogue *catalogue, const char *dir,
                                            const char *plugin, struct err *err);
/* Lets the plugin's check() see a row's options; -1: err has its words, nothing before
 * them. */
int catalogue_check(struct catalogue *catalogue, const struct catalogue_row *row,
                    struct err *err);
void catalogue_close(struct catalogue *catalogue); /* ends the child, waits for it */

/*
 * What the reader and the catalogue do first, each in its own process: nothing blocked,
 * standard descriptors on /dev/null, no core, and a soft cpu_sec of processor time and
 * `memory` bytes on top of what is mapped now. Sanitizers keep stderr for their reports,
 * and all the memory they like.
 */
int catalogue_bound_self(unsigned cpu_sec, uint64_t memory, struct err *err);

#endif
