/*
 * Where the programs of a row complain: one pipe per row, made once, whose writing end is
 * every child's descriptor 2. It is always drained, so that no child ever waits for it;
 * its lines are escaped and go to the log, up to ERRPIPE_LINES a second, and what is left
 * out is counted.
 */
#ifndef FLOW_ERRPIPE_H
#define FLOW_ERRPIPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "loop/loop.h"

#define ERRPIPE_LINES 50
#define ERRPIPE_LINE 400 /* bytes; longer ones become several */

struct errpipe {
    struct loop *loop;
    const char *name; /* of the row; borrowed */
    int read_fd, write_fd;
    struct watch watch;
    char line[ERRPIPE_LINE];
    size_t length;
    int64_t second_ms; /* when counting began */
    unsigned lines;
    unsigned long left_out;
};

int errpipe_open(struct errpipe *errpipe, struct loop *loop, const char *name,
                 struct err *err);
void errpipe_close(struct errpipe *errpipe); /* says what is left */

#endif
