#include "path.h"

#include <string.h>
#include <strings.h>

static int hex(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    if (digit >= 'A' && digit <= 'F')
        return digit - 'A' + 10;
    return -1;
}

/* The next byte of a segment, -1 where there is none that a name may have. */
static int next_byte(const char **at)
{
    const char *text = *at;
    int byte = (unsigned char)text[0];

    *at += 1;
    if (byte == '%') {
        int high = hex(text[1]), low = high >= 0 ? hex(text[2]) : -1;

        if (low < 0)
            return -1;
        byte = high * 16 + low;
        *at += 2;
    }
    return byte < ' ' || byte == 0x7f || byte == '/' ? -1 : byte;
}

const char *http_origin(const char *target)
{
    static const char scheme[] = "http://";

    if (strncasecmp(target, scheme, sizeof(scheme) - 1) != 0)
        return target;
    target += strcspn(target + sizeof(scheme) - 1, "/?") + sizeof(scheme) - 1;
    return target[0] == '/' ? target : "/";
}

bool http_path(const char *target, char *out, size_t room)
{
    const char *at = http_origin(target);
    size_t count = 0, begin = 0;

    if (*at++ != '/')
        return false;
    while (*at != '\0' && *at != '?') {
        int byte = '/';

        if (*at != '/')
            byte = next_byte(&at);
        else if (at++, count == begin)
            return false;
        if (byte == -1 || (byte == '.' && count == begin) || count + 1 >= room)
            return false;
        out[count++] = (char)byte;
        if (byte == '/')
            begin = count;
    }
    out[count] = '\0';
    return true;
}
