/* What a request is answered with. */
#ifndef HTTP_ANSWER_H
#define HTTP_ANSWER_H

#include <microhttpd.h>

struct site {
    const char *name; /* of the service */
    int root;         /* -1: no folder, only the built-in page */
    const char *index;
};

struct request {
    const char *method;
    const char *target; /* without its query, its escapes as they came */
    const char *query;  /* NULL: none */
};

/* MHD_NO: the connection is to be closed. */
enum MHD_Result answer(const struct site *site, struct MHD_Connection *connection,
                       const struct request *request);

#endif
