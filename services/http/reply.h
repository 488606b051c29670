/* Small answers, and the end of all. MHD_NO: the connection is to be closed. */
#ifndef HTTP_REPLY_H
#define HTTP_REPLY_H

#include <microhttpd.h>

/* Adds what every answer has, and gives the response away; NULL: there was no memory for
 * it. */
enum MHD_Result reply_send(struct MHD_Connection *connection, unsigned status,
                           struct MHD_Response *response);
/* The status as a line of text. One more header field, where it needs one: name may be
 * NULL. */
enum MHD_Result reply_status(struct MHD_Connection *connection, unsigned status,
                             const char *name, const char *value);
/* The page about usher. */
enum MHD_Result reply_page(struct MHD_Connection *connection, const char *service);

#endif
