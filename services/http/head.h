/* What the head of a request says of what follows it. */
#ifndef HTTP_HEAD_H
#define HTTP_HEAD_H

#include <microhttpd.h>

enum head {
    HEAD_PLAIN,  /* the next request follows */
    HEAD_BODY,   /* a body follows */
    HEAD_UNSURE  /* another reader could see another request here, or a body where we see none */
};

enum head head_look(struct MHD_Connection *connection);

#endif
