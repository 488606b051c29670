/*
 * uppercase: whatever comes goes back with the letters a to z as capitals. ASCII only, by
 * arithmetic: the locale has no say, and bytes above 127 stay as they are.
 */
#include <stdio.h>

#include <usher/service.h>

#define PART_SIZE 4096

enum encoding { ENCODING_ASCII, ENCODING_UTF_8 };

struct uppercase_conf {
    int encoding;
};

static const struct usher_option uppercase_options[] = {
    USHER_OPTION_ENUM(struct uppercase_conf, encoding, "ascii", "ascii|utf-8",
                      "What the bytes are taken for."),
    USHER_OPTION_END
};

static int uppercase_check(const void *conf, char *error, size_t room)
{
    const struct uppercase_conf *uppercase = conf;

    if (uppercase->encoding == ENCODING_ASCII)
        return 0;
    snprintf(error, room, "encoding: \"utf-8\" is not in this version yet");
    return -1;
}

static void capitals(char *to, const char *from, size_t count)
{
    for (size_t i = 0; i < count; i++)
        to[i] = (char)(from[i] >= 'a' && from[i] <= 'z' ? from[i] - 'a' + 'A' : from[i]);
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t uppercase_data(struct usher_conn *conn, const void *bytes, size_t count)
{
    const char *at = bytes;
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

static void uppercase_drained(struct usher_conn *conn)
{
    usher_resume(conn);
}

static void uppercase_datagram(struct usher_dgram *dgram)
{
    char reply[65536];
    size_t count = least(dgram->count, sizeof(reply));

    capitals(reply, dgram->bytes, count);
    usher_reply(dgram, reply, count);
}

USHER_SERVICE(uppercase) = {
    USHER_SERVICE_HEADER,
    .name = "uppercase",
    .shapes = USHER_STREAM | USHER_DATAGRAM,
    .sentence = "Sends back whatever comes, in capital letters.",
    .options = uppercase_options,
    .conf_size = sizeof(struct uppercase_conf),
    .check = uppercase_check,
    .data = uppercase_data,
    .drained = uppercase_drained,
    .datagram = uppercase_datagram,
};
