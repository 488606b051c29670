/* Echo that uses one byte, then rests for 5 ms: what it leaves must be kept, and no
 * more. */
#include <usher/service.h>

static void go_on(struct usher_conn *conn)
{
    usher_resume(conn);
}

static size_t use_one(struct usher_conn *conn, const void *bytes, size_t count)
{
    (void)count;
    usher_write(conn, bytes, 1);
    usher_pause(conn);
    conn->service->host->timer(conn, 5, go_on);
    return 1;
}

USHER_SERVICE(slow_reader) = {
    USHER_SERVICE_HEADER,   .name = "slow_reader",
    .shapes = USHER_STREAM, .sentence = "Reads a byte at a time.",
    .data = use_one,
};
