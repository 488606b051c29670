/* Echo, until a byte H comes (it sleeps for ever) or a byte S (it spins for ever). */
#include <string.h>
#include <unistd.h>

#include <usher/service.h>

static void hang_at_h(const void *bytes, size_t count)
{
    volatile bool spins = count > 0 && memchr(bytes, 'S', count) != NULL;

    while (count > 0 && memchr(bytes, 'H', count) != NULL)
        pause();
    while (spins)
        ;
}

static size_t hang_data(struct usher_conn *conn, const void *bytes, size_t count)
{
    hang_at_h(bytes, count);
    usher_write(conn, bytes, count);
    return count;
}

static void hang_datagram(struct usher_dgram *dgram)
{
    hang_at_h(dgram->bytes, dgram->count);
    usher_reply(dgram, dgram->bytes, dgram->count);
}

USHER_SERVICE(hang_on_data) = {
    USHER_SERVICE_HEADER,
    .name = "hang_on_data",
    .shapes = USHER_STREAM | USHER_DATAGRAM,
    .sentence = "Echo that hangs at H and S.",
    .data = hang_data,
    .datagram = hang_datagram,
};
