/*
 * chargen (RFC 864): the 95 printable characters as a ring, in lines of 72, each line
 * beginning one character later than the one before. A stream goes on until the caller
 * closes it; what the caller sends is not looked at. A datagram is answered with 0 to 512
 * bytes of the pattern, their number drawn anew each time.
 *
 * After 95 lines the pattern is back at its beginning: a few such rounds lie ready and
 * are always written as a whole, so that a connection has nothing to remember.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <usher/service.h>

#define RING 95
#define FIRST ' '
#define LINE 72
#define LINE_SIZE (LINE + 2)
#define ROUND_SIZE ((size_t)RING * LINE_SIZE)
#define ROUNDS 9 /* together just below 65536, the room that a write always has */
#define PATTERN_SIZE (ROUNDS * ROUND_SIZE)
#define WRITES 8 /* in one turn: others wait, too */
#define DATAGRAM_MAX 512

struct chargen {
    char pattern[PATTERN_SIZE];
};

static void make_round(char *to)
{
    for (int line = 0; line < RING; line++) {
        for (int i = 0; i < LINE; i++)
            *to++ = (char)(FIRST + (line + i) % RING);
        *to++ = '\r';
        *to++ = '\n';
    }
}

static int chargen_open(const struct usher_instance *service, void **state)
{
    struct chargen *chargen = malloc(sizeof(*chargen));

    if (chargen == NULL) {
        usher_log(service, USHER_ERROR, "no memory");
        return -1;
    }
    make_round(chargen->pattern);
    for (size_t i = 1; i < ROUNDS; i++)
        memcpy(chargen->pattern + i * ROUND_SIZE, chargen->pattern, ROUND_SIZE);
    *state = chargen;
    return 0;
}

static void chargen_close(void *state)
{
    free(state);
}

/*
 * Writes until the host must keep something: drained() goes on from there. A caller that
 * never reads costs what one write leaves behind, and no more. One that reads as fast as
 * we write gets a few writes a turn, the timer gives it the next one.
 */
static void send_some(struct usher_conn *conn)
{
    const struct chargen *chargen = conn->service->state;
    size_t whole = usher_room(conn);

    for (int i = 0; i < WRITES; i++) {
        if (usher_write(conn, chargen->pattern, PATTERN_SIZE) == -1
            || usher_room(conn) < whole)
            return;
    }
    conn->service->host->timer(conn, 0, send_some);
}

/* The caller sends no more, but may read on: only a full close is its end. */
static void chargen_finished(struct usher_conn *conn, const void *rest, size_t count)
{
    (void)conn, (void)rest, (void)count;
}

static void chargen_datagram(struct usher_dgram *dgram)
{
    const struct chargen *chargen = dgram->service->state;
    uint32_t drawn;

    if (getrandom(&drawn, sizeof(drawn), GRND_NONBLOCK) == -1)
        drawn = (uint32_t)dgram->service->host->clock_ms();
    usher_reply(dgram, chargen->pattern + drawn / (DATAGRAM_MAX + 1) % RING * LINE_SIZE,
                drawn % (DATAGRAM_MAX + 1));
}

USHER_SERVICE(chargen) = {
    USHER_SERVICE_HEADER,
    .name = "chargen",
    .shapes = USHER_STREAM | USHER_DATAGRAM,
    .sentence = "Sends the printable characters, again and again (RFC 864).",
    .open = chargen_open,
    .close = chargen_close,
    .opened = send_some,
    .finished = chargen_finished,
    .drained = send_some,
    .datagram = chargen_datagram,
};
