/*
 * Quotes, ready to be told: printable ASCII in lines that end with CRLF, each quote below
 * 512 bytes.
 */
#ifndef QOTD_QUOTES_H
#define QOTD_QUOTES_H

#include <stddef.h>

#define QUOTES_FILE_MAX ((size_t)1024 * 1024)
#define QUOTES_LONGEST 511

struct quote {
    size_t at, count; /* in the text */
};

struct quotes {
    char *text;
    struct quote *all;
    size_t count;
    size_t left_out;
};

/* The quotes of a file as fortune(6) has it; path NULL: a few of our own. -1: errno, and
 * quotes are to be freed all the same. */
int quotes_learn(struct quotes *quotes, const char *path);
void quotes_free(struct quotes *quotes);

#endif
