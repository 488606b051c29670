#include "conf/syntax.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "conf/lex.h"

struct parse {
    const struct source_file *file;
    struct mistakes *mistakes;
    struct syntax *syntax;
    struct lex lex;
    struct lex_token token; /* the next one */
    bool has_twins;         /* a key stood twice: no syntax error, and parsing goes on */
};

struct keys {
    struct lex_token *at;
    size_t count;
};

static void next(struct parse *parse)
{
    parse->token = lex_next(&parse->lex);
}

/* The token as messages show it. */
static const char *shown(const struct parse *parse, char *out, size_t room)
{
    const struct lex_token *token = &parse->token;
    int length = (int)(token->length < 32 ? token->length : 32);

    if (token->kind == LEX_END)
        return "the end of the file";
    if (token->kind == LEX_TEXT)
        snprintf(out, room, "\"%.*s\"", length, token->at);
    else if (token->kind == LEX_PUNCT)
        snprintf(out, room, "\"%c\"", *token->at);
    else
        snprintf(out, room, "%.*s", length, token->at);
    return out;
}

/* What the scan has refused it has said. */
static int expected(struct parse *parse, const char *what)
{
    char token[64];

    if (parse->token.kind == LEX_BAD || parse->token.kind == LEX_BAD_NUMBER)
        return -1;
    mistake_add(parse->mistakes, parse->file->name, parse->token.line,
                "syntax error: expected %s, found %s", what,
                shown(parse, token, sizeof(token)));
    return -1;
}

/* The grammar knows no such limit, so this is no syntax error. */
static int too_many(struct parse *parse, const char *what, int limit)
{
    mistake_add(parse->mistakes, parse->file->name, parse->token.line,
                "more than %d %s", limit, what);
    return -1;
}

static int parse_settings(struct parse *parse, const struct lex_token *open);
static int parse_value(struct parse *parse, const char *after);

static bool is_scalar(const struct lex_token *token)
{
    return token->kind == LEX_TEXT || token->kind == LEX_NUMBER
           || token->kind == LEX_BOOL || token->kind == LEX_BAD_NUMBER;
}

/* Texts side by side are one value. */
static void parse_scalar(struct parse *parse)
{
    bool is_text = parse->token.kind == LEX_TEXT;
    struct syntax_value *value = MEM_PUSH(parse->syntax->values, parse->syntax->count);

    value->line = parse->token.line;
    value->is_bad = parse->token.kind == LEX_BAD_NUMBER;
    value->at = (size_t)(parse->token.at - parse->file->bytes);
    value->length = parse->token.length;
    do
        next(parse);
    while (is_text && parse->token.kind == LEX_TEXT);
}

static int not_closed(struct parse *parse, const struct lex_token *open)
{
    mistake_add(parse->mistakes, parse->file->name, open->line,
                "syntax error: \"%c\" is not closed", *open->at);
    return -1;
}

/* What libconfig tells apart: texts, booleans, numbers, with an L, with a dot. */
static char type_of(const struct lex_token *token)
{
    if (token->kind != LEX_NUMBER)
        return token->kind == LEX_TEXT ? 't' : 'b';
    if (lex_is_fraction(token))
        return 'f';
    return token->at[token->length - 1] == 'L' ? 'l' : 'n';
}

/* One item; [ ] holds plain values of one type, ( ) anything. */
static int parse_item(struct parse *parse, const struct lex_token *open, char *type)
{
    if (lex_is(open, '('))
        return parse_value(parse, "in a list");
    /* What type a bad number was meant to have nobody knows. */
    if (!is_scalar(&parse->token) || parse->token.kind == LEX_BAD_NUMBER)
        return expected(parse, "a plain value in [ ]");
    if (*type != '\0' && *type != type_of(&parse->token)) {
        mistake_add(parse->mistakes, parse->file->name, parse->token.line,
                    "syntax error: values of different types in [ ]");
        return -1;
    }
    *type = type_of(&parse->token);
    parse_scalar(parse);
    return 0;
}

static int parse_list(struct parse *parse)
{
    struct lex_token open = parse->token;
    char close = lex_is(&open, '[') ? ']' : ')', type = '\0';
    char what[16];

    snprintf(what, sizeof(what), "\",\" or \"%c\"", close);
    next(parse);
    for (size_t count = 0; !lex_is(&parse->token, close); count++) {
        if (parse->token.kind == LEX_END)
            return not_closed(parse, &open);
        if (count == SYNTAX_ITEMS)
            return too_many(parse, "items in a list", SYNTAX_ITEMS);
        if (parse_item(parse, &open, &type) == -1)
            return -1;
        if (lex_is(&parse->token, close))
            break;
        if (parse->token.kind == LEX_END)
            return not_closed(parse, &open);
        if (!lex_is(&parse->token, ','))
            return expected(parse, what);
        next(parse);
        if (lex_is(&parse->token, close))
            return expected(parse, "a value after \",\"");
    }
    next(parse);
    return 0;
}

static int parse_value(struct parse *parse, const char *after)
{
    struct lex_token open = parse->token;
    char what[96];

    if (is_scalar(&parse->token)) {
        parse_scalar(parse);
        return 0;
    }
    if (lex_is(&open, '[') || lex_is(&open, '('))
        return parse_list(parse);
    if (lex_is(&open, '{')) {
        next(parse);
        return parse_settings(parse, &open);
    }
    snprintf(what, sizeof(what), "a value %s%s", after,
             open.kind == LEX_NAME ? " (a text needs quotes)" : "");
    return expected(parse, what);
}

/* libconfig compares names exactly. */
static void note_key(struct parse *parse, struct keys *keys)
{
    const struct lex_token *token = &parse->token;

    for (size_t i = 0; i < keys->count; i++)
        if (keys->at[i].length == token->length
            && memcmp(keys->at[i].at, token->at, token->length) == 0) {
            mistake_add(parse->mistakes, parse->file->name, token->line,
                        "%.*s: stands here again, after line %u", (int)token->length,
                        token->at, keys->at[i].line);
            parse->has_twins = true;
            return;
        }
    *MEM_PUSH(keys->at, keys->count) = *token;
}

static int parse_setting(struct parse *parse, struct keys *keys)
{
    char after[80];

    if (parse->token.kind != LEX_NAME)
        return expected(parse, "a key");
    if (keys->count == SYNTAX_KEYS)
        return too_many(parse, "keys in a group", SYNTAX_KEYS);
    note_key(parse, keys);
    snprintf(after, sizeof(after), "after %.*s",
             (int)(parse->token.length < 60 ? parse->token.length : 60), parse->token.at);
    next(parse);
    if (!lex_is(&parse->token, '=') && !lex_is(&parse->token, ':')) {
        char what[96];

        snprintf(what, sizeof(what), "\"=\" or \":\" %s", after);
        return expected(parse, what);
    }
    next(parse);
    if (parse_value(parse, after) == -1)
        return -1;
    if (lex_is(&parse->token, ';') || lex_is(&parse->token, ','))
        next(parse);
    return 0;
}

/* Up to the "}" that closes open, or to the end of the file where open is NULL. */
static int parse_settings(struct parse *parse, const struct lex_token *open)
{
    struct keys keys = { NULL, 0 };
    int result = 0;

    while (result == 0 && parse->token.kind != LEX_END && !lex_is(&parse->token, '}'))
        result = parse_setting(parse, &keys);
    mem_free(&keys.at);
    if (result == -1)
        return -1;
    if (open == NULL && parse->token.kind != LEX_END)
        return expected(parse, "a key");
    if (open != NULL && parse->token.kind == LEX_END)
        return not_closed(parse, open);
    if (open != NULL)
        next(parse);
    return 0;
}

int syntax_check(const struct source_file *file, struct syntax *syntax,
                 struct mistakes *mistakes)
{
    struct parse parse = { .file = file, .mistakes = mistakes, .syntax = syntax };

    lex_init(&parse.lex, file->bytes, file->length);
    next(&parse);
    if (parse_settings(&parse, NULL) == -1)
        return -1;
    return parse.has_twins ? -1 : 0;
}

void syntax_free(struct syntax *syntax)
{
    mem_free(&syntax->values);
    syntax->count = 0;
}
