/*
 * How long a caller may take. A request has a deadline as a whole, so that one byte now
 * and then holds no place for long. An answer goes on for as long as the client takes
 * some of it: the kernel is asked, since what the library can write says little (it may
 * write again when a third of a large buffer is free).
 */
#ifndef HTTP_VISIT_H
#define HTTP_VISIT_H

#include <stdbool.h>
#include <stdint.h>

#include <usher/service.h>

struct visit {
    struct usher_conn *conn;
    struct visit *next;     /* of those that are over */
    const char *target_end; /* of the request that arrives, in the library's memory */
    char *query;            /* of the same, behind its mark; NULL: none */
    uint64_t taken;         /* what stands for how much the client had taken at the last
                               look */
    uint64_t ahead;         /* bytes that its kernel took faster than anybody need read */
    int fd;
    unsigned still;         /* looks that found no more */
    char query_begin;       /* while it is hidden from the library */
    bool is_written;        /* the answer; the client may be behind */
};

/* From now on a request may arrive; everything before it is written. */
void visit_await(struct visit *visit);
/* It is there, and its answer begins. */
void visit_answer(struct visit *visit);
/* The library is about to close it. */
void visit_leave(const struct visit *visit);

#endif
