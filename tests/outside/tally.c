/*
 * tally: counts bytes. When the peer has finished sending, it gets the sum and the end; a
 * datagram is answered with its own length.
 */
#include <stdio.h>

#include <usher/service.h>

struct tally_conf {
    const char *unit;
};

static const struct usher_option tally_options[] = {
    USHER_OPTION_TEXT(struct tally_conf, unit, "bytes", 1, 32, "What a byte is called."),
    USHER_OPTION_END
};

struct tally_conn {
    uint64_t sum;
};

static int print_sum(const struct usher_instance *service, char *to, size_t room,
                     uint64_t sum)
{
    const struct tally_conf *conf = service->conf;

    return snprintf(to, room, "%llu %s\r\n", (unsigned long long)sum, conf->unit);
}

static size_t tally_data(struct usher_conn *conn, const void *bytes, size_t count)
{
    struct tally_conn *mine = conn->mine;

    (void)bytes;
    mine->sum += count;
    return count;
}

static void tally_finished(struct usher_conn *conn, const void *rest, size_t count)
{
    const struct tally_conn *mine = conn->mine;
    char line[80];

    (void)rest, (void)count; /* data() leaves nothing */
    usher_write(conn, line,
                (size_t)print_sum(conn->service, line, sizeof(line), mine->sum));
    usher_end(conn);
}

static void tally_datagram(struct usher_dgram *dgram)
{
    char line[80];

    usher_reply(dgram, line,
                (size_t)print_sum(dgram->service, line, sizeof(line), dgram->count));
}

USHER_SERVICE(tally) = {
    USHER_SERVICE_HEADER,
    .name = "tally",
    .shapes = USHER_STREAM | USHER_DATAGRAM,
    .sentence = "Counts bytes.",
    .options = tally_options,
    .conf_size = sizeof(struct tally_conf),
    .conn_size = sizeof(struct tally_conn),
    .data = tally_data,
    .finished = tally_finished,
    .datagram = tally_datagram,
};
