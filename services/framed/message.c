#include "message.h"

#include <stdio.h>
#include <string.h>

#include "../capitals.h"

/* The framed lines that answer a bad length. */
static const char not_digits[] = "034error: length is not three digits\n";
static const char above_max[] = "027error: length is above 255\n";

const char *framed_fault(const struct framed_conf *conf, const char *at, size_t count)
{
    if (conf->framing == FRAMING_FIXED || count < FRAMED_DIGITS)
        return NULL;
    for (int i = 0; i < FRAMED_DIGITS; i++)
        if (at[i] < '0' || at[i] > '9')
            return not_digits;
    return memcmp(at, "255", FRAMED_DIGITS) > 0 ? above_max : NULL;
}

size_t framed_size(const struct framed_conf *conf, const char *at, size_t count)
{
    if (conf->framing == FRAMING_FIXED)
        return conf->size;
    if (count < FRAMED_DIGITS)
        return FRAMED_DIGITS;
    return (size_t)(FRAMED_DIGITS + (at[0] - '0') * 100 + (at[1] - '0') * 10 +
                    (at[2] - '0'));
}

size_t framed_whole(const struct framed_conf *conf, const char *at, size_t count)
{
    size_t size = framed_size(conf, at, count);

    return count >= size && framed_fault(conf, at, count) == NULL ? size : 0;
}

size_t framed_answer(const struct framed_conf *conf, char *to, const char *message,
                     size_t size)
{
    if (conf->reply == REPLY_ECHO)
        memcpy(to, message, size);
    else if (conf->reply == REPLY_UPPERCASE)
        capitals(to, message, size); /* digits stay what they are */
    else if (conf->framing == FRAMING_FIXED)
        memcpy(to, conf->text, size);
    else
        size =
            (size_t)snprintf(to, FRAMED_MAX, "%03zu%s", strlen(conf->text), conf->text);
    return size;
}
