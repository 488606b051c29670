/*
 * Landlock without a library: three system calls. What our headers do not know yet is
 * defined here and masked by the ABI that the running kernel has.
 */
#ifndef PROC_LANDLOCK_H
#define PROC_LANDLOCK_H

#include <stdbool.h>

#include "base/err.h"

/* What a process may still do; everything else that the kernel's ABI knows is refused. */
struct landlock_rights {
    bool may_read;     /* files and folders, anywhere: never write, never execute */
    bool may_fill;     /* /dev/null may be opened for writing */
    bool may_connect;  /* TCP, to anywhere (ABI 4) */
    bool may_abstract; /* to abstract sockets of others (ABI 6) */
};

int landlock_abi(void); /* -1: errno says why there is none */
/* For ever, and for all children; layers add up. Needs no_new_privs. Does nothing at abi
 * 0. */
int landlock_close(int abi, const struct landlock_rights *rights, struct err *err);

#endif
