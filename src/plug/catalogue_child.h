/*
 * What runs in the catalogue's own process, where plugins are loaded and their check() is
 * called. plug/catalogue.h says what it is asked and answers. Of plug/ only.
 */
#ifndef PLUG_CATALOGUE_CHILD_H
#define PLUG_CATALOGUE_CHILD_H

#include "plug/catalogue.h"

struct catalogue_child {
    int fd; /* its end of the channel; first: all that tests' children know of it */
    catalogue_enter_fn *enter;
};

/* Begins (every other descriptor closed, bounds, enter), then answers until the other end
 * is closed; what the process exits with. context: a struct catalogue_child. */
int catalogue_child_run(void *context);

#endif
