/*
 * echo (RFC 862): whatever comes goes back. A `prefix` stands before every datagram, and
 * on a stream once, before the first byte that goes back.
 */
#include <string.h>

#include <usher/service.h>

struct echo_conf {
    const char *prefix;
};

struct echo_conn {
    bool has_begun;
};

static const struct usher_option echo_options[] = {
    USHER_OPTION_TEXT(struct echo_conf, prefix, "", 0, 255,
                      "Text before each datagram, and once before a stream."),
    USHER_OPTION_END
};

static size_t echo_data(struct usher_conn *conn, const void *bytes, size_t count)
{
    const struct echo_conf *conf = conn->service->conf;
    struct echo_conn *mine = conn->mine;
    const char *at = bytes;
    size_t used = 0;

    if (!mine->has_begun && conf->prefix[0] != '\0')
        usher_write(conn, conf->prefix, strlen(conf->prefix));
    mine->has_begun = true;

    while (used < count) {
        size_t room = usher_room(conn);
        size_t part = count - used < room ? count - used : room;

        if (part == 0) {
            usher_pause(conn);
            break;
        }
        usher_write(conn, at + used, part);
        used += part;
    }
    return used;
}

static void echo_drained(struct usher_conn *conn)
{
    usher_resume(conn);
}

static void echo_datagram(struct usher_dgram *dgram)
{
    const struct echo_conf *conf = dgram->service->conf;
    size_t before = strlen(conf->prefix);
    char reply[65536];

    if (before == 0) {
        usher_reply(dgram, dgram->bytes, dgram->count);
        return;
    }
    if (dgram->count > sizeof(reply) - before) {
        usher_log(dgram->service, USHER_DEBUG,
                  "no room for the prefix: datagram of %zu bytes", dgram->count);
        return;
    }
    memcpy(reply, conf->prefix, before);
    memcpy(reply + before, dgram->bytes, dgram->count);
    usher_reply(dgram, reply, before + dgram->count);
}

USHER_SERVICE(echo) = {
    USHER_SERVICE_HEADER,
    .name = "echo",
    .shapes = USHER_STREAM | USHER_DATAGRAM,
    .sentence = "Sends back whatever comes (RFC 862).",
    .options = echo_options,
    .conf_size = sizeof(struct echo_conf),
    .conn_size = sizeof(struct echo_conn),
    .data = echo_data,
    .drained = echo_drained,
    .datagram = echo_datagram,
};
