/*
 * Two small filters beside proc/filter's, each a few comparisons made by hand: what that
 * one's library cannot say (numbers below another one), and what holds before it, or in a
 * child alone.
 */
#ifndef PROC_FENCE_H
#define PROC_FENCE_H

#include <stdbool.h>

#include "base/err.h"

struct fence_gates {
    int floor;        /* descriptors below it were inherited: their open files are the
                         master's and the siblings' too */
    bool may_connect;
    bool has_children; /* to signal; others may signal themselves alone, by SIGABRT */
};

/* Below the floor shutdown, bind, connect, options, flags and copies answer EPERM; 0
 * alone may be copied (to see whether there is a number left). listen() mends below it
 * what was shut by a copy that came back in a message, which no filter sees, and is
 * refused above. Who may not connect sends without MSG_FASTOPEN, which does. Nobody else
 * is traced, limited or made slower. Needs no_new_privs. */
int fence_worker(const struct fence_gates *gates, struct err *err);
/* A forked child may signal itself alone, by SIGABRT: its worker is another child's
 * parent. Comes behind the list, which lets it through. */
int fence_child(struct err *err);

#endif
