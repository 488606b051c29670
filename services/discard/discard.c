/*
 * discard (RFC 863): whatever comes is thrown away, and nothing is ever sent. A peer that
 * has sent everything gets our end of file, so that it knows how far it came.
 */
#include <usher/service.h>

static size_t discard_data(struct usher_conn *conn, const void *bytes, size_t count)
{
    (void)conn, (void)bytes;
    return count;
}

static void discard_datagram(struct usher_dgram *dgram)
{
    (void)dgram;
}

USHER_SERVICE(discard) = {
    USHER_SERVICE_HEADER,
    .name = "discard",
    .shapes = USHER_STREAM | USHER_DATAGRAM,
    .sentence = "Throws away whatever comes (RFC 863).",
    .data = discard_data,
    .datagram = discard_datagram,
};
