/*
 * uppercase: whatever comes goes back in capital letters. With encoding "ascii" that is
 * the letters a to z, by arithmetic: the locale has no say, and bytes above 127 stay as
 * they are. With "utf-8" it is every letter that has a capital, of any script; one letter
 * may become two or three (a sharp s: SS), and bytes that are no character pass
 * unchanged. A character may be split between two reads, but not between two datagrams.
 */
#include <stdlib.h>
#include <string.h>
#include <unicase.h>
#include <unistr.h>

#include <usher/service.h>

#define PART_SIZE 4096
#define GROWTH 3      /* a letter's capitals have at most three times its bytes */
#define CHARACTER 4   /* bytes of the longest character */
#define CAPITALS_SIZE 32 /* of one character: more than there can be */
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

static void capitals(char *to, const char *from, size_t count)
{
    for (size_t i = 0; i < count; i++)
        to[i] = (char)(from[i] >= 'a' && from[i] <= 'z' ? from[i] - 'a' + 'A' : from[i]);
}

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

/* Puts the capitals of one whole character into to; returns how many bytes they have. */
static size_t capitals_of(char *to, const char *from, size_t count)
{
    uint8_t buffer[CAPITALS_SIZE];
    size_t length = sizeof(buffer);
    uint8_t *made =
        u8_toupper((const uint8_t *)from, count, NULL, NULL, buffer, &length);

    /* No memory, or not of our size: the character stays what it is. */
    if (made != buffer || length > GROWTH * count) {
        if (made != buffer)
            free(made);
        memcpy(to, from, count);
        return count;
    }
    memcpy(to, buffer, length);
    return length;
}

/*
 * Puts the capitals of count bytes into to, which has room for GROWTH times as many.
 * Returns how many bytes were used: all, but for a character whose end is missing.
 */
static size_t utf_8_capitals(char *to, size_t *made, const char *from, size_t count)
{
    size_t used = 0;

    *made = 0;
    while (used < count) {
        const char *at = from + used;
        ucs4_t character;
        int length = 1;

        if ((unsigned char)*at < 0x80) {
            capitals(to + (*made)++, at, 1);
        } else {
            length = u8_mbtoucr(&character, (const uint8_t *)at, count - used);
            if (length == -2)
                break;
            if (length == -1) {
                length = 1;
                to[(*made)++] = *at;
            } else {
                *made += capitals_of(to + *made, at, (size_t)length);
            }
        }
        used += (size_t)length;
    }
    return used;
}

static size_t utf_8_data(struct usher_conn *conn, const char *at, size_t count)
{
    char reply[GROWTH * PART_SIZE];
    size_t used = 0;

    while (used < count) {
        size_t left = count - used, made, step;
        size_t part = least(least(left, PART_SIZE), usher_room(conn) / GROWTH);

        if (part < CHARACTER && part < left) {
            usher_pause(conn);
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
    char reply[DATAGRAM_MAX + GROWTH * PART_SIZE];
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
