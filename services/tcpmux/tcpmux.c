/*
 * tcpmux (RFC 1078): the caller's first line names a service, and that service goes on
 * with the connection. Only rows marked `tcpmux = true` can be had, each by its own
 * rules: the host hands the connection over, and whoever takes it answers "+". What comes
 * behind the line is not ours: it is never read here.
 */
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include <usher/service.h>

#define MUX_LINE 256 /* with its end */

#define NOT_AVAILABLE "-Service not available\r\n"
#define TOO_LONG      "-Line too long\r\n"

struct tcpmux_conf {
    int64_t deadline;
};

static const struct usher_option tcpmux_options[] = {
    USHER_OPTION_DURATION(struct tcpmux_conf, deadline, "10s", 100, 3600000,
                          "How long a caller may take to name a service."),
    USHER_OPTION_END
};

static void refuse(struct usher_conn *conn, const char *line)
{
    usher_write(conn, line, strlen(line));
    usher_end(conn);
}

static void too_slow(struct usher_conn *conn)
{
    usher_end(conn);
}

static void tcpmux_opened(struct usher_conn *conn)
{
    const struct tcpmux_conf *conf = conn->service->conf;

    conn->service->host->timer(conn, conf->deadline, too_slow);
}

static void list(struct usher_conn *conn)
{
    const struct usher_host *host = conn->service->host;
    const char *name;

    for (size_t i = 0; (name = host->offered(conn->service, i)) != NULL; i++) {
        usher_write(conn, name, strlen(name));
        usher_write(conn, "\r\n", 2);
    }
    usher_end(conn);
}

/* A name holds no NUL: one would hide the rest of the line. */
static void answer(struct usher_conn *conn, const char *line, size_t count)
{
    char name[MUX_LINE];

    if (memchr(line, '\0', count) != NULL) {
        refuse(conn, NOT_AVAILABLE);
        return;
    }
    memcpy(name, line, count);
    name[count] = '\0';
    if (strcasecmp(name, "help") == 0)
        list(conn);
    else if (conn->service->host->hand_over(conn, name) == -1)
        refuse(conn, NOT_AVAILABLE);
}

/* CRLF ends the line; LF alone does too, as people type it. */
static size_t tcpmux_data(struct usher_conn *conn, const void *bytes, size_t count)
{
    const char *line = bytes;
    const char *end = memchr(line, '\n', count < MUX_LINE ? count : MUX_LINE);
    size_t length;

    if (end == NULL) {
        if (count >= MUX_LINE)
            refuse(conn, TOO_LONG);
        return 0;
    }
    length = (size_t)(end - line);
    answer(conn, line, length > 0 && end[-1] == '\r' ? length - 1 : length);
    return length + 1;
}

USHER_SERVICE(tcpmux) = {
    USHER_SERVICE_HEADER,
    .name = "tcpmux",
    .shapes = USHER_STREAM,
    .needs = USHER_NEEDS_HAND_OVER,
    .sentence = "Gives callers the service they name (RFC 1078).",
    .options = tcpmux_options,
    .conf_size = sizeof(struct tcpmux_conf),
    .max_input = MUX_LINE,
    .opened = tcpmux_opened,
    .data = tcpmux_data,
};
