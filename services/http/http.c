/*
 * http: a folder of files, on libmicrohttpd.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <usher/service.h>

#include "engine.h"
#include "visit.h"

#define INDEX "index.html"

static const struct usher_option http_options[] = {
    USHER_OPTION_TEXT(
        struct http_conf, root, "", 0, PATH_MAX - 1,
        "The folder whose files are shown, an absolute path; not set: only a "
        "page about usher."),
    USHER_OPTION_TEXT(struct http_conf, index, INDEX, 1, NAME_MAX,
                      "The file that stands for the folder it is in."),
    USHER_OPTION_DURATION(
        struct http_conf, timeout, "30s", 1000, 3600000,
        "How long a request may take to arrive, and an answer may stand "
        "still."),
    USHER_OPTION_END
};

/* ---- the service ------------------------------------------------------------------- */

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
    if (http->root[0] == '\0' && strcmp(http->index, INDEX) != 0) {
        snprintf(error, room, "index: there is no root");
        return -1;
    }
    return 0;
}

static int open_root(struct http *http, const struct http_conf *conf)
{
    http->site =
        (struct site){ .name = http->service->name, .root = -1, .index = conf->index };
    if (conf->root[0] == '\0')
        return 0;
    http->site.root = open(conf->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (http->site.root != -1)
        return 0;
    usher_log(http->service, USHER_ERROR, "fail root=%s error=\"%m\"", conf->root);
    return -1;
}

static void http_close(void *state)
{
    struct http *http = state;

    engine_stop(http);
    if (http->site.root != -1)
        close(http->site.root);
    free(http);
}

static int http_open(const struct usher_instance *service, void **state)
{
    const struct http_conf *conf = service->conf;
    struct http *http = calloc(1, sizeof(*http));

    if (http == NULL) {
        usher_log(service, USHER_ERROR, "no memory");
        return -1;
    }
    http->service = service;
    if (open_root(http, conf) == -1 || engine_start(http) == -1) {
        http_close(http);
        return -1;
    }
    *state = http;
    return 0;
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
    .opened = engine_opened,
};
