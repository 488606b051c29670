/*
 * What the reader's process does: reads the table's bytes while it may, becomes nobody,
 * closes its doors, and only then lets libconfig at them; asks the catalogue, a process
 * that is poorer still, for what plugins say of themselves; prints what came of it, and
 * ends.
 */
#ifndef MASTER_READER_CHILD_H
#define MASTER_READER_CHILD_H

#include <sys/types.h>

#include "master/reader.h"

struct reader_child {
    const struct reader_input *input;
    int fd;       /* where the result goes: a pipe */
    pid_t parent; /* with it we end */
};

/* In the forked child: its whole life. context is a struct reader_child; nothing else of
 * the parent's is used but its memory. 1: the result could not be written. */
int reader_child_main(void *context);

#endif
