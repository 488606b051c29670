#include "conf/lex.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"

const char lex_octal[] = "begins with 0";

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static int hex_value(char c)
{
    if (is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

void lex_init(struct lex *lex, const char *bytes, size_t count)
{
    lex->at = bytes;
    lex->end = bytes + count;
    lex->line = 1;
}

bool lex_is(const struct lex_token *token, char punct)
{
    return token->kind == LEX_PUNCT && *token->at == punct;
}

bool lex_is_fraction(const struct lex_token *token)
{
    bool is_hex = token->length > 1 && (token->at[1] == 'x' || token->at[1] == 'X');

    return token->kind == LEX_NUMBER && !is_hex
           && (memchr(token->at, '.', token->length) != NULL
               || memchr(token->at, 'e', token->length) != NULL
               || memchr(token->at, 'E', token->length) != NULL);
}

/* ---- comments and blanks --------------------------------------------------------- */

static size_t left(const struct lex *lex)
{
    return (size_t)(lex->end - lex->at);
}

static bool begins(const struct lex *lex, const char *word)
{
    return left(lex) >= strlen(word) && memcmp(lex->at, word, strlen(word)) == 0;
}

static void skip_line(struct lex *lex)
{
    while (lex->at < lex->end && *lex->at != '\n')
        lex->at++;
}

/* false: it is not closed; the lexer is at the end then. */
static bool skip_comment(struct lex *lex)
{
    for (lex->at += 2; lex->at < lex->end; lex->at++) {
        if (*lex->at == '\n')
            lex->line++;
        if (begins(lex, "*/")) {
            lex->at += 2;
            return true;
        }
    }
    return false;
}

/* Skips what says nothing; -1: a comment that began at *line is not closed. */
static int skip_blank(struct lex *lex, unsigned *line)
{
    while (lex->at < lex->end) {
        *line = lex->line;
        if (*lex->at == '#' || begins(lex, "//")) {
            skip_line(lex);
        } else if (begins(lex, "/*")) {
            if (!skip_comment(lex))
                return -1;
        } else if (*lex->at != '\0' && strchr(" \t\r\n\f", *lex->at) != NULL) {
            lex->line += *lex->at == '\n';
            lex->at++;
        } else {
            break;
        }
    }
    return 0;
}

/* ---- tokens ---------------------------------------------------------------------- */

static struct lex_token token_of(struct lex *lex, enum lex_kind kind, size_t length)
{
    struct lex_token token = { kind, lex->line, lex->at, length, NULL };

    lex->at += length;
    return token;
}

static struct lex_token bad(struct lex *lex, size_t length, const char *what)
{
    struct lex_token token = token_of(lex, LEX_BAD, length);

    token.what = what;
    return token;
}

/* What is wrong with a byte (pair) of a text, or NULL; *step: how many bytes it takes. */
static const char *text_fault(const char *at, size_t count, size_t *step)
{
    *step = 1;
    if (*at == '\0')
        return "a NUL byte in a text";
    if (*at != '\\' || count < 2 || at[1] == '\n')
        return NULL;
    *step = 2;
    if (count >= 4 && (at[1] == 'x' || at[1] == 'X') && at[2] == '0' && at[3] == '0')
        return "\\x00 would end the text";
    return NULL;
}

static struct lex_token text_token(struct lex *lex)
{
    const char *fault = NULL;
    size_t length = 1, step;
    struct lex_token token;

    while (length < left(lex) && lex->at[length] != '"' && lex->at[length] != '\n') {
        const char *found = text_fault(lex->at + length, left(lex) - length, &step);

        if (fault == NULL)
            fault = found;
        length += step;
    }
    if (length >= left(lex) || lex->at[length] != '"')
        return bad(lex, length < left(lex) ? length : left(lex),
                   "the text is not closed on its line");
    if (fault != NULL)
        return bad(lex, length + 1, fault);
    token = token_of(lex, LEX_TEXT, length + 1);
    token.at++;
    token.length -= 2;
    return token;
}

static bool is_integer(const char *at, size_t count)
{
    size_t i = 0;

    while (i < count && is_digit(at[i]))
        i++;
    if (i == 0)
        return false;
    while (count - i > 0 && count - i <= 2 && at[i] == 'L')
        i++;
    return i == count;
}

static bool is_hex(const char *at, size_t count)
{
    size_t i = 2;

    if (count < 3 || at[0] != '0' || (at[1] != 'x' && at[1] != 'X'))
        return false;
    while (i < count && hex_value(at[i]) != -1)
        i++;
    while (i > 2 && count - i > 0 && count - i <= 2 && at[i] == 'L')
        i++;
    return i == count;
}

/* Digits around one dot, and an exponent perhaps. */
static bool is_fraction(const char *at, size_t count)
{
    size_t i = 0, digits = 0, dots = 0;

    for (; i < count && (is_digit(at[i]) || at[i] == '.'); i++) {
        digits += is_digit(at[i]);
        dots += at[i] == '.';
    }
    if (digits == 0 || dots != 1)
        return false;
    if (i < count && (at[i] == 'e' || at[i] == 'E')) {
        i += i + 1 < count && (at[i + 1] == '-' || at[i + 1] == '+') ? 2 : 1;
        if (i == count)
            return false;
        while (i < count && is_digit(at[i]))
            i++;
    }
    return i == count;
}

/* Whether an integer, as written, fits libconfig's int; it would wrap without a word. */
static bool fits(const char *text)
{
    bool is_negative = *text == '-';
    uint64_t value = 0;

    text += *text == '-' || *text == '+';
    if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
        for (text += 2; *text != '\0' && *text != 'L'; text++) {
            value = value * 16
                    + (uint64_t)(*text <= '9' ? *text - '0' : (*text | 32) - 'a' + 10);
            if (value > INT32_MAX)
                return false;
        }
        return true;
    }
    for (; *text != '\0' && *text != 'L'; text++) {
        value = value * 10 + (uint64_t)(*text - '0');
        if (value > (uint64_t)INT32_MAX + is_negative)
            return false;
    }
    return true;
}

/* What libconfig would read differently, or NULL. */
static const char *number_fault(const struct lex_token *token)
{
    char *text = mem_bytes(token->at, token->length);
    const char *digits = text + (*text == '-' || *text == '+'), *fault = NULL;

    if (digits[0] == '0' && is_digit(digits[1]))
        fault = lex_octal;
    else if (!fits(text))
        fault = "is outside 32 bits";
    mem_free(&text);
    return fault;
}

static struct lex_token number_token(struct lex *lex)
{
    const char *at = lex->at;
    size_t sign = *at == '-' || *at == '+', count = sign;
    struct lex_token token;

    while (count < left(lex)
           && (is_letter(at[count]) || is_digit(at[count]) || at[count] == '.'
               || at[count] == '_'
               || (count > sign && (at[count] == '-' || at[count] == '+')
                   && (at[count - 1] == 'e' || at[count - 1] == 'E'))))
        count++;
    if (is_integer(at + sign, count - sign) || (sign == 0 && is_hex(at, count))
        || is_fraction(at + sign, count - sign)) {
        token = token_of(lex, LEX_NUMBER, count);
        token.what = lex_is_fraction(&token) ? NULL : number_fault(&token);
    } else {
        token = bad(lex, count, "is no number; a text needs quotes");
    }
    if (token.what != NULL)
        token.kind = LEX_BAD_NUMBER;
    return token;
}

static struct lex_token name_token(struct lex *lex)
{
    size_t count = 1;
    struct lex_token token;

    while (count < left(lex)
           && (is_letter(lex->at[count]) || is_digit(lex->at[count])
               || (lex->at[count] != '\0' && strchr("-_*", lex->at[count]) != NULL)))
        count++;
    token = token_of(lex, LEX_NAME, count);
    if ((count == 4 && strncasecmp(token.at, "true", 4) == 0)
        || (count == 5 && strncasecmp(token.at, "false", 5) == 0))
        token.kind = LEX_BOOL;
    return token;
}

/* A run of bytes that stand nowhere outside texts and comments. */
static struct lex_token foreign(struct lex *lex)
{
    size_t count = 1;

    if (*lex->at == '\0')
        return bad(lex, 1, "a NUL byte");
    if (begins(lex, "\xEF\xBB\xBF"))
        return bad(lex, 3, "a byte order mark: save the file as UTF-8 without one");
    if (begins(lex, "@include"))
        return bad(
            lex, strlen("@include"),
            "@include is not supported; files of services_dir are read by themselves");
    if ((unsigned char)*lex->at < 0x80)
        return bad(lex, 1, "a character that has no meaning here");
    while (count < left(lex) && (unsigned char)lex->at[count] >= 0x80)
        count++;
    return bad(lex, count, "bytes outside ASCII stand in texts and comments only");
}

struct lex_token lex_next(struct lex *lex)
{
    struct lex_token token = { LEX_BAD, 0, NULL, 0, "the comment is not closed" };

    if (skip_blank(lex, &token.line) == -1) {
        token.at = lex->end;
        return token;
    }
    if (lex->at == lex->end)
        return token_of(lex, LEX_END, 0);
    if (*lex->at == '"')
        return text_token(lex);
    if (is_letter(*lex->at) || *lex->at == '*')
        return name_token(lex);
    if (is_digit(*lex->at)
        || (left(lex) > 1 && strchr("+-.", *lex->at) != NULL && *lex->at != '\0'
            && (is_digit(lex->at[1]) || lex->at[1] == '.')))
        return number_token(lex);
    if (*lex->at != '\0' && strchr("{}[]()=:;,", *lex->at) != NULL)
        return token_of(lex, LEX_PUNCT, 1);
    return foreign(lex);
}

/* ---- texts ----------------------------------------------------------------------- */

/* One escape, as libconfig 1.5 knows them; an unknown one stays as it is written. */
static size_t unescape(const char *at, size_t count, char *out)
{
    static const char from[] = "nrtf\\\"", to[] = "\n\r\t\f\\\"";
    const char *found = count > 1 ? memchr(from, at[1], sizeof(from) - 1) : NULL;

    *out = '\\';
    if (found != NULL) {
        *out = to[found - from];
        return 2;
    }
    if (count >= 4 && (at[1] == 'x' || at[1] == 'X') && hex_value(at[2]) != -1
        && hex_value(at[3]) != -1) {
        *out = (char)(hex_value(at[2]) * 16 + hex_value(at[3]));
        return 4;
    }
    return 1;
}

char *lex_text(const struct lex_token *token)
{
    char *text = mem_new(token->length + 1);
    size_t used = 0;

    for (size_t i = 0; i < token->length;) {
        if (token->at[i] == '\\') {
            i += unescape(token->at + i, token->length - i, &text[used++]);
        } else {
            text[used++] = token->at[i++];
        }
    }
    return text;
}
