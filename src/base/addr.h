/*
 * Socket addresses: parse, print, compare. Never resolves a name. IPv4 mapped into IPv6
 * is shown, compared and kept as IPv4 everywhere; addr_normalize() is where that happens.
 */
#ifndef BASE_ADDR_H
#define BASE_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <usher/service.h>

#include "base/err.h"

#define ADDR_TEXT 160 /* room for an address as text; a longer one ends with "..." */

/* Numeric only: "127.0.0.1", "::1", "fe80::1%eth0" (brackets allowed around IPv6). */
int addr_parse_host(const char *text, struct usher_address *out, struct err *err);
/* "127.0.0.1:7", "[::1]:7". */
int addr_parse(const char *text, struct usher_address *out, struct err *err);
/* A UNIX path, or "@name" for an abstract one. */
int addr_parse_unix(const char *path, struct usher_address *out, struct err *err);

void addr_normalize(struct usher_address *addr);      /* v4-mapped becomes IPv4 */
unsigned addr_port(const struct usher_address *addr); /* 0 for UNIX */
void addr_set_port(struct usher_address *addr, unsigned port);
/* The port too. */
bool addr_equal(const struct usher_address *a, const struct usher_address *b);
/* All UNIX addresses are of one host. */
bool addr_same_host(const struct usher_address *a, const struct usher_address *b);
bool addr_is_any(const struct usher_address *addr);
/* UNIX too: it stays on this machine. */
bool addr_is_loopback(const struct usher_address *addr);
bool addr_is_multicast(const struct usher_address *addr); /* and 255.255.255.255 */

/* "127.0.0.1:7", "[::1]:7", "unix:/run/x", "unix:@name", "unix" (unnamed): printable. */
char *addr_print(const struct usher_address *addr, char *out, size_t room);
/* Without the port: "127.0.0.1", "::1". */
char *addr_print_host(const struct usher_address *addr, char *out, size_t room);

/* How much of a peer's address logs may show: the table's log.addresses. PREFIX is the
 * network without the port ("192.0.2.0/24", "2001:db8:1::/48", UNIX as it is), NONE is
 * "-". */
enum addr_privacy { ADDR_FULL, ADDR_PREFIX, ADDR_NONE };
/* Of this process; for addr_print_log(). */
void addr_set_privacy(enum addr_privacy privacy);
char *addr_print_log(const struct usher_address *addr, char *out, size_t room);

#endif
