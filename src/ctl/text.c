#include "ctl/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

char *text_safe_in(char *out, size_t room, const char *text)
{
    if (text == NULL)
        text = "";
    if (str_is_printable(text) && str_copy(out, room, text)) /* usherd escaped what it
                                                                quotes */
        return out;
    return log_escape(out, room, text, strlen(text));
}

char *text_safe(char out[TEXT_ROOM], const char *text)
{
    return text_safe_in(out, TEXT_ROOM, text);
}

/* The largest unit in which it has three digits, or one and a fraction. */
static char *scale(char *out, size_t room, double value, double step)
{
    static const char units[] = "kMGTPE";
    size_t unit = 0;

    for (value /= step; value >= 999.5 && units[unit + 1] != '\0'; unit++)
        value /= step;
    snprintf(out, room, value < 99.95 ? "%.1f%c" : "%.0f%c", value, units[unit]);
    return out;
}

char *text_count(char *out, size_t room, int64_t count)
{
    if (count > 99999)
        return scale(out, room, (double)count, 1000);
    snprintf(out, room, "%" PRId64, count);
    return out;
}

char *text_bytes(char *out, size_t room, int64_t bytes)
{
    if (bytes > 999)
        return scale(out, room, (double)bytes, 1024);
    snprintf(out, room, "%" PRId64, bytes);
    return out;
}

char *text_time(char *out, size_t room, int64_t ms)
{
    static const struct {
        int64_t seconds;
        const char *big, *small;
        int64_t part;
    } units[] = { { 86400, "d", "h", 3600 },
                  { 3600, "h", "m", 60 },
                  { 60, "m", "s", 1 } };
    int64_t seconds = ms / 1000;

    for (size_t i = 0; i < ARRAY_LEN(units); i++)
        if (seconds >= units[i].seconds) {
            snprintf(out, room, "%" PRId64 "%s %" PRId64 "%s", seconds / units[i].seconds,
                     units[i].big, seconds % units[i].seconds / units[i].part,
                     units[i].small);
            return out;
        }
    if (seconds >= 10)
        snprintf(out, room, "%" PRId64 "s", seconds);
    else
        snprintf(out, room, "%" PRId64 ".%" PRId64 "s", seconds, ms % 1000 / 100);
    return out;
}

char *text_date(char out[TEXT_DATE], int64_t seconds, bool is_utc)
{
    time_t time = (time_t)seconds;
    struct tm parts;

    if ((is_utc ? gmtime_r(&time, &parts) : localtime_r(&time, &parts)) == NULL
        || strftime(out, TEXT_DATE, is_utc ? "%Y-%m-%dT%H:%M:%SZ" : "%Y-%m-%d %H:%M:%S",
                    &parts) == 0)
        str_copy(out, TEXT_DATE, "?");
    return out;
}

void text_begin(struct text_line *line, const char *head, size_t indent)
{
    size_t length = strlen(head);

    printf("%-*s", (int)indent, head);
    *line = (struct text_line){ indent, length < indent ? indent : length };
    if (length >= indent && length > 0) { /* a long name has a line of its own */
        printf("\n%*s", (int)indent, "");
        line->column = indent;
    }
}

void text_word(struct text_line *line, const char *word)
{
    size_t length = strlen(word);
    bool is_first = line->column == line->indent;

    if (!is_first && line->column + 1 + length > TEXT_COLUMNS) {
        printf("\n%*s", (int)line->indent, "");
        line->column = line->indent;
        is_first = true;
    }
    printf("%s%s", is_first ? "" : " ", word);
    line->column += length + !is_first;
}

void text_end(struct text_line *line)
{
    putchar('\n');
    line->column = line->indent;
}
