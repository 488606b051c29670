/*
 * http: a folder of files, on libmicrohttpd. The library has no thread and no listening socket
 * here: it is handed each connection, the worker's loop watches its epoll descriptor and keeps its
 * timer, and a connection goes back to the host when the library has closed it.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <microhttpd.h>

#include <usher/service.h>

#include "answer.h"

#define MEMORY 16384 /* bytes for a request's head and an answer's, per connection */

struct http_conf {
    const char *root;
    const char *index;
    int64_t timeout;
};

static const struct usher_option http_options[] = {
    USHER_OPTION_TEXT(struct http_conf, root, "", 0, PATH_MAX - 1,
                      "The folder whose files are shown, an absolute path; not set: only a "
                      "page about usher."),
    USHER_OPTION_TEXT(struct http_conf, index, "index.html", 1, NAME_MAX,
                      "The file that stands for the folder it is in."),
    USHER_OPTION_DURATION(struct http_conf, timeout, "30s", 1000, 3600000,
                          "How long a request may take to arrive, and an answer may stand "
                          "still."),
    USHER_OPTION_END
};

struct visit {
    struct usher_conn *conn;
    struct visit *next; /* of those that are over */
    int fd;
};

/* One service in one worker. */
struct http {
    const struct usher_instance *service;
    struct MHD_Daemon *daemon;
    struct site site;
    struct visit *adding; /* the one that is being handed over */
    struct visit *over;   /* closed by the library, not given back yet */
};

static const struct usher_host *host_of(const struct http *http)
{
    return http->service->host;
}

/* ---- the library's loop inside ours -------------------------------------------------------- */

static void loop_timer(const struct usher_instance *service);

/* It closes a socket after it told us: only then the host may have the connection back. */
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

static void loop_timer(const struct usher_instance *service)
{
    drive(service->state);
}

static void loop_ready(const struct usher_instance *service, int fd, unsigned what)
{
    (void)fd, (void)what;
    drive(service->state);
}

/* ---- what the library tells ---------------------------------------------------------------- */

static struct visit *visit_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

    return info->socket_context;
}

/* The library sees the end and closes. Its own timeout counts from the last byte; ours is for the
 * whole request, so that one byte now and then holds no place for long. */
static void too_slow(struct usher_conn *conn)
{
    const struct visit *visit = conn->mine;

    shutdown(visit->fd, SHUT_RDWR);
}

static void await_request(struct http *http, const struct visit *visit)
{
    const struct http_conf *conf = http->service->conf;

    host_of(http)->timer(visit->conn, conf->timeout, too_slow);
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
    visit->next = http->over;
    http->over = visit;
}

static bool has_body(struct MHD_Connection *connection)
{
    const char *length = MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
                                                     MHD_HTTP_HEADER_CONTENT_LENGTH);

    return (length != NULL && strcmp(length, "0") != 0) ||
           MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
                                       MHD_HTTP_HEADER_TRANSFER_ENCODING) != NULL;
}

/* Comes once when the head is there, and again when the body is. Who is answered the first time
 * loses the connection: so are those with a body, which nobody here wants to read. */
static enum MHD_Result request_came(void *context, struct MHD_Connection *connection,
                                    const char *target, const char *method, const char *version,
                                    const char *body, size_t *body_count, void **request)
{
    static char head_seen;
    struct http *http = context;

    (void)version, (void)body, (void)body_count;
    if (*request == NULL && !has_body(connection)) {
        *request = &head_seen;
        return MHD_YES;
    }
    host_of(http)->timer(visit_of(connection)->conn, -1, too_slow);
    return answer(&http->site, connection, method, target);
}

static void request_completed(void *context, struct MHD_Connection *connection, void **request,
                              enum MHD_RequestTerminationCode how)
{
    (void)request, (void)how;
    await_request(context, visit_of(connection));
}

/* Targets come as they were sent: path.c decodes them, once. */
static size_t keep_escapes(void *context, struct MHD_Connection *connection, char *text)
{
    (void)context, (void)connection;
    return strlen(text);
}

__attribute__((format(printf, 2, 0))) static void library_log(void *context, const char *format,
                                                              va_list args)
{
    const struct http *http = context;

    host_of(http)->log(http->service, USHER_DEBUG, format, args);
}

/* ---- the service ---------------------------------------------------------------------------- */

static int http_check(const void *conf, char *error, size_t room)
{
    const struct http_conf *http = conf;

    if (http->root[0] != '\0' && http->root[0] != '/') {
        snprintf(error, room, "root: \"%s\" is not an absolute path", http->root);
        return -1;
    }
    if (strchr(http->index, '/') != NULL || http->index[0] == '.') {
        snprintf(error, room, "index: \"%s\" is not the name of a file", http->index);
        return -1;
    }
    return 0;
}

static int open_root(struct http *http, const struct http_conf *conf)
{
    http->site = (struct site){ .name = http->service->name, .root = -1, .index = conf->index };
    if (conf->root[0] == '\0')
        return 0;
    http->site.root = open(conf->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (http->site.root != -1)
        return 0;
    usher_log(http->service, USHER_ERROR, "fail root=%s error=\"%m\"", conf->root);
    return -1;
}

static int start_library(struct http *http, const struct http_conf *conf)
{
    http->daemon = MHD_start_daemon(
        MHD_USE_NO_LISTEN_SOCKET | MHD_USE_EPOLL | MHD_USE_ERROR_LOG, 0, NULL, NULL,
        request_came, http,
        MHD_OPTION_EXTERNAL_LOGGER, library_log, http,
        MHD_OPTION_NOTIFY_CONNECTION, connection_changed, http,
        MHD_OPTION_NOTIFY_COMPLETED, request_completed, http,
        MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, http,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)INT_MAX, /* the row has one */
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)((conf->timeout + 999) / 1000),
        MHD_OPTION_STRICT_FOR_CLIENT, 1,
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

static void http_close(void *state)
{
    struct http *http = state;

    if (http->daemon != NULL)
        MHD_stop_daemon(http->daemon);
    if (http->site.root != -1)
        close(http->site.root);
    free(http);
}

static int http_open(const struct usher_instance *service, void **state)
{
    const struct http_conf *conf = service->conf;
    struct http *http = calloc(1, sizeof(*http));

    if (http == NULL)
        return -1;
    http->service = service;
    if (open_root(http, conf) == -1 || start_library(http, conf) == -1 ||
        watch_library(http) == -1) {
        http_close(http);
        return -1;
    }
    *state = http;
    return 0;
}

/* The library takes the descriptor over in any case: it closes it where it fails, and then it may
 * have told us of a connection already, or not. */
static void hand_to_library(struct http *http, struct visit *visit, struct usher_address *peer)
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

static void http_opened(struct usher_conn *conn)
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
    await_request(http, visit);
    hand_to_library(http, visit, &peer);
    drive(http);
}

USHER_SERVICE(http) = {
    USHER_SERVICE_HEADER,
    .name = "http",
    .shapes = USHER_STREAM,
    .needs = USHER_NEEDS_FILES | USHER_NEEDS_STREAM_LOOP,
    .sentence = "Shows a folder of files (HTTP/1.1).",
    .options = http_options,
    .conf_size = sizeof(struct http_conf),
    .conn_size = sizeof(struct visit),
    .check = http_check,
    .open = http_open,
    .close = http_close,
    .opened = http_opened,
};
