/*
 * One exchange on a blocking run()'s socket: a query in, an answer out, each with a
 * deadline. For the child that serves one connection.
 */
#ifndef FINGER_TALK_H
#define FINGER_TALK_H

#include <usher/service.h>

#include "query.h"

#define TALK_QUERY_MS  60000 /* for the whole query, however it comes */
#define TALK_ANSWER_MS 60000 /* for the whole answer */
#define TALK_END_MS    2000  /* for the peer to close, after that */

/* -1: the peer left, or was silent for too long, before there was a query. */
int talk_hear(struct usher_run *run, struct finger_query *out);
/* Sends all, then closes our side and lets the peer close its own, so that no reset takes
 * the answer away from it. -1: it was not all taken. */
int talk_say(struct usher_run *run, const char *bytes, size_t count);

#endif
