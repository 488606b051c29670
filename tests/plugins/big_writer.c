/* Writes 64 MiB to every caller and never asks for room(). */
#include <usher/service.h>

static void write_all(struct usher_conn *conn)
{
    static const char block[1 << 20];

    for (int i = 0; i < 64; i++)
        usher_write(conn, block, sizeof(block));
    usher_end(conn);
}

USHER_SERVICE(big_writer) = {
    USHER_SERVICE_HEADER,   .name = "big_writer",
    .shapes = USHER_STREAM, .sentence = "Writes without asking.",
    .opened = write_all,
};
