/*
 * uppercase: whatever comes goes back in capital letters. With encoding "ascii" that is
 * the letters a to z, by arithmetic: the locale has no say, and bytes above 127 stay as
 * they are. With "utf-8" it is every letter that has a capital, of any script; one letter
 * may become two or three (a sharp s: SS), and bytes that are no character pass
 * unchanged. A character may be split between two reads, but not between two datagrams.
 */
#include <string.h>

#include <usher/service.h>

#include "../capitals.h"
#include "utf_8.h"

#define PART_SIZE 4096
#define TURN_SIZE 8192 /* of UTF-8, which takes its time: then other connections have
                          theirs */
#define DATAGRAM_MAX 65536

enum encoding { ENCODING_ASCII, ENCODING_UTF_8 };

struct uppercase_conf {
    int encoding;
};

static const struct usher_option uppercase_options[] = {
    USHER_OPTION_ENUM(struct uppercase_conf, encoding, "ascii", "ascii|utf-8",
                      "What the bytes are taken for."),
    USHER_OPTION_END
};

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static bool is_utf_8(const struct usher_instance *service)
{
    const struct uppercase_conf *conf = service->conf;

    return conf->encoding == ENCODING_UTF_8;
}

/* ---- ASCII --------------------------------------------------------------------- */

static size_t ascii_data(struct usher_conn *conn, const char *at, size_t count)
{
    char reply[PART_SIZE];
    size_t used = 0;

    while (used < count) {
        size_t part = least(least(count - used, sizeof(reply)), usher_room(conn));

        if (part == 0) {
            usher_pause(conn);
            break;
        }
        capitals(reply, at + used, part);
        usher_write(conn, reply, part);
        used += part;
    }
    return used;
}

static void ascii_datagram(struct usher_dgram *dgram)
{
    char reply[DATAGRAM_MAX];
    size_t count = least(dgram->count, sizeof(reply));

    capitals(reply, dgram->bytes, count);
    usher_reply(dgram, reply, count);
}

/* ---- UTF-8 --------------------------------------------------------------------- */

static void next_turn(struct usher_conn *conn)
{
    usher_resume(conn);
}

static size_t utf_8_data(struct usher_conn *conn, const char *at, size_t count)
{
    char reply[UTF_8_GROWTH * PART_SIZE];
    size_t used = 0;

    while (used < count) {
        size_t left = count - used, made, step;
        size_t part = least(least(left, PART_SIZE), usher_room(conn) / UTF_8_GROWTH);

        if (used >= TURN_SIZE || (part < UTF_8_CHARACTER && part < left)) {
            usher_pause(conn);
            if (used >= TURN_SIZE)
                conn->service->host->timer(conn, 0, next_turn);
            break;
        }
        step = utf_8_capitals(reply, &made, at + used, part);
        if (step == 0)
            break; /* the rest of this character is still to come */
        usher_write(conn, reply, made);
        used += step;
    }
    return used;
}

static void utf_8_datagram(struct usher_dgram *dgram)
{
    char reply[DATAGRAM_MAX + UTF_8_GROWTH * PART_SIZE];
    const char *at = dgram->bytes;
    size_t length = 0, used = 0, made, step;

    do {
        step = utf_8_capitals(reply + length, &made, at + used,
                              least(dgram->count - used, PART_SIZE));
        used += step;
        length += made;
    } while (step > 0 && length <= DATAGRAM_MAX);

    if (length + (dgram->count - used) > DATAGRAM_MAX) {
        usher_log(dgram->service, USHER_DEBUG, "the answer is above %d bytes",
                  DATAGRAM_MAX);
        return;
    }
    memcpy(reply + length, at + used, dgram->count - used);
    usher_reply(dgram, reply, length + (dgram->count - used));
}

/* ---- the service --------------------------------------------------------------- */

static size_t uppercase_data(struct usher_conn *conn, const void *bytes, size_t count)
{
    return is_utf_8(conn->service) ? utf_8_data(conn, bytes, count)
                                   : ascii_data(conn, bytes, count);
}

/* What is left is a character that nobody will finish. */
static void uppercase_finished(struct usher_conn *conn, const void *rest, size_t count)
{
    usher_write(conn, rest, count);
    usher_end(conn);
}

static void uppercase_drained(struct usher_conn *conn)
{
    usher_resume(conn);
}

static void uppercase_datagram(struct usher_dgram *dgram)
{
    if (is_utf_8(dgram->service))
        utf_8_datagram(dgram);
    else
        ascii_datagram(dgram);
}

USHER_SERVICE(uppercase) = {
    USHER_SERVICE_HEADER,
    .name = "uppercase",
    .shapes = USHER_STREAM | USHER_DATAGRAM,
    .sentence = "Sends back whatever comes, in capital letters.",
    .options = uppercase_options,
    .conf_size = sizeof(struct uppercase_conf),
    .data = uppercase_data,
    .finished = uppercase_finished,
    .drained = uppercase_drained,
    .datagram = uppercase_datagram,
};
