/*
 * The master's life: start as a table of steps, serve, and the same steps backwards.
 */
#ifndef MASTER_BOOT_H
#define MASTER_BOOT_H

#include "master/daemon.h"
#include "master/options.h"

/* Runs usherd until it is told to end; the result is its exit status. Whatever step
 * fails, those before it are undone and one message says why. */
int boot_serve(const struct options *options, struct background *background);

#endif
