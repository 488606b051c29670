/*
 * Asking usherd: one request over its control socket, records back until "end".
 */
#ifndef CTL_CLIENT_H
#define CTL_CLIENT_H

#include "base/err.h"
#include "wire/record.h"

#define CLIENT_TIMEOUT_MS 90000 /* as long as usherd takes: master/session */

/* Gets every record but the last. May take it, leaving RECORD_EMPTY; what is left is
 * freed. */
typedef void client_fn(struct record *record, void *context);

struct client_call {
    const char *path;          /* of the control socket */
    struct record_out request; /* one record, owned; empty afterwards */
    client_fn *each;
    void *context;
    int status; /* out: 0 good, 1 the table is wrong, 2 wrong usage, 3 the system (or
                   usherd) said no */
};

/* Blocks until the answer is complete; err->text may say more about a status that is not
 * 0. -1: there was no answer, or not all of it. */
int client_ask(struct client_call *call, struct err *err);

#endif
