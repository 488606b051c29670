/*
 * The reader: a short-lived child that reads the table's bytes while privileged, drops
 * everything, then parses and checks them and prints the plan, or the list of mistakes,
 * as records (reader_result). Bounded in time, memory and output. The master starts it,
 * reads what it prints, and believes none of it without checking.
 */
#ifndef MASTER_READER_H
#define MASTER_READER_H

#include <stdint.h>

#include "base/err.h"
#include "conf/plan.h"
#include "conf/source.h"
#include "loop/loop.h"
#include "proc/reap.h"

#define READER_TIMEOUT_MS  15000
#define READER_OUTPUT_MAX  (8 * 1024 * 1024)

struct pages;

struct reader_input {
    const char *config;
    const char *plugin_dir;      /* absolute, or NULL: the table's */
    struct usher_list overrides; /* KEY=VALUE */
    int64_t timeout_ms;          /* 0: READER_TIMEOUT_MS */
    struct pages *pages;         /* borrowed: what is shared with workers, and is not
                                    for plugins that the reader looks at. NULL: nothing */
};

/* plan is NULL when there are mistakes, one at least ("the reader ended: signal=9
 * (Killed)" when it did not come to an end). The callee owns plan; mistakes and the
 * warnings in it are borrowed, one printable line each. */
typedef void reader_fn(struct plan *plan, const struct mistakes *mistakes, void *context);

struct reader;

/* Starts one; done() is called once from the loop, never from here, and the reader is
 * gone then: forget the pointer. input is needed until return only. Somebody must call
 * reap_collect() on SIGCHLD. NULL: it could not be started, and done() is never
 * called. */
struct reader *reader_start(const struct reader_input *input, struct loop *loop,
                            reader_fn *done, void *context, struct err *err);
/* Ends it; done() is not called. Accepts NULL inside. */
void reader_cancel(struct reader **reader);
/* The same as one blocking call, for a process without a loop of its own (--check,
 * --table). NULL: mistakes has one at least. Warnings may be in it in either case. */
struct plan *reader_run_now(const struct reader_input *input, struct mistakes *mistakes);

#endif
