/* Capitals of UTF-8. */
#ifndef UPPERCASE_UTF_8_H
#define UPPERCASE_UTF_8_H

#include <stddef.h>

#define UTF_8_GROWTH 3    /* a letter's capitals have at most three times its bytes */
#define UTF_8_CHARACTER 4 /* bytes of the longest character */

/*
 * Puts the capitals of count bytes into to, which has room for UTF_8_GROWTH times as
 * many. Bytes that are no character pass unchanged. Returns how many bytes were used:
 * all, but for a character whose end is missing.
 */
size_t utf_8_capitals(char *to, size_t *made, const char *from, size_t count);

#endif
