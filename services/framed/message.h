/*
 * The messages of framed: where the first one in some bytes ends, and its answer. With
 * framing "digits" a message is three ASCII digits, 000 to 255, and that many bytes; with
 * "fixed" it has conf->size bytes.
 */
#ifndef FRAMED_MESSAGE_H
#define FRAMED_MESSAGE_H

#include <stddef.h>

#define FRAMED_DIGITS 3
#define FRAMED_LENGTH_MAX 255
#define FRAMED_MAX 4096 /* digits included */

enum framing { FRAMING_DIGITS, FRAMING_FIXED };
enum reply { REPLY_ECHO, REPLY_UPPERCASE, REPLY_TEXT };
enum closing { CLOSE_FINISHED, CLOSE_REPLY };

struct framed_conf {
    int framing;
    unsigned size;
    int reply;
    const char *text;
    int close;
};

/* The framed line for a peer whose next message has a bad length; NULL: no fault so
 * far. */
const char *framed_fault(const struct framed_conf *conf, const char *at, size_t count);
/* The size of the message that begins here; FRAMED_DIGITS, at least, while they have not
 * all come. Only where there is no fault. */
size_t framed_size(const struct framed_conf *conf, const char *at, size_t count);
/* The same where the message is there as a whole; otherwise 0. */
size_t framed_whole(const struct framed_conf *conf, const char *at, size_t count);
/* Puts the answer to a whole message of size bytes into to, at most FRAMED_MAX bytes, and
 * yields how many. */
size_t framed_answer(const struct framed_conf *conf, char *to, const char *message,
                     size_t size);

#endif
