/* What the head of a request says of what follows it. */
#ifndef HTTP_HEAD_H
#define HTTP_HEAD_H

#include <microhttpd.h>

/* A head that is answered has so many bytes at most, fields and cookies. */
#define HEAD_MAX 8192
#define HEAD_FIELDS 192

enum head {
    HEAD_PLAIN,  /* the next request follows */
    HEAD_BODY,   /* a body follows, or lines end in a way that not everybody takes for an
                    end */
    HEAD_LONG,   /* more than that */
    HEAD_UNSURE  /* another reader could see another request here, or a body where we see
                    none */
};

/* Where the parts of the first line stand, as the library gave them; target_end is where
 * the target ended before the library took it apart, NULL where nobody can say. */
struct head_line {
    const char *method, *target, *target_end, *version;
};

enum head head_look(struct MHD_Connection *connection, const struct head_line *line);

#endif
