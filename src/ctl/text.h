/*
 * Texts for a terminal: escaped, short, and in lines of 80 columns.
 */
#ifndef CTL_TEXT_H
#define CTL_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TEXT_ROOM 512 /* the longest path, escaped */
#define TEXT_COLUMNS 80

/* Printable, whoever wrote it; NULL is "". A long one ends with "...". Returns out. */
char *text_safe_in(char *out, size_t room, const char *text);
char *text_safe(char out[TEXT_ROOM], const char *text);

/* Five columns at most: "99999", "123k", "12.3M"; bytes count by 1024: "1.5k", "4.0G". */
char *text_count(char *out, size_t room, int64_t count);
char *text_bytes(char *out, size_t room, int64_t bytes);
/* To be read, two units at most: "0.2s", "59s", "4m 10s", "3h 12m", "12d 3h". */
char *text_time(char *out, size_t room, int64_t ms);

/* Wall time: "2026-11-21 14:05:00" here, or "2026-11-21T13:05:00Z" in UTC, for
 * programs. */
#define TEXT_DATE 32
char *text_date(char out[TEXT_DATE], int64_t seconds, bool is_utc);

/* A line of many words to standard output: what does not fit goes on in the next,
 * indented. */
struct text_line {
    size_t indent, column;
};
/* padded to the indent */
void text_begin(struct text_line *line, const char *head, size_t indent);
void text_word(struct text_line *line, const char *word);
void text_end(struct text_line *line);

#endif
