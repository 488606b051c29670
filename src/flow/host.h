/*
 * What the host does for a plugin: the one table of functions every plugin of this
 * process is handed. The functions themselves live where their work is done (conn,
 * output, tools, request).
 */
#ifndef FLOW_HOST_H
#define FLOW_HOST_H

#include <usher/service.h>

extern const struct usher_host host_table;

#endif
