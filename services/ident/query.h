/*
 * The lines of RFC 1413: "port-on-server , port-on-client", and what answers them.
 */
#ifndef IDENT_QUERY_H
#define IDENT_QUERY_H

#include <stdbool.h>
#include <stddef.h>

#define IDENT_LINE_MAX  1000 /* bytes of a query, CRLF included */
#define IDENT_REPLY_MAX 640  /* two ports, the words, a name of 512 bytes, CRLF */
#define IDENT_NAME_MAX  512

struct ident_query {
    bool is_good;  /* two ports, each 1 to 65535 */
    unsigned here; /* the port on this machine; what was read, or 0, where it is bad */
    unsigned there;
};

/* One line without its CRLF. */
void ident_query_parse(const char *line, size_t count, struct ident_query *out);

/* The reply lines, into IDENT_REPLY_MAX bytes; they return the length. error is one of
 * "INVALID-PORT", "NO-USER", "HIDDEN-USER", "UNKNOWN-ERROR". */
size_t ident_error(const struct ident_query *query, const char *error, char *to);
/* system: "UNIX" or "OTHER". In who only printable ASCII is kept, 512 bytes at most. */
size_t ident_user(const struct ident_query *query, const char *system, const char *who,
                  char *to);

#endif
