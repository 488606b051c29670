/*
 * Where a service listens. The text of the table is split here (endpoint_split); names,
 * offsets and the bind list are resolved by conf/check, which leaves concrete endpoints:
 * one protocol, one address, one socket each.
 */
#ifndef SOCK_ENDPOINT_H
#define SOCK_ENDPOINT_H

#include <stdbool.h>

#include "base/addr.h"
#include "base/err.h"

enum endpoint_kind {
    ENDPOINT_TCP,
    ENDPOINT_UDP,
    ENDPOINT_UNIX,           /* stream */
    ENDPOINT_UNIX_DGRAM,
    ENDPOINT_UNIX_SEQPACKET,
    ENDPOINT_FD              /* passed in by the service manager, by name */
};

/* The parts of "tcp6://HOST:PORT", "unix:///path", "unix://@name", "fd://NAME". */
struct endpoint_spec {
    enum endpoint_kind kind;
    int family;      /* AF_UNSPEC, or what tcp4/tcp6/udp4/udp6 say; AF_UNIX */
    char host[256];  /* without brackets; "" and "*" as written; the path or NAME
                        otherwise */
    char port[64];   /* number or name as written; "" where there is none */
};

struct endpoint {
    enum endpoint_kind kind;
    struct usher_address addr; /* empty for ENDPOINT_FD */
    char *text;                /* as the table has it; owned */
    char *name;                /* ENDPOINT_FD: NAME; otherwise NULL; owned */
    bool is_optional;          /* from `bind` or `*`: may be left out where we lack the
                                  address */
    unsigned group;            /* endpoints of a service that came from one text share a
                                  group: a port 0 is drawn once for it */
};

/* Errors name what is wrong: "echo://x: the protocol is none of tcp, tcp4, ...". */
int endpoint_split(const char *text, struct endpoint_spec *out, struct err *err);
bool endpoint_is_stream(enum endpoint_kind kind); /* has connections (TCP, stream,
                                                     seqpacket) */
const char *endpoint_kind_name(enum endpoint_kind kind); /* "tcp", ..., "unix-dgram",
                                                            "fd" */
int endpoint_kind_parse(const char *name, enum endpoint_kind *out);
/* The same socket would serve both: kind and address (or name) are equal. */
bool endpoint_equal(const struct endpoint *a, const struct endpoint *b);
/* "tcp://127.0.0.1:7", "unix:///run/x": what was opened (or will be); returns out. */
char *endpoint_print(const struct endpoint *endpoint, char *out, size_t room);
void endpoint_free(struct endpoint *endpoint);

#endif
