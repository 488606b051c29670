/*
 * Listeners passed in by the service manager: sd_listen_fds(3)'s LISTEN_FDS, LISTEN_PID
 * and LISTEN_FDNAMES. A table names them as fd://NAME.
 */
#ifndef MASTER_INHERIT_H
#define MASTER_INHERIT_H

#include <stddef.h>

#include "base/err.h"

struct inherited {
    char *name;
    int fd;
};

struct inherit {
    struct inherited *at; /* owned */
    size_t count;
};

#define INHERIT_EMPTY { NULL, 0 }

/* Takes the variables out of the environment; the descriptors stay open, close-on-exec,
 * until inherit_close(). Variables meant for another process are ignored. */
int inherit_open(struct inherit *inherit, struct err *err);
void inherit_close(struct inherit *inherit);
/* The descriptor, still owned here, or -1. */
int inherit_find(const struct inherit *inherit, const char *name);

#endif
