/*
 * From a listener's readiness to callers that are served, parked or turned away: accepts
 * within a budget, asks flow/admit about each, and does what it says. States of the
 * listener itself are flow/listener's.
 */
#ifndef FLOW_INTAKE_H
#define FLOW_INTAKE_H

#include "flow/listener.h"

#define INTAKE_BUDGET 64   /* connections a wake-up */
#define INTAKE_CROWDED 512 /* while callers wait for a turn: taking them in is cheap */

/* Accepts what is there; the listener may be paused, full or closed afterwards. */
void intake_accept(struct listener *listener);
/* Whom a shortage kept from being served: tries once more. -1: not yet. None: 0. */
int intake_serve_held(struct listener *listener, struct err *err);

#endif
