/*
 * A row's program: everything about its start that does not depend on the caller,
 * computed once.
 */
#ifndef FLOW_PROGRAM_H
#define FLOW_PROGRAM_H

#include "flow/env.h"
#include "flow/errpipe.h"
#include "flow/row.h"
#include "proc/spawn.h"

struct program {
    struct spawn_exec spawn; /* fds and envp are the caller's */
    char **argv;             /* borrowed texts */
    struct spawn_limit *limits;
    struct errpipe errpipe;
    int null_fd; /* /dev/null, for a child that gets its listeners elsewhere; -1: not
                    needed */
};

/* Leaves row->program. */
int program_open(struct row *row, struct err *err);
void program_close(struct row *row);
/* Starts it with these descriptors. -1: err says which step failed. */
pid_t program_start(struct program *program, struct env *env, const int *fds,
                    size_t fd_count, struct err *err);
/* of a start: counted and said */
void program_note_failure(struct row *row, const struct err *err);
/* The system is short of something: worth another try in a moment. */
bool program_is_shortage(const struct err *err);

#endif
