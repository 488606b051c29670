/* data() says it used more bytes than it was given: the host must not believe it. */
#include <usher/service.h>

static size_t use_more(struct usher_conn *conn, const void *bytes, size_t count)
{
    (void)conn, (void)bytes;
    return count + 1000000;
}

USHER_SERVICE(uses_too_much) = {
    USHER_SERVICE_HEADER,         .name = "uses_too_much", .shapes = USHER_STREAM,
    .sentence = "Can not count.", .data = use_more,
};
