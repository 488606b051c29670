/*
 * Whose socket is one end of a TCP connection? The kernel knows (sock_diag), and answers
 * at once, whoever asks.
 */
#ifndef IDENT_OWNER_H
#define IDENT_OWNER_H

#include <sys/types.h>

#include <usher/service.h>

enum owner {
    OWNER_FOUND,
    OWNER_NONE,   /* no such connection, or no process holds it */
    OWNER_UNKNOWN /* the kernel did not say */
};

/* The way to ask. */
struct owner_desk {
    int fd; /* -1: closed */
    pid_t pid;
    uint32_t asked; /* how often */
};

/* -1 with errno. */
int owner_open(struct owner_desk *desk);
void owner_close(struct owner_desk *desk);
/* Who holds the end `here` of the connection between here and there, addresses with their
 * ports, of one family. Never blocks. A forked child gets a desk of its own. */
enum owner owner_find(struct owner_desk *desk, const struct usher_address *here,
                      const struct usher_address *there, uid_t *uid_out);

#endif
