/* Echo, until a byte X comes: then a write through a null pointer. */
#include <string.h>

#include <usher/service.h>

static void crash_at_x(const void *bytes, size_t count)
{
    volatile char *volatile nowhere = NULL;

    if (count > 0 && memchr(bytes, 'X', count) != NULL)
        *nowhere = 1;
}

static size_t crash_data(struct usher_conn *conn, const void *bytes, size_t count)
{
    crash_at_x(bytes, count);
    usher_write(conn, bytes, count);
    return count;
}

static void crash_datagram(struct usher_dgram *dgram)
{
    crash_at_x(dgram->bytes, dgram->count);
    usher_reply(dgram, dgram->bytes, dgram->count);
}

USHER_SERVICE(crash_on_data) = {
    USHER_SERVICE_HEADER,
    .name = "crash_on_data",
    .shapes = USHER_STREAM | USHER_DATAGRAM,
    .sentence = "Echo that crashes at X.",
    .data = crash_data,
    .datagram = crash_datagram,
};
