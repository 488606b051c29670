/*
 * The numbers of what a worker inherited. Behind its listeners, its channel, its log and
 * its doors are open files that the master and the siblings have, too. They get the
 * lowest numbers, from 3 up to the floor, and nothing that is opened later ever has one
 * of these: so a filter, which sees a number and no more, can tell them apart
 * (proc/fence).
 */
#ifndef FLOW_FLOOR_H
#define FLOW_FLOOR_H

#include <stddef.h>

#include "base/err.h"

/* Once, before anything else is opened. holders: where each number is kept, in the order
 * in which they are to be numbered; two may keep the same one, and -1 is none. Changes
 * what they hold. Gives the floor: the first number behind the last; -1: error, and
 * descriptors may have been lost. */
int floor_make(int *const *holders, size_t count, struct err *err);
/* Takes the numbers below the floor that were closed: when a worker drains, and in a
 * forked child. */
void floor_fill(int floor);

#endif
