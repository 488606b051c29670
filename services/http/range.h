/* Which part of a file is asked for, and since when: the values of three header
 * fields. */
#ifndef HTTP_RANGE_H
#define HTTP_RANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define HTTP_DATE (sizeof("Sat, 21 Nov 2026 00:42:00 GMT"))

enum range_kind {
    RANGE_NONE,  /* no range, several, or nothing we understand: the whole file */
    RANGE_PART,
    RANGE_BEYOND /* it begins behind the end */
};

/* "bytes=0-99", "bytes=100-" or "bytes=-100", of a file of size bytes. */
enum range_kind http_range(const char *text, uint64_t size, uint64_t *first,
                           uint64_t *count);

void http_date(time_t at, char out[HTTP_DATE]);
/* The form that is sent today, and the two older ones; false: no such date. */
bool http_date_read(const char *text, time_t *out);

#endif
