#include "utf_8.h"

#include <stdlib.h>
#include <string.h>
#include <unicase.h>
#include <unistr.h>

#include "../capitals.h"

#define CAPITALS_SIZE 32 /* of one character: more than there can be */

/* Puts the capitals of one whole character into to; returns how many bytes they have. */
static size_t capitals_of(char *to, const char *from, size_t count)
{
    uint8_t buffer[CAPITALS_SIZE];
    size_t length = sizeof(buffer);
    uint8_t *made =
        u8_toupper((const uint8_t *)from, count, NULL, NULL, buffer, &length);

    /* No memory, or not of our size: the character stays what it is. */
    if (made != buffer || length > UTF_8_GROWTH * count) {
        if (made != buffer)
            free(made);
        memcpy(to, from, count);
        return count;
    }
    memcpy(to, buffer, length);
    return length;
}

size_t utf_8_capitals(char *to, size_t *made, const char *from, size_t count)
{
    size_t used = 0;

    *made = 0;
    while (used < count) {
        const char *at = from + used;
        ucs4_t character;
        int length = 1;

        if ((unsigned char)*at < 0x80) {
            capitals(to + (*made)++, at, 1);
        } else {
            length = u8_mbtoucr(&character, (const uint8_t *)at, count - used);
            if (length == -2)
                break;
            if (length == -1) {
                length = 1;
                to[(*made)++] = *at;
            } else {
                *made += capitals_of(to + *made, at, (size_t)length);
            }
        }
        used += (size_t)length;
    }
    return used;
}
