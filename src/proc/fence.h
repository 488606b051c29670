/*
 * Two small filters beside proc/filter's, each a few comparisons made by hand: what that one's
 * library cannot say (numbers below another one), and what a child must do without it.
 */
#ifndef PROC_FENCE_H
#define PROC_FENCE_H

#include <stdbool.h>

#include "base/err.h"

/* Descriptors below floor were inherited: their open files are the master's and the siblings' too.
 * shutdown, bind, connect, listen, options, flags and copies of them answer EPERM; 0 alone may be
 * copied (to see whether there is a number left). Who does not connect sends without MSG_FASTOPEN,
 * which does. Needs no_new_privs. */
int fence_floor(int floor, bool may_connect, struct err *err);
/* A forked child may signal itself alone, and with SIGABRT alone: its worker is another child's
 * parent. Comes behind the list, which lets it through. */
int fence_child(struct err *err);

#endif
