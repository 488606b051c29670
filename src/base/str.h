/*
 * Bounded text building, and the strict number readers that everything in the program
 * uses: nothing wraps, nothing is guessed, the whole text must be used.
 */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A text being built in somebody else's buffer; is_cut says that something is missing. */
struct str {
    char *at;
    size_t room, length;
    bool is_cut;
};

void str_init(struct str *s, char *buffer, size_t room); /* room > 0; at is "" */
__attribute__((format(printf, 2, 3))) void str_add(struct str *s, const char *format,
                                                   ...);
void str_add_bytes(struct str *s, const char *bytes, size_t count);

/* Copies, cuts, always ends with NUL; returns whether all fitted. */
bool str_copy(char *out, size_t room, const char *text);
bool str_starts(const char *text, const char *prefix);
bool str_is_printable(const char *text);
/* The same, and UTF-8 that is whole and no control character: what a terminal may be
 * shown. */
bool str_is_readable(const char *text);

/* Decimal digits only ("-" allowed where min < 0), no leading zeros, min..max. */
int str_to_int(const char *text, int64_t min, int64_t max, int64_t *out);
/* "512", "64k", "1M", "2G" (1024s) -> bytes. 0, or -1 (syntax or overflow). */
int str_to_size(const char *text, uint64_t *out);
/* "500ms", "30s", "5m", "2h" -> milliseconds; a bare number is refused. "none" is -1. */
int str_to_duration(const char *text, int64_t *ms_out);
/* "0660": a leading 0 and octal digits, up to 07777. */
int str_to_mode(const char *text, unsigned *out);
/* The shortest exact text of a value, readable by the above; returns out. */
char *str_size(char *out, size_t room, uint64_t bytes);
char *str_duration(char *out, size_t room, int64_t ms);

/* The candidate that differs least from word (edit distance, at most 1 + length/3), or
 * NULL. candidates ends with NULL. */
const char *str_nearest(const char *word, const char *const *candidates);

#endif
