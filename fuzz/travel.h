/* The journey of a plan from the reader to the master. */
#ifndef TRAVEL_H
#define TRAVEL_H

#include "conf/plan.h"

/* It is the same after it, or the process ends. */
void travel(const struct plan *plan);

#endif
