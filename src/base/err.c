#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

/* The text is built aside first: an argument may be the old text. */
static void keep(struct err *err, int code, const char *text)
{
    err->code = code;
    str_copy(err->text, sizeof err->text, text);
}

int err_set(struct err *err, const char *format, ...)
{
    int saved = errno;
    char text[ERR_TEXT];
    va_list args;

    if (err == NULL)
        return -1;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    keep(err, 0, text);
    errno = saved;
    return -1;
}

int err_sys(struct err *err, const char *format, ...)
{
    int saved = errno;
    char buffer[ERR_TEXT];
    struct str text;
    va_list args;

    if (err == NULL)
        return -1;
    va_start(args, format);
    vsnprintf(buffer, sizeof buffer, format, args);
    va_end(args);
    str_init(&text, err->text, sizeof err->text);
    str_add(&text, "%s: %s", buffer, strerror(saved));
    err->code = saved;
    errno = saved;
    return -1;
}

int err_prefix(struct err *err, const char *format, ...)
{
    int saved = errno;
    char prefix[ERR_TEXT], all[ERR_TEXT];
    struct str text;
    va_list args;

    if (err == NULL)
        return -1;
    va_start(args, format);
    vsnprintf(prefix, sizeof prefix, format, args);
    va_end(args);
    str_init(&text, all, sizeof all);
    str_add(&text, "%s%s%s", prefix, err->text[0] != '\0' ? ": " : "", err->text);
    keep(err, err->code, all);
    errno = saved;
    return -1;
}
