/*
 * From an endpoint to an open listener. Runs in the master: only socket calls, no names,
 * no peer's bytes. Listeners are close-on-exec and non-blocking.
 */
#ifndef SOCK_BIND_H
#define SOCK_BIND_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "sock/endpoint.h"

struct bind_options {
    int backlog;
    bool nodelay, keepalive, freebind;
    int defer_accept_sec;              /* 0: off */
    const char *interface;             /* NULL or "": any */
    int receive_buffer, send_buffer;   /* bytes; 0: the system's */
    unsigned socket_mode;              /* UNIX paths */
    uid_t socket_uid;                  /* (uid_t)-1: leave */
    gid_t socket_gid;                  /* (gid_t)-1: leave */
    bool beside;                       /* bind_beside() was said to who has the port */
};

/*
 * Opens, sets options, binds, listens. IPv6 sockets are IPv6 only. UDP sockets tell the
 * address a datagram was sent to. A UNIX path never shows a wider mode than socket_mode;
 * a stale socket file is replaced only when it is a socket, ours, and nobody answers on
 * it; anything else at that path is an error and stays. endpoint->addr gets the port that
 * was drawn for 0. -1: err->code is EADDRNOTAVAIL or EAFNOSUPPORT where the address is
 * not this machine's.
 */
int bind_open(struct endpoint *endpoint, const struct bind_options *options, int *fd_out,
              struct err *err);
/* Sets the options on a listener that is kept over a reload (listen() again for the
 * backlog), or was inherited. Leaves what belongs to the open file as it is (O_NONBLOCK:
 * a wait child may have it), what only bind() sees (freebind), and buffers that are 0
 * now. */
int bind_apply(int fd, const struct endpoint *endpoint,
               const struct bind_options *options, struct err *err);
/* Whether two listeners with this port stand in each other's way although they are not
 * the same: one is for all addresses of a family, the other for one of them. */
bool bind_overlaps(const struct endpoint *a, const struct endpoint *b);
/* Lets another listener of ours be opened (`beside`) while fd still has the port, until
 * it is told not to. Only processes of the same user could use that. */
int bind_beside(int fd, bool on);
/* Removes the path of a UNIX listener that is given up, if it still is the socket fd:
 * before fd is closed. */
void bind_unlink(int fd, const struct endpoint *endpoint);
/* Whether an inherited descriptor can serve: fills kind and addr from the socket itself,
 * touches nothing else of out. Close-on-exec and non-blocking are the caller's to set. */
int bind_inspect(int fd, struct endpoint *out, struct err *err);

#endif
