/*
 * Where a worker's and its children's log lines go: as records over the droppable
 * channel. The master may be stuck or gone: then lines are counted, the next one that
 * passes says how many.
 */
#ifndef FLOW_LOGLINE_H
#define FLOW_LOGLINE_H

void logline_open(int fd); /* borrows fd; from now on the log's sink */
void logline_close(void);  /* back to stderr */

#endif
