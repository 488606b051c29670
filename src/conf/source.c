#include "conf/source.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "conf/lex.h"
#include "conf/safe.h"

#define SCAN_DEPTH    16 /* groups and lists within each other; libconfig recurses */
#define SCAN_MISTAKES 20 /* in one file: more say nothing new */
#define DIR_FILES     4096

/* ---- mistakes -------------------------------------------------------------------- */

static __attribute__((format(printf, 3, 0))) char *
place_and_text(const char *file, unsigned line, const char *format, va_list args)
{
    char text[1024], out[1400];

    vsnprintf(text, sizeof(text), format, args);
    if (file == NULL)
        snprintf(out, sizeof(out), "%s", text);
    else if (line > 0)
        snprintf(out, sizeof(out), "%s:%u: %s", file, line, text);
    else
        snprintf(out, sizeof(out), "%s: %s", file, text);
    if (!str_is_readable(out)) {
        char escaped[sizeof(out) * 4];

        return mem_text(log_escape(escaped, sizeof(escaped), out, strlen(out)));
    }
    return mem_text(out);
}

static bool is_said(char *const *said, size_t count, const char *text)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(said[i], text) == 0)
            return true;
    return false;
}

/* Takes text; the same one (a default that is wrong in each row) is kept once. */
static char **keep_text(char **said, size_t *count, char *text)
{
    if (is_said(said, *count, text))
        mem_free(&text);
    else
        *MEM_PUSH(said, *count) = text;
    return said;
}

void mistake_add(struct mistakes *mistakes, const char *file, unsigned line,
                 const char *format, ...)
{
    va_list args;
    char *text;

    va_start(args, format);
    text = place_and_text(file, line, format, args);
    va_end(args);
    if (mistakes->count >= MISTAKES_MAX) {
        mem_free(&text);
        text = mem_text("and more mistakes");
    }
    mistakes->at = keep_text(mistakes->at, &mistakes->count, text);
}

void mistake_warn(struct mistakes *mistakes, const char *file, unsigned line,
                  const char *format, ...)
{
    va_list args;
    char *text;

    va_start(args, format);
    text = place_and_text(file, line, format, args);
    va_end(args);
    if (mistakes->warning_count >= MISTAKES_MAX)
        mem_free(&text);
    else
        mistakes->warnings =
            keep_text(mistakes->warnings, &mistakes->warning_count, text);
}

void mistakes_free(struct mistakes *mistakes)
{
    for (size_t i = 0; i < mistakes->count; i++)
        mem_free(&mistakes->at[i]);
    for (size_t i = 0; i < mistakes->warning_count; i++)
        mem_free(&mistakes->warnings[i]);
    mem_free(&mistakes->at);
    mem_free(&mistakes->warnings);
    mistakes->count = mistakes->warning_count = 0;
}

/* ---- reading --------------------------------------------------------------------- */

static size_t room_left(const struct source *source)
{
    size_t used = 0;

    for (size_t i = 0; i < source->file_count; i++)
        used += source->files[i].length;
    return SOURCE_MAX - used;
}

/* All bytes of fd, at most max: the count, or -1. */
static ssize_t read_all(int fd, char *bytes, size_t max, struct err *err)
{
    size_t count = 0;

    for (;;) {
        ssize_t got = read(fd, bytes + count, max + 1 - count);

        if (got == -1 && errno == EINTR)
            continue;
        if (got == -1)
            return err_sys(err, "cannot be read");
        if (got == 0)
            return (ssize_t)count;
        count += (size_t)got;
        if (count > max)
            return err_set(err, "too large: all files together may have %d bytes",
                           SOURCE_MAX);
    }
}

static int add_file(struct source *source, const char *path, const char *shown,
                    struct mistakes *mistakes)
{
    struct err err = ERR_EMPTY;
    size_t max = room_left(source);
    struct source_file *file;
    char *bytes;
    ssize_t count;
    int fd = safe_open(path, S_IFREG, !source->is_lax, &err);

    if (fd == -1) {
        mistake_add(mistakes, shown, 0, "%s", err.text);
        return -1;
    }
    bytes = mem_new(max + 1);
    count = read_all(fd, bytes, max, &err);
    fd_close(&fd);
    if (count == -1) {
        mem_free(&bytes);
        mistake_add(mistakes, shown, 0, "%s", err.text);
        return -1;
    }
    file = MEM_PUSH(source->files, source->file_count);
    file->name = mem_text(shown);
    file->bytes = mem_bytes(bytes, (size_t)count);
    file->length = (size_t)count;
    mem_free(&bytes);
    return source_scan(file, mistakes);
}

int source_open(struct source *source, const char *main_file, struct mistakes *mistakes)
{
    return add_file(source, main_file, main_file, mistakes);
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool is_table_name(const char *name)
{
    size_t length = strlen(name);

    return name[0] != '.' && length > 5 && strcmp(name + length - 5, ".conf") == 0;
}

struct names {
    char **at;
    size_t count;
};

/* Takes fd. names in byte order; the caller's, also with -1. */
static int list_names(int fd, struct names *names, struct err *err)
{
    DIR *dir = fdopendir(fd);
    struct dirent *entry;
    int result = 0;

    if (dir == NULL) {
        err_sys(err, "cannot be read");
        fd_close(&fd);
        return -1;
    }
    do {
        errno = 0;
        entry = readdir(dir);
        if (entry == NULL && errno != 0)
            result = err_sys(err, "cannot be read");
        else if (entry != NULL && is_table_name(entry->d_name))
            *MEM_PUSH(names->at, names->count) = mem_text(entry->d_name);
    } while (entry != NULL && names->count <= DIR_FILES);
    if (names->count > DIR_FILES)
        result = err_set(err, "has more than %d files", DIR_FILES);
    closedir(dir);
    if (names->count > 0)
        qsort(names->at, names->count, sizeof(*names->at), by_bytes);
    return result;
}

static void free_names(struct names *names)
{
    for (size_t i = 0; i < names->count; i++)
        mem_free(&names->at[i]);
    mem_free(&names->at);
}

/* The folder as mistakes show it: relative to the main file's where it lies there. */
static const char *shown_dir(const struct source *source, const char *dir)
{
    const char *main_file = source->file_count > 0 ? source->files[0].name : "";
    const char *slash = strrchr(main_file, '/');
    size_t length = slash != NULL ? (size_t)(slash - main_file) + 1 : 0;

    return strncmp(dir, main_file, length) == 0 ? dir + length : dir;
}

static int add_files(struct source *source, const struct names *names, const char *shown,
                     struct mistakes *mistakes)
{
    int result = 0;

    for (size_t i = 0; i < names->count; i++) {
        char *path = mem_print("%s/%s", source->dir, names->at[i]);
        char *name = mem_print("%s/%s", shown, names->at[i]);

        if (add_file(source, path, name, mistakes) == -1)
            result = -1;
        mem_free(&path);
        mem_free(&name);
    }
    return result;
}

int source_add_dir(struct source *source, const char *dir, struct mistakes *mistakes)
{
    struct err err = ERR_EMPTY;
    const char *shown = shown_dir(source, dir);
    int fd = safe_open(dir, S_IFDIR, !source->is_lax, &err), result = -1;
    struct names names = { NULL, 0 };

    mem_free(&source->dir);
    source->dir = mem_text(dir);
    source->is_dir_missing = fd == -1 && err.code == ENOENT;
    if (source->is_dir_missing)
        return 0;
    if (fd == -1 || list_names(fd, &names, &err) == -1)
        mistake_add(mistakes, shown, 0, "%s", err.text);
    else
        result = add_files(source, &names, shown, mistakes);
    free_names(&names);
    return result;
}

void source_free(struct source *source)
{
    for (size_t i = 0; i < source->file_count; i++) {
        mem_free(&source->files[i].name);
        mem_free(&source->files[i].bytes);
    }
    mem_free(&source->files);
    mem_free(&source->dir);
    source->file_count = 0;
}

/* ---- the scan -------------------------------------------------------------------- */

struct scan {
    struct source_file *file;
    struct mistakes *mistakes;
    char key[64]; /* the last name, for messages */
    unsigned depth;
    size_t found;
};

static void scan_bad(struct scan *scan, const struct lex_token *token)
{
    int length = (int)(token->length < 40 ? token->length : 40);

    scan->found++;
    if (token->kind == LEX_BAD)
        mistake_add(scan->mistakes, scan->file->name, token->line, "%s", token->what);
    else if (strcmp(token->what, lex_octal) == 0)
        mistake_add(scan->mistakes, scan->file->name, token->line,
                    "%s: %.*s %s; file modes are texts: write \"%.*s\"", scan->key,
                    length, token->at, token->what, length, token->at);
    else
        mistake_add(scan->mistakes, scan->file->name, token->line, "%s: %.*s %s",
                    scan->key, length, token->at, token->what);
}

static void scan_token(struct scan *scan, const struct lex_token *token)
{
    if (token->kind == LEX_NAME) {
        struct str key;

        str_init(&key, scan->key, sizeof(scan->key));
        str_add_bytes(&key, token->at, token->length);
    } else if (token->kind == LEX_BAD || token->kind == LEX_BAD_NUMBER) {
        scan_bad(scan, token);
    } else if (lex_is(token, '{') || lex_is(token, '[') || lex_is(token, '(')) {
        scan->depth++;
    } else if (scan->depth > 0
               && (lex_is(token, '}') || lex_is(token, ']') || lex_is(token, ')'))) {
        scan->depth--;
    }
}

/* libconfig would take the file to end at a NUL byte, which a comment may hide. */
static void scan_nul(struct scan *scan)
{
    struct source_file *file = scan->file;
    size_t before = strlen(file->bytes);
    unsigned line = 1;

    if (before >= file->length)
        return;
    for (size_t i = 0; i < before; i++)
        line += file->bytes[i] == '\n';
    file->is_bad = true;
    if (scan->found++ == 0)
        mistake_add(scan->mistakes, file->name, line, "a NUL byte");
}

int source_scan(struct source_file *file, struct mistakes *mistakes)
{
    struct scan scan = { .file = file, .mistakes = mistakes, .key = "number" };
    struct lex lex;
    struct lex_token token;

    lex_init(&lex, file->bytes, file->length);
    do {
        token = lex_next(&lex);
        scan_token(&scan, &token);
        if (scan.depth > SCAN_DEPTH) {
            mistake_add(mistakes, file->name, token.line,
                        "groups and lists stand more than %d deep", SCAN_DEPTH);
            file->is_bad = true;
            return -1;
        }
    } while (token.kind != LEX_END && scan.found < SCAN_MISTAKES);
    file->is_bad = token.kind != LEX_END;
    scan_nul(&scan);
    return scan.found > 0 ? -1 : 0;
}
