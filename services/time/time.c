/*
 * time (RFC 868): the seconds since 1900 in four bytes, the highest first, then the end.
 * Every datagram asks for them, an empty one too; that the answer is then longer than the
 * question is for the row to allow, by `amplify`.
 *
 * Four bytes are full on 7 February 2036 and begin at 0 again. We count in 64 bits and
 * send the low 32, so that the answer goes on through 2036 and 2038; whoever asks must
 * know in which turn of 136 years it is.
 */
#include <time.h>

#include <usher/service.h>

#define SECONDS_1900_TO_1970 INT64_C(2208988800)
#define TIME_SIZE 4

static void print_seconds(unsigned char *to, int64_t since_1970)
{
    uint64_t seconds = (uint64_t)(since_1970 + SECONDS_1900_TO_1970);

    for (int i = 0; i < TIME_SIZE; i++)
        to[i] = (unsigned char)(seconds >> 8 * (TIME_SIZE - 1 - i) & 0xff);
}

/* A machine that does not know the time says nothing, as the RFC asks. */
static bool print_now(unsigned char *to)
{
    time_t now = time(NULL);

    if (now == (time_t)-1)
        return false;
    print_seconds(to, now);
    return true;
}

static void time_opened(struct usher_conn *conn)
{
    unsigned char bytes[TIME_SIZE];

    if (print_now(bytes))
        usher_write(conn, bytes, sizeof(bytes));
    usher_end(conn);
}

static void time_datagram(struct usher_dgram *dgram)
{
    unsigned char bytes[TIME_SIZE];

    if (print_now(bytes))
        usher_reply(dgram, bytes, sizeof(bytes));
}

USHER_SERVICE(time) = {
    USHER_SERVICE_HEADER,
    .name = "time",
    .shapes = USHER_STREAM | USHER_DATAGRAM,
    .sentence = "Tells the seconds since 1900 in four bytes (RFC 868).",
    .opened = time_opened,
    .datagram = time_datagram,
};
