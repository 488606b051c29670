/*
 * What a worker says to the master: reports through its channel, lines through its log
 * channel. All of it is gossip from whoever has taken the worker over: bounded in what is
 * read a turn and in what is logged a second, checked, ignored when odd. It changes this
 * member, and nothing else.
 */
#ifndef MASTER_HEARSAY_H
#define MASTER_HEARSAY_H

#include "base/err.h"
#include "master/member.h"

void hearsay_init(struct member *member);
/* Listens to member's ends of channel and log. -1: failed; one may already be watched, so
 * call hearsay_stop(). */
int hearsay_start(struct member *member, struct err *err);
void hearsay_stop(struct member *member);
/* Before its state decides what becomes of it: it may have said "ready" already, and have
 * callers. */
void hearsay_catch_up(struct member *member);
/* Once it has ended: what is still in the sockets. */
void hearsay_read_last_words(struct member *member);

#endif
