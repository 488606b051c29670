/*
 * The reader: a short-lived child that reads the table's bytes while privileged, drops everything,
 * then parses and checks them and prints the plan, or the list of mistakes, as records. Bounded in
 * time, memory and output. The master starts it, reads what it prints, and believes none of it
 * without checking (conf/planwire).
 */
#ifndef MASTER_READER_H
#define MASTER_READER_H

#include <stdbool.h>

#include "base/err.h"
#include "conf/plan.h"
#include "conf/source.h"
#include "loop/loop.h"
#include "proc/reap.h"

#define READER_TIMEOUT_MS 15000
#define READER_OUTPUT_MAX (8 * 1024 * 1024)

struct reader_input {
    const char *config;
    const char *plugin_dir;      /* or NULL */
    struct usher_list overrides; /* KEY=VALUE */
};

/* plan is NULL when there are mistakes (or err: the reader itself failed, which is the only
 * mistake then). The callee owns plan. mistakes are borrowed. */
typedef void reader_fn(struct plan *plan, const struct mistakes *mistakes, void *context);

struct reader;

/* Starts one; done() is called once from the loop. NULL: it could not be started. */
struct reader *reader_start(const struct reader_input *input, struct loop *loop, reader_fn *done,
                            void *context, struct err *err);
void reader_cancel(struct reader **reader);

#endif
