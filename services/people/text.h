/*
 * Text for strangers, in a buffer of the caller's: 7-bit printable bytes in lines that
 * end with CRLF, whatever the source holds (RFC 1288, 3.3). What does not fit is left
 * out. Shared by the services that tell about people.
 */
#ifndef PEOPLE_TEXT_H
#define PEOPLE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

struct text {
    char *at;
    size_t count, room;
    bool is_full; /* something was left out */
};

/* An empty text; borrows at, room bytes. */
struct text text_in(char *at, size_t room);
/* Part of a line, at most max bytes of it: control bytes are left out, a tab becomes a
 * blank, a character that is not ASCII becomes "?". */
void text_add(struct text *text, const char *from, size_t max);
/* The same, and blanks up to width. */
void text_add_padded(struct text *text, const char *from, size_t max, size_t width);
void text_end_line(struct text *text);
/* "head: value" and the end of the line. */
void text_field(struct text *text, const char *head, const char *value, size_t max);
/* Many lines, count bytes with any line ends; the last one gets an end where it has none.
 * Tabs stay. */
void text_add_lines(struct text *text, const char *from, size_t count);

#endif
