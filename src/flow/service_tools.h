/*
 * What a plugin asks the loop for on behalf of its whole service: descriptors and one
 * timer. All of it ends with row_close(). In a forked child, which has a loop of its own,
 * there is none.
 */
#ifndef FLOW_SERVICE_TOOLS_H
#define FLOW_SERVICE_TOOLS_H

#include <usher/service.h>

#include "flow/row.h"

#define SERVICE_WATCHES 4096

int service_tools_watch(const struct usher_instance *service, int fd, unsigned what,
                        void (*ready)(const struct usher_instance *service, int fd,
                                      unsigned what));
void service_tools_timer(const struct usher_instance *service, int64_t after_ms,
                         void (*expired)(const struct usher_instance *service));
void service_tools_free(struct row *row); /* after close() */

#endif
