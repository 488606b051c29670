/*
 * The poll() loop behind loop.h in a forked child: a handful of watches and timers for
 * one connection. Knows only what loop.c asks of it; everybody else includes loop.h.
 */
#ifndef LOOP_SOLO_H
#define LOOP_SOLO_H

#include "loop/loop.h"

struct solo *solo_open(void);
void solo_close(struct solo **solo);
/* after_ms: negative: none. A watch that is there already is replaced. */
void solo_add(struct solo *solo, struct watch *watch, int64_t after_ms);
void solo_remove(struct solo *solo, struct watch *watch);
bool solo_has(const struct solo *solo, const struct watch *watch);
/* One turn: waits, then runs what is ready. 0; 1: nothing is left to wait for; -1: poll
 * failed. */
int solo_turn(struct solo *solo);

#endif
