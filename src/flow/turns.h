/*
 * Who of a row's park starts, and when: after a release or with the next token, a turn of
 * the loop later, never inside another's callback. Passes go over those who wait, in the
 * order of their turns: each starts one caller of every source that may, and they end
 * when one starts nobody or, where a caller costs a process, when the worker has had
 * PARK_TURN_MS of it. Who has left or waited for too long goes. The park itself is
 * flow/park's.
 */
#ifndef FLOW_TURNS_H
#define FLOW_TURNS_H

/* The park's timer, in a row of a worker; context: the row. It is set again while
 * somebody waits, for when the first of them may start. */
void turns_look(int fd, short what, void *context);

#endif
