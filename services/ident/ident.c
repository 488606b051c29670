/*
 * ident (RFC 1413): whose is the connection between that port here and that port over
 * there? Asked only by the other end, and only about connections between the two. Without
 * options the answer is HIDDEN-USER, and nothing is looked up.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <usher/service.h>

#include "names.h"
#include "owner.h"
#include "query.h"

#define QUERIES_A_TURN 32 /* then the other connections have theirs */

enum reply { REPLY_HIDDEN, REPLY_UID, REPLY_NAME };

struct ident_conf {
    int reply;
};

static const struct usher_option ident_options[] = {
    USHER_OPTION_ENUM(struct ident_conf, reply, "hidden", "hidden|uid|name",
                      "What is told of the owner: nothing, the user id, or the name."),
    USHER_OPTION_END
};

struct ident {
    struct owner_desk desk; /* closed where nothing is looked up */
    struct names names;
};

/* ---- queries ------------------------------------------------------------------- */

static void set_port(struct usher_address *address, unsigned port)
{
    in_port_t wire = htons((uint16_t)port);

    if (address->storage.ss_family == AF_INET)
        ((struct sockaddr_in *)(void *)&address->storage)->sin_port = wire;
    else if (address->storage.ss_family == AF_INET6)
        ((struct sockaddr_in6 *)(void *)&address->storage)->sin6_port = wire;
}

static enum owner find_owner(struct usher_conn *conn, const struct ident_query *query,
                             uid_t *uid_out)
{
    struct ident *ident = conn->service->state;
    struct usher_address here, there;

    conn->service->host->local(conn, &here);
    conn->service->host->peer(conn, &there);
    set_port(&here, query->here);
    set_port(&there, query->there);
    return owner_find(&ident->desk, &here, &there, uid_out);
}

static size_t answer_owner(struct usher_conn *conn, const struct ident_query *query,
                           char *to)
{
    const struct ident_conf *conf = conn->service->conf;
    const struct ident *ident = conn->service->state;
    const char *name = NULL;
    char number[16];
    uid_t uid = 0;

    switch (find_owner(conn, query, &uid)) {
    case OWNER_NONE:
        return ident_error(query, "NO-USER", to);
    case OWNER_UNKNOWN:
        return ident_error(query, "UNKNOWN-ERROR", to);
    case OWNER_FOUND:
        break;
    }
    if (conf->reply == REPLY_NAME)
        name = names_find(&ident->names, uid);
    if (name != NULL)
        return ident_user(query, "UNIX", name, to);
    snprintf(number, sizeof(number), "%u", (unsigned)uid);
    return ident_user(query, "OTHER", number, to); /* a number is no name to write to */
}

static void answer(struct usher_conn *conn, const char *line, size_t count)
{
    const struct ident_conf *conf = conn->service->conf;
    char reply[IDENT_REPLY_MAX];
    struct ident_query query;
    size_t length;

    ident_query_parse(line, count, &query);
    if (!query.is_good)
        length = ident_error(&query, "INVALID-PORT", reply);
    else if (conf->reply == REPLY_HIDDEN)
        length = ident_error(&query, "HIDDEN-USER", reply);
    else
        length = answer_owner(conn, &query, reply);
    usher_write(conn, reply, length);
}

/* ---- connections --------------------------------------------------------------- */

/* Answers the line that begins here; returns its size, 0: its end has not come. A line
 * that is too long ends the connection, so that its tail is never taken for a query. */
static size_t answer_line(struct usher_conn *conn, const char *at, size_t count)
{
    const char *end = memchr(at, '\n', count < IDENT_LINE_MAX ? count : IDENT_LINE_MAX);
    size_t length;

    if (end == NULL && count < IDENT_LINE_MAX)
        return 0;
    if (end == NULL) {
        usher_log(conn->service, USHER_DEBUG, "query longer than %d bytes",
                  IDENT_LINE_MAX);
        usher_end(conn);
        return count;
    }
    length = (size_t)(end - at);
    answer(conn, at, length > 0 && at[length - 1] == '\r' ? length - 1 : length);
    return length + 1;
}

static void next_turn(struct usher_conn *conn)
{
    usher_resume(conn);
}

static size_t ident_data(struct usher_conn *conn, const void *bytes, size_t count)
{
    const char *at = bytes;
    size_t used = 0, size = 1;

    for (int left = QUERIES_A_TURN; size > 0 && used < count; left--) {
        if (left == 0 || usher_room(conn) < IDENT_REPLY_MAX) {
            usher_pause(conn);
            conn->service->host->timer(conn, 0, next_turn);
            break;
        }
        size = answer_line(conn, at + used, count - used);
        used += size;
    }
    return used;
}

/* ---- the service --------------------------------------------------------------- */

static void ident_close(void *state)
{
    struct ident *ident = state;

    owner_close(&ident->desk);
    names_free(&ident->names);
    free(ident);
}

static int ident_open(const struct usher_instance *service, void **state)
{
    const struct ident_conf *conf = service->conf;
    struct ident *ident = calloc(1, sizeof(*ident));

    if (ident == NULL) {
        usher_log(service, USHER_ERROR, "no memory");
        return -1;
    }
    ident->desk.fd = -1;
    if (conf->reply == REPLY_NAME && names_read(&ident->names) == -1) {
        usher_log(service, USHER_ERROR, "no memory for %zu names", ident->names.count);
        ident_close(ident);
        return -1;
    }
    if (conf->reply != REPLY_HIDDEN && owner_open(&ident->desk) == -1) {
        usher_log(service, USHER_ERROR, "no way to ask for owners: %s", strerror(errno));
        ident_close(ident);
        return -1;
    }
    *state = ident;
    return 0;
}

USHER_SERVICE(ident) = {
    USHER_SERVICE_HEADER,
    .name = "ident",
    .shapes = USHER_STREAM,
    .sentence = "Tells a peer who owns the connections it has with us (RFC 1413).",
    .needs = USHER_NEEDS_NETWORK,
    .options = ident_options,
    .conf_size = sizeof(struct ident_conf),
    .max_input = IDENT_LINE_MAX + 24,
    .open = ident_open,
    .close = ident_close,
    .data = ident_data,
};
