/*
 * Asking usherd: one request over its control socket, records back until "end".
 */
#ifndef CTL_CLIENT_H
#define CTL_CLIENT_H

#include "base/err.h"
#include "wire/record.h"

#define CLIENT_TIMEOUT_MS 60000

/* Gets every record but the last. */
typedef void client_fn(const struct record *record, void *context);

/* Blocks until the answer is complete. *status_out: 0 good, 1 the table is wrong, 2 wrong usage,
 * 3 the system (or usherd) said no; err->text may say more. -1: there was no answer. */
int client_ask(const char *path, const char *word, client_fn *each, void *context,
               int *status_out, struct err *err);

#endif
