/*
 * Who of a row's park starts, and when: after a release or with the next token, a turn of
 * the loop later, never inside another's callback. Passes go over those who wait, in the
 * order of their turns: each starts one caller of every source that may. They end when
 * one starts nobody or, where a caller costs a process, when they have taken
 * PARK_TURN_MS. Who has left or waited for too long goes. Places are flow/park's.
 */
#ifndef FLOW_TURNS_H
#define FLOW_TURNS_H

/* The park's timer; context: the row. Set again while somebody waits, for when the first
 * may start. */
void turns_look(int fd, short what, void *context);

#endif
