#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"

static const char *const level_names[] = {"error", "warning", "info", "debug"};

static log_sink_fn *sink;
static enum log_level most = LOG_INFO_;

void log_to(log_sink_fn *new_sink)
{
    sink = new_sink;
}

void log_set_level(enum log_level level)
{
    most = level;
}

bool log_wants(enum log_level level)
{
    return level <= most;
}

const char *log_level_name(enum log_level level)
{
    return (size_t)level < ARRAY_LEN(level_names) ? level_names[level] : "unknown";
}

int log_level_parse(const char *name, enum log_level *level_out)
{
    for (size_t i = 0; i < ARRAY_LEN(level_names); i++) {
        if (strcmp(name, level_names[i]) == 0) {
            *level_out = (enum log_level)i;
            return 0;
        }
    }
    return -1;
}

/* One write, so that lines of several processes do not mix. */
static void write_to_stderr(enum log_level level, const char *subject, const char *line)
{
    char text[LOG_LINE + 128];
    int length = snprintf(text, sizeof text - 1, "%s %s: %s", log_level_name(level),
                          subject, line);
    ssize_t written;

    if (length < 0)
        return;
    if ((size_t)length > sizeof text - 2)
        length = (int)sizeof text - 2;
    text[length] = '\n';
    written = write(STDERR_FILENO, text, (size_t)length + 1);
    (void)written; /* nobody is left to be told */
}

/* A line that holds a newline would look like two. */
static void make_one_line(char *line)
{
    for (; *line != '\0'; line++)
        if ((unsigned char)*line < 0x20 || *line == 0x7f)
            *line = '?';
}

void log_write(enum log_level level, const char *subject, const char *format,
               va_list args)
{
    int saved = errno;
    char line[LOG_LINE];

    if (!log_wants(level))
        return;
    if (vsnprintf(line, sizeof line, format, args) < 0)
        line[0] = '\0';
    make_one_line(line);
    if (sink != NULL)
        sink(level, subject, line);
    else
        write_to_stderr(level, subject, line);
    errno = saved;
}

void log_error(const char *subject, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    log_write(LOG_ERROR_, subject, format, args);
    va_end(args);
}

void log_warning(const char *subject, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    log_write(LOG_WARNING_, subject, format, args);
    va_end(args);
}

void log_info(const char *subject, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    log_write(LOG_INFO_, subject, format, args);
    va_end(args);
}

void log_debug(const char *subject, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    log_write(LOG_DEBUG_, subject, format, args);
    va_end(args);
}

void log_panic(const char *subject, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    log_write(LOG_ERROR_, subject, format, args);
    va_end(args);
    abort();
}

bool log_limit(struct log_limit *limit, unsigned long *left_out)
{
    long long now = clock_ms();

    if (now < limit->next_ms) {
        limit->left_out++;
        return false;
    }
    if (left_out != NULL)
        *left_out = limit->left_out;
    limit->left_out = 0;
    limit->next_ms = now + 1000;
    return true;
}

bool log_spend(struct log_budget *budget, unsigned a_second, unsigned long *left_out)
{
    long long now = clock_ms();

    *left_out = 0;
    if (now >= budget->until_ms) {
        *left_out = budget->left_out;
        *budget = (struct log_budget){ .until_ms = now + 1000 };
    }
    if (budget->said < a_second) {
        budget->said++;
        return true;
    }
    budget->left_out++;
    return false;
}

/* One byte as log_escape() shows it; returns how long that is. quote: 0, or a byte that
 * is not shown as itself. */
static size_t escape_byte(char text[5], unsigned char byte, unsigned char quote)
{
    static const char digits[] = "0123456789abcdef";

    if (byte == '\\') {
        memcpy(text, "\\\\", 2);
        return 2;
    }
    if (byte >= 0x20 && byte <= 0x7e && byte != quote) {
        text[0] = (char)byte;
        return 1;
    }
    memcpy(text, "\\x", 2);
    text[2] = digits[byte >> 4];
    text[3] = digits[byte & 15];
    return 4;
}

static char *escape(char *out, size_t room, const void *bytes, size_t count,
                    unsigned char quote)
{
    const unsigned char *from = bytes;
    size_t length = 0, fits = 0; /* fits: where "..." still has its place */

    if (room == 0)
        return out;
    for (size_t i = 0; i < count; i++) {
        char text[5];
        size_t more = escape_byte(text, from[i], quote);

        if (length + more >= room) {
            size_t dots = room - 1 - fits < 3 ? room - 1 - fits : 3;

            memset(out + fits, '.', dots);
            length = fits + dots;
            break;
        }
        memcpy(out + length, text, more);
        length += more;
        if (length + 3 < room)
            fits = length;
    }
    out[length] = '\0';
    return out;
}

char *log_escape(char *out, size_t room, const void *bytes, size_t count)
{
    return escape(out, room, bytes, count, '\0');
}

char *log_escape_quoted(char *out, size_t room, const void *bytes, size_t count)
{
    return escape(out, room, bytes, count, '"');
}
