/*
 * The tokens of a table file, with their lines: what conf/source scans before libconfig
 * sees the bytes, and what conf/syntax checks. Knows libconfig's comments (#, //, and
 * C's), texts, numbers and punctuation; keeps numbers as they were written. Allocates
 * nothing but in lex_text().
 */
#ifndef CONF_LEX_H
#define CONF_LEX_H

#include <stdbool.h>
#include <stddef.h>

enum lex_kind {
    LEX_END,
    LEX_NAME,
    LEX_TEXT,   /* at..length: between the quotes, escapes as written */
    LEX_NUMBER, /* as written: sign, 0x, L and fractions included */
    LEX_BOOL,
    LEX_PUNCT, /* one of { } [ ] ( ) = : ; , */
    LEX_BAD_NUMBER, /* stands where a number would; `what` says what is wrong with it */
    LEX_BAD         /* `what` says what is wrong; the next call goes on behind it */
};

struct lex_token {
    enum lex_kind kind;
    unsigned line;
    const char *at;
    size_t length;
    const char *what; /* LEX_BAD and LEX_BAD_NUMBER only; a constant */
};

/* The `what` of a number that libconfig would take for octal, or not. */
extern const char lex_octal[];

struct lex {
    const char *at, *end;
    unsigned line;
};

/* bytes stay the caller's and must outlive the tokens. */
void lex_init(struct lex *lex, const char *bytes, size_t count);
struct lex_token lex_next(struct lex *lex);
bool lex_is(const struct lex_token *token, char punct);
/* A number's kind, by how it is written. */
bool lex_is_fraction(const struct lex_token *token);
/* The text with its escapes resolved, as libconfig reads it. Caller frees. */
char *lex_text(const struct lex_token *token);

#endif
