/*
 * A stranger's bytes on their way into the log: printable, on one line, within the room,
 * and readable back into the bytes they were. And a whole line, as text and as JSON, with
 * anything in it.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "fuzz.h"
#include "master/logsink.h"
#include "oracle.h"

#define ROOM (64 * 1024)

/* ---- escaping
 * -------------------------------------------------------------------------- */

static int hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The bytes that one escaped text stands for; its length. */
static size_t unescape(const char *text, unsigned char *out)
{
    size_t count = 0;

    while (*text != '\0') {
        if (*text != '\\') {
            out[count++] = (unsigned char)*text++;
        } else if (text[1] == '\\') {
            out[count++] = '\\';
            text += 2;
        } else {
            must(text[1] == 'x' && hex(text[2]) != -1 && hex(text[3]) != -1);
            out[count++] = (unsigned char)(hex(text[2]) * 16 + hex(text[3]));
            text += 4;
        }
    }
    return count;
}

static void escape_all(const uint8_t *bytes, size_t count)
{
    static char text[ROOM];
    static unsigned char back[ROOM];

    must(log_escape(text, sizeof(text), bytes, count) == text);
    must(str_is_printable(text));
    must(unescape(text, back) == count);
    must(count == 0 || memcmp(back, bytes, count) == 0);
    log_escape_quoted(text, sizeof(text), bytes, count);
    must(str_is_printable(text) && strchr(text, '"') == NULL);
    must(unescape(text, back) == count);
    must(count == 0 || memcmp(back, bytes, count) == 0);
}

/* Cut anywhere: within the room, no half escape, and where it was cut it says so. */
static void escape_cut(const uint8_t *bytes, size_t count, size_t room)
{
    static unsigned char back[ROOM];
    static char whole[ROOM];
    char *text = mem_new(room);
    size_t length, kept;

    log_escape(whole, sizeof(whole), bytes, count);
    log_escape(text, room, bytes, count);
    length = strlen(text);
    must(length < room && str_is_printable(text));
    if (strcmp(text, whole) != 0) {
        must(strlen(whole) >= room);
        kept = length - (room > 3 ? 3 : length);
        must(strspn(text + kept, ".") == length - kept && kept < length + (room == 1));
        text[kept] = '\0';
        unescape(text, back);
        must(strncmp(text, whole, kept) == 0);
    }
    mem_free(&text);
}

/* ---- whole lines
 * ----------------------------------------------------------------------- */

/* Logs one line while standard error is a file in memory, which the log is opened on;
 * what came is in out. */
static size_t log_into(const char *text, bool as_json, char *out, size_t room)
{
    static int file = -1, saved = -1;
    ssize_t got;

    if (file == -1) {
        file = memfd_create("log", MFD_CLOEXEC);
        saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    }
    must(file != -1 && saved != -1);
    dup2(file, STDERR_FILENO);
    must(logsink_open("stderr", as_json, NULL) == 0);
    log_warning("fuzz", "drop text=\"%s\"", text);
    dup2(saved, STDERR_FILENO);
    got = pread(file, out, room - 1, 0);
    must(got >= 0 && ftruncate(file, 0) == 0 && lseek(file, 0, SEEK_SET) == 0);
    out[got] = '\0';
    return (size_t)got;
}

/* A JSON text from its quote to the next one that closes it; NULL: it is none. */
static const char *skip_json_text(const char *at)
{
    if (*at++ != '"')
        return NULL;
    for (; *at != '"'; at++) {
        if (*at == '\0' || (unsigned char)*at < 0x20)
            return NULL;
        if (*at == '\\') {
            at++;
            if (*at == 'u' && strspn(at + 1, "0123456789abcdef") < 4)
                return NULL;
            if (*at == '\0' || strchr("\"\\u", *at) == NULL)
                return NULL;
        }
    }
    return at + 1;
}

/* An object of texts and numbers, and nothing behind it. */
static bool is_json_line(const char *at)
{
    if (*at++ != '{')
        return false;
    for (;; at++) {
        at = skip_json_text(at);
        if (at == NULL || *at++ != ':')
            return false;
        at = *at == '"' ? skip_json_text(at) : at + strspn(at, "0123456789");
        if (at == NULL || (*at != ',' && *at != '}'))
            return false;
        if (*at == '}')
            return strcmp(at, "}\n") == 0;
    }
}

static void log_line(const char *text, bool as_json)
{
    static char out[ROOM];
    size_t length;

    length = log_into(text, as_json, out, sizeof(out));
    must(length > 1 && length == strlen(out));
    must(strchr(out, '\n') == out + length - 1);
    for (size_t i = 0; i + 1 < length; i++)
        must((unsigned char)out[i] >= 0x20 && out[i] != 0x7f);
    must(!as_json || is_json_line(out));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    char *text;

    if (count > ROOM / 8)
        return 0;
    escape_all(bytes, count);
    for (size_t room = 1; room < 24; room++)
        escape_cut(bytes, count, room);
    escape_cut(bytes, count, 1 + count);
    text = mem_bytes((const char *)bytes, count);
    log_line(text, false);
    log_line(text, true);
    mem_free(&text);
    return 0;
}
