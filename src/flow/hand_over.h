/*
 * The sending side of hand-over: a connection whose plugin called hand_over() leaves
 * through the door of the other row's pool when that callback has returned and what
 * data() used is out of the socket. A door that is full costs it a moment.
 */
#ifndef FLOW_HAND_OVER_H
#define FLOW_HAND_OVER_H

#include <usher/service.h>

struct conn;
struct flow;

void hand_over_init(struct flow *flow);
int hand_over(struct usher_conn *head, const char *service);
const char *hand_over_offered(const struct usher_instance *service, size_t index);
/* From conn_leave(), for who is CONN_HANDED: over now, or tried again soon. */
void hand_over_send(struct conn *conn);

#endif
