/*
 * skeleton: a first plugin, to copy. It greets: a line "Ann" is answered "Hello, Ann!",
 * in UDP every datagram is a line. What a service needs is here once, in the order of a
 * connection's life; strike out what yours does not need. doc/PLUGIN.md goes through it.
 *
 * A plugin includes <usher/service.h> and no other header of the daemon.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <usher/service.h>

#define LINE_MAX_SIZE 512 /* line end included */

/*
 * The options: a struct, and a row for each field. The table is checked against the rows
 * before any worker starts, so code below meets good values only.
 */
struct skeleton_conf {
    const char *greeting;
    unsigned max_lines;
    bool shout;
};

static const struct usher_option skeleton_options[] = {
    USHER_OPTION_TEXT(struct skeleton_conf, greeting, "Hello", 1, 64,
                      "Text before the name."),
    USHER_OPTION_UINT(struct skeleton_conf, max_lines, "0", 0, 1000000, "lines",
                      "Lines answered on a connection before we close; 0: no limit."),
    USHER_OPTION_BOOL(struct skeleton_conf, shout, "false", "Greet with three marks."),
    USHER_OPTION_END
};

/* What each connection remembers: placed and zeroed by the host, see conn_size below. */
struct skeleton_conn {
    unsigned lines;
};

/* What the service remembers in one worker, for all its connections. */
struct skeleton {
    const struct usher_instance *service;
    uint64_t greeted;
};

/* Rules between options, told to whoever wrote the table, with file and line. */
static int skeleton_check(const void *conf, char *error, size_t room)
{
    const struct skeleton_conf *skeleton = conf;

    if (strpbrk(skeleton->greeting, "\r\n") != NULL) {
        snprintf(error, room, "greeting: must be one line");
        return -1;
    }
    return 0;
}

/* Once in every worker, before the first caller: the place to open files. */
static int skeleton_open(const struct usher_instance *service, void **state)
{
    struct skeleton *skeleton = calloc(1, sizeof(*skeleton));

    if (skeleton == NULL) {
        usher_log(service, USHER_ERROR, "no memory");
        return -1;
    }
    skeleton->service = service;
    *state = skeleton;
    return 0;
}

static void skeleton_close(void *state)
{
    struct skeleton *skeleton = state;

    usher_log(skeleton->service, USHER_DEBUG, "greeted %llu",
              (unsigned long long)skeleton->greeted);
    free(skeleton);
}

/* Puts the answer to one line, without its end, into to; returns its length. Long lines
 * are cut: max_input bounds what is kept, not what may come at once. */
static size_t greet(const struct usher_instance *service, char *to, size_t room,
                    const char *line, size_t count)
{
    const struct skeleton_conf *conf = service->conf;
    struct skeleton *skeleton = service->state;

    skeleton->greeted++;
    if (count > LINE_MAX_SIZE)
        count = LINE_MAX_SIZE;
    return (size_t)snprintf(to, room, "%s, %.*s%s\r\n", conf->greeting, (int)count, line,
                            conf->shout ? "!!!" : "!");
}

static size_t without_line_end(const char *line, size_t count)
{
    while (count > 0 && (line[count - 1] == '\n' || line[count - 1] == '\r'))
        count--;
    return count;
}

/* A caller is here. Nothing to do; a service that speaks first would write now. */
static void skeleton_opened(struct usher_conn *conn)
{
    usher_log(conn->service, USHER_DEBUG, "a caller");
}

/* Answers the line that ends at `end`. */
static void answer_line(struct usher_conn *conn, const char *line, const char *end)
{
    const struct skeleton_conf *conf = conn->service->conf;
    struct skeleton_conn *mine = conn->mine;
    char reply[2 * LINE_MAX_SIZE];
    size_t count = without_line_end(line, (size_t)(end - line));

    usher_write(conn, reply, greet(conn->service, reply, sizeof(reply), line, count));
    if (++mine->lines == conf->max_lines)
        usher_end(conn);
}

/*
 * Bytes came: any number of lines, and perhaps a part of one. The result says how many
 * bytes were used; the others come again, with more behind them. A line that fills
 * max_input and still has no end is the host's business: it ends the connection and logs
 * why.
 */
static size_t skeleton_data(struct usher_conn *conn, const void *bytes, size_t count)
{
    const struct skeleton_conf *conf = conn->service->conf;
    const struct skeleton_conn *mine = conn->mine;
    const char *at = bytes, *stop = at + count, *end;

    while (at < stop && (end = memchr(at, '\n', (size_t)(stop - at))) != NULL) {
        if (usher_room(conn) < (size_t)2 * LINE_MAX_SIZE) {
            usher_pause(conn); /* the peer does not read; drained() goes on */
            break;
        }
        answer_line(conn, at, end);
        at = end + 1;
        if (mine->lines == conf->max_lines && mine->lines > 0)
            return count; /* ended: nothing after this counts */
    }
    return (size_t)(at - (const char *)bytes);
}

/* The peer took what was kept for it: the lines left in data() come once more. */
static void skeleton_drained(struct usher_conn *conn)
{
    usher_resume(conn);
}

/* The peer sends no more but still listens. What is left is a line without its end. */
static void skeleton_finished(struct usher_conn *conn, const void *rest, size_t count)
{
    const char *line = rest;

    if (count > 0)
        answer_line(conn, line, line + count);
    usher_end(conn);
}

/* The last callback: release what skeleton_conn owns, if it owns anything. */
static void skeleton_gone(struct usher_conn *conn, enum usher_reason reason)
{
    const struct skeleton_conn *mine = conn->mine;

    if (reason != USHER_GONE_ENDED)
        usher_log(conn->service, USHER_DEBUG, "left after %u lines", mine->lines);
}

/*
 * One datagram, at most one reply. An answer that is longer than its request is dropped
 * by the host unless the row says `amplify = true`: a sender's address may be forged.
 */
static void skeleton_datagram(struct usher_dgram *dgram)
{
    size_t count = without_line_end(dgram->bytes, dgram->count);
    char reply[2 * LINE_MAX_SIZE];

    usher_reply(dgram, reply,
                greet(dgram->service, reply, sizeof(reply), dgram->bytes, count));
}

/* The one exported symbol: everything the daemon knows of this plugin. */
USHER_SERVICE(skeleton) = {
    USHER_SERVICE_HEADER,
    .name = "skeleton",
    .shapes = USHER_STREAM | USHER_DATAGRAM,
    .sentence = "Greets whoever sends a name.",
    .options = skeleton_options,
    .conf_size = sizeof(struct skeleton_conf),
    .conn_size = sizeof(struct skeleton_conn),
    .max_input = LINE_MAX_SIZE,
    .check = skeleton_check,
    .open = skeleton_open,
    .close = skeleton_close,
    .opened = skeleton_opened,
    .data = skeleton_data,
    .finished = skeleton_finished,
    .drained = skeleton_drained,
    .gone = skeleton_gone,
    .datagram = skeleton_datagram,
};
