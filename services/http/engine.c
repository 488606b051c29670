#include "engine.h"

#include <limits.h>
#include <string.h>
#include <sys/socket.h>

#include <microhttpd.h>

#include "head.h"
#include "reply.h"
#include "visit.h"

/* Bytes for a request's head, its cookies once more, a record of some 70 bytes for each
 * field and cookie, and the answer's head, per connection. For more than 32 KiB the
 * library asks the kernel, for every connection, which takes as long again as all the
 * rest. */
#define MEMORY (4 * HEAD_MAX)

static const struct usher_host *host_of(const struct http *http)
{
    return http->service->host;
}

/* ---- the library's loop inside ours ------------------------------------------------ */

static void loop_timer(const struct usher_instance *service);

/* It closes a socket after it told us: only then the host may have the connection
 * back. */
static void give_back(struct http *http)
{
    struct visit *visit = http->over;

    http->over = NULL;
    while (visit != NULL) {
        struct visit *next = visit->next;

        host_of(http)->done(visit->conn);
        visit = next;
    }
}

static void drive(struct http *http)
{
    MHD_UNSIGNED_LONG_LONG ms;
    int64_t after_ms = -1;

    MHD_run(http->daemon);
    give_back(http);
    if (MHD_get_timeout(http->daemon, &ms) == MHD_YES)
        after_ms = ms < INT_MAX ? (int64_t)ms : INT_MAX;
    host_of(http)->service_timer(http->service, after_ms, loop_timer);
}

bool engine_is_busy(const struct http *http)
{
    MHD_UNSIGNED_LONG_LONG ms;

    return MHD_get_timeout(http->daemon, &ms) == MHD_YES && ms == 0;
}

static void loop_timer(const struct usher_instance *service)
{
    drive(service->state);
}

static void loop_ready(const struct usher_instance *service, int fd, unsigned what)
{
    (void)fd, (void)what;
    drive(service->state);
}

/* ---- what the library tells -------------------------------------------------------- */

static struct visit *visit_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

    return info->socket_context;
}

static void connection_changed(void *context, struct MHD_Connection *connection,
                               void **socket_context,
                               enum MHD_ConnectionNotificationCode what)
{
    struct http *http = context;
    struct visit *visit;

    (void)connection;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        *socket_context = http->adding;
        http->adding = NULL;
        return;
    }
    visit = *socket_context;
    visit_leave(visit);
    visit->next = http->over;
    http->over = visit;
}

/* The library would make a record of each part of a query, and close without a word when
 * it has no memory left for them. So it is shown an empty one, in its own buffer. */
static void hide_query(struct visit *visit)
{
    if (visit->query == NULL)
        return;
    visit->query_begin = visit->query[0];
    visit->query[0] = '\0';
}

static void show_query(struct visit *visit)
{
    if (visit->query != NULL)
        visit->query[0] = visit->query_begin;
}

/* Comes once when the head is there, and again when the body is. Who is answered the
 * first time loses the connection: so are those with a body, which nobody here wants to
 * read, and those that could be read in two ways. */
static enum MHD_Result request_came(void *context, struct MHD_Connection *connection,
                                    const char *target, const char *method,
                                    const char *version, const char *body,
                                    size_t *body_count, void **request)
{
    static char head_seen;
    struct http *http = context;
    struct head_line line = { method, target, visit_of(connection)->target_end, version };
    enum head head = *request == NULL ? head_look(connection, &line) : HEAD_PLAIN;

    (void)body, (void)body_count;
    if (*request == NULL)
        show_query(visit_of(connection));
    if (*request == NULL && head == HEAD_PLAIN) {
        *request = &head_seen;
        return MHD_YES;
    }
    visit_answer(visit_of(connection));
    if (head == HEAD_UNSURE || head == HEAD_LONG)
        return reply_status(connection,
                            head == HEAD_LONG ? MHD_HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE
                                              : MHD_HTTP_BAD_REQUEST,
                            MHD_HTTP_HEADER_CONNECTION, "close");
    return answer(&http->site, connection,
                  &(struct request){ method, target, visit_of(connection)->query });
}

static void request_completed(void *context, struct MHD_Connection *connection,
                              void **request, enum MHD_RequestTerminationCode how)
{
    (void)context, (void)request, (void)how;
    visit_await(visit_of(connection));
}

/* Targets come as they were sent: path.c decodes them, once. */
static size_t keep_escapes(void *context, struct MHD_Connection *connection, char *text)
{
    (void)context, (void)connection;
    return strlen(text);
}

/* Comes before the library takes the target apart. One with a blank in it has no end: it
 * could be read as the end of the target. */
static void *target_came(void *context, const char *target,
                         struct MHD_Connection *connection)
{
    struct visit *visit = visit_of(connection);
    const char *mark = strchr(target, '?');

    (void)context;
    visit->target_end = strpbrk(target, " \t\r") == NULL ? target + strlen(target) : NULL;
    visit->query = mark != NULL ? (char *)(uintptr_t)(mark + 1) : NULL;
    hide_query(visit);
    return NULL;
}

__attribute__((format(printf, 2, 0))) static void library_log(void *context,
                                                              const char *format,
                                                              va_list args)
{
    const struct http *http = context;

    host_of(http)->log(http->service, USHER_DEBUG, format, args);
}

/* ---- beginning and end ------------------------------------------------------------- */

static int start_library(struct http *http)
{
    http->daemon = MHD_start_daemon(
        MHD_USE_NO_LISTEN_SOCKET | MHD_USE_EPOLL | MHD_USE_ERROR_LOG, 0, NULL, NULL,
        request_came, http,
        MHD_OPTION_EXTERNAL_LOGGER, library_log, http,
        MHD_OPTION_NOTIFY_CONNECTION, connection_changed, http,
        MHD_OPTION_NOTIFY_COMPLETED, request_completed, http,
        MHD_OPTION_URI_LOG_CALLBACK, target_came, http,
        MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, http,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)INT_MAX, /* the row has one */
        MHD_OPTION_CONNECTION_TIMEOUT, 0u, /* visit.c is better at it */
        MHD_OPTION_STRICT_FOR_CLIENT, 0, /* head.c is, and answers once */
        MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1,
        MHD_OPTION_END);
    if (http->daemon != NULL)
        return 0;
    usher_log(http->service, USHER_ERROR, "fail libmicrohttpd");
    return -1;
}

static int watch_library(struct http *http)
{
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD);

    if (info != NULL &&
        host_of(http)->service_watch(http->service, info->epoll_fd, 1, loop_ready) == 0)
        return 0;
    usher_log(http->service, USHER_ERROR, "fail watch");
    return -1;
}

int engine_start(struct http *http)
{
    return start_library(http) == -1 ? -1 : watch_library(http);
}

void engine_stop(struct http *http)
{
    if (http->daemon != NULL)
        MHD_stop_daemon(http->daemon);
}

/* The library takes the descriptor over in any case: it closes it where it fails, and
 * then it may have told us of a connection already, or not. */
static void hand_to_library(struct http *http, struct visit *visit,
                            struct usher_address *peer)
{
    http->adding = visit;
    if (MHD_add_connection(http->daemon, visit->fd, (struct sockaddr *)&peer->storage,
                           peer->length) == MHD_YES)
        return;
    usher_log(http->service, USHER_ERROR, "fail connection error=\"%m\"");
    if (http->adding == NULL)
        return;
    http->adding = NULL;
    host_of(http)->done(visit->conn);
}

void engine_opened(struct usher_conn *conn)
{
    struct http *http = conn->service->state;
    struct visit *visit = conn->mine;
    struct usher_address peer;

    visit->conn = conn;
    host_of(http)->peer(conn, &peer);
    if (peer.length == 0) {
        peer.storage.ss_family = AF_UNIX;
        peer.length = sizeof(sa_family_t);
    }
    visit->fd = host_of(http)->take(conn);
    if (visit->fd == -1)
        return;
    visit_await(visit);
    hand_to_library(http, visit, &peer);
    drive(http);
}
