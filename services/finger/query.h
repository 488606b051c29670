/*
 * What a finger client asks (RFC 1288, 2.3): one line of a stranger's bytes becomes one
 * of a few questions. A name that came through here is letters, digits, "_", "-" and ".".
 */
#ifndef FINGER_QUERY_H
#define FINGER_QUERY_H

#include <stdbool.h>
#include <stddef.h>

#define FINGER_QUERY_MAX 512 /* bytes of a query, the end of its line included */
#define FINGER_NAME_MAX  32

enum finger_kind {
    FINGER_EVERYBODY, /* who is on? */
    FINGER_PERSON,    /* name */
    FINGER_ELSEWHERE, /* user@host: we forward nothing */
    FINGER_NOBODY,    /* no name that a person can have */
    FINGER_ENDLESS    /* longer than a query may be */
};

struct finger_query {
    enum finger_kind kind;
    bool is_long; /* "/W" */
    char name[FINGER_NAME_MAX + 1];
};

/* Looks at what has come so far, from the beginning: true when the query is there, or can
 * no more be one. How the bytes arrived makes no difference. */
bool finger_query_parse(const char *bytes, size_t count, struct finger_query *out);

#endif
