/*
 * Names of the table into numbers: hosts, ports, users, groups. Only the reader does
 * this; it may block on the resolver, and the master limits its time. Texts that are
 * numeric ask nobody.
 */
#ifndef CONF_RESOLVE_H
#define CONF_RESOLVE_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/addr.h"
#include "base/err.h"

#define RESOLVE_HOSTS 16 /* addresses of one name that are used */

/* family: AF_UNSPEC, AF_INET, AF_INET6. "*" is all addresses of each family. Ports are 0.
 * out has room for RESOLVE_HOSTS; yields how many, never 0, or -1. */
int resolve_host(const char *host, int family, struct usher_address *out,
                 struct err *err);
/* A number, or a name of the services file; protocol: "tcp" or "udp", NULL: of either. */
int resolve_port(const char *port, const char *protocol, unsigned *out, struct err *err);
/* "HOST:PORT": the first address of the host. */
int resolve_address(const char *text, struct usher_address *out, struct err *err);
/* A name, or a number; gid_out: the user's own group, (gid_t)-1 where a number has no
 * entry. */
int resolve_user(const char *user, uid_t *uid_out, gid_t *gid_out, struct err *err);
/* The user's name, or the number. Caller frees. */
char *resolve_user_name(uid_t uid);
int resolve_group(const char *group, gid_t *gid_out, struct err *err);

#endif
