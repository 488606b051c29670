#include "text.h"

#include <string.h>

struct text text_in(char *at, size_t room)
{
    return (struct text){ .at = at, .room = room };
}

static void put(struct text *text, const char *bytes, size_t count)
{
    if (count > text->room - text->count) {
        text->is_full = true;
        return;
    }
    memcpy(text->at + text->count, bytes, count);
    text->count += count;
}

/* Leaves room for the end of the line, so that what is cut is still a line. */
static void put_shown(struct text *text, unsigned char byte)
{
    char shown = (char)(byte < 0x80 ? byte : '?');

    if (byte < ' ' || byte == 0x7f)
        return;
    if ((byte & 0xc0) == 0x80)
        return; /* inside a UTF-8 character, whose first byte was shown */
    if (text->room - text->count <= 2)
        text->is_full = true;
    else
        put(text, &shown, 1);
}

void text_add(struct text *text, const char *from, size_t max)
{
    for (size_t i = 0; i < max && from[i] != '\0'; i++)
        put_shown(text, (unsigned char)(from[i] == '\t' ? ' ' : from[i]));
}

void text_add_padded(struct text *text, const char *from, size_t max, size_t width)
{
    size_t start = text->count;

    text_add(text, from, max);
    while (text->count < start + width && text->room - text->count > 2)
        put(text, " ", 1);
}

void text_end_line(struct text *text)
{
    put(text, "\r\n", 2);
}

void text_field(struct text *text, const char *head, const char *value, size_t max)
{
    text_add(text, head, strlen(head));
    text_add(text, ": ", 2);
    text_add(text, value, max);
    text_end_line(text);
}

void text_add_lines(struct text *text, const char *from, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (from[i] == '\n')
            text_end_line(text);
        else if (from[i] == '\t' && text->room - text->count > 2)
            put(text, "\t", 1);
        else
            put_shown(text, (unsigned char)from[i]);
    }
    if (count > 0 && from[count - 1] != '\n')
        text_end_line(text);
}
