/*
 * libmicrohttpd in a worker. It has no thread and no listening socket here: it is handed
 * each connection, the worker's loop watches its epoll descriptor and keeps its timer,
 * and a connection goes back to the host when the library has closed it.
 */
#ifndef HTTP_ENGINE_H
#define HTTP_ENGINE_H

#include <stdbool.h>

#include <usher/service.h>

#include "answer.h"

struct http_conf {
    const char *root;
    const char *index;
    int64_t timeout;
};

struct visit;

/* One service in one worker; all but the first two is the engine's. */
struct http {
    const struct usher_instance *service;
    struct site site;
    struct MHD_Daemon *daemon;
    struct visit *adding; /* the one that is being handed over */
    struct visit *over;   /* closed by the library, not given back yet */
};

/* -1: said in the log; engine_stop() is still due. */
int engine_start(struct http *http);
void engine_stop(struct http *http);
/* It has something left to do that it waits for nobody with. */
bool engine_is_busy(const struct http *http);
/* A caller is here, with a struct visit of his own: from now on he is the library's. */
void engine_opened(struct usher_conn *conn);

#endif
