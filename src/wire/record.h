/*
 * A record: a word and key=value fields, one printable line. Plans, descriptors,
 * commands, reports and answers travel as records, so that whoever reads them needs no
 * parser but this one and can be fuzzed through it alone.
 *
 *   service name=echo plugin=echo listen=tcp://127.0.0.1:7\x20x
 *
 * A key may come again (lists). In values, bytes outside 0x21..0x7e, and the backslash,
 * are \xHH (small letters), and nothing else is; a value holds no NUL. So a record has
 * exactly one text. Words and keys are [a-z0-9_.-]+. One blank before each field. At most
 * RECORD_FIELDS fields and RECORD_MAX bytes a line.
 */
#ifndef WIRE_RECORD_H
#define WIRE_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define RECORD_MAX    65536
#define RECORD_FIELDS 1024

struct record_field {
    const char *key, *value;
};

struct record {
    char *line; /* owned: word, keys and values point into it once parsed */
    const char *word;
    size_t count;
    struct record_field *fields; /* owned */
};

#define RECORD_EMPTY                                                                     \
    {                                                                                    \
        NULL, NULL, 0, NULL                                                              \
    }

/* Reading. Takes a copy of the line (without newline; count bytes, no NUL needed). */
int record_parse(struct record *record, const char *line, size_t count, struct err *err);
void record_free(struct record *record); /* accepts RECORD_EMPTY */
bool record_is(const struct record *record, const char *word);
const char *record_get(const struct record *record,
                       const char *key); /* first one, or NULL */
/* The n-th value of a key that comes again, from 0, or NULL. */
const char *record_item(const struct record *record, const char *key, size_t n);
int record_number(const struct record *record, const char *key, int64_t min, int64_t max,
                  int64_t *out, struct err *err); /* -1 also when it is missing */

/* Writing: a growing buffer that holds any number of lines. A word or key that is none is
 * our own bug and ends the process: what others named goes into values. Lengths are the
 * reader's affair. */
struct record_out {
    char *bytes; /* owned; NUL-terminated */
    size_t length, room;
};

#define RECORD_OUT_EMPTY                                                                 \
    {                                                                                    \
        NULL, 0, 0                                                                       \
    }

void record_begin(struct record_out *out, const char *word);
void record_add(struct record_out *out, const char *key,
                const char *value); /* NULL: nothing */
void record_add_number(struct record_out *out, const char *key, int64_t value);
__attribute__((format(printf, 3, 4))) void
record_add_print(struct record_out *out, const char *key, const char *format, ...);
void record_end(struct record_out *out); /* the newline */
void record_out_free(struct record_out *out);

/* Calls each() for every line of text; stops at the first -1. Lines are parsed strictly
 * ("line 2: " comes before what is wrong with one); the last one has its newline, or it
 * was cut off. */
typedef int record_fn(const struct record *record, void *context, struct err *err);
int record_each(const char *text, size_t count, record_fn *each, void *context,
                struct err *err);

#endif
