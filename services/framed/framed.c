/*
 * framed: messages with a length. With framing "digits" a message is exactly three ASCII
 * digits, its length 000 to 255, then that many bytes; with "fixed" every message has
 * `size` bytes. Any number of messages on a connection, split or joined by TCP in any
 * way; in UDP one datagram is one message, and one that is not is dropped.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <usher/service.h>

#include "message.h"

#define ANSWERS_SIZE ((size_t)4 * FRAMED_MAX) /* answers that are written together */

static const struct usher_option framed_options[] = {
    USHER_OPTION_ENUM(struct framed_conf, framing, "digits", "digits|fixed",
                      "How a message shows its length."),
    USHER_OPTION_UINT(struct framed_conf, size, NULL, 1, FRAMED_MAX, "bytes",
                      "Length of every message with framing \"fixed\"."),
    USHER_OPTION_ENUM(struct framed_conf, reply, "echo", "echo|uppercase|text",
                      "The answer to a message: itself, itself in capitals, or `text`."),
    USHER_OPTION_TEXT(struct framed_conf, text, NULL, 0, FRAMED_MAX,
                      "The answer with reply \"text\", framed as a message is."),
    USHER_OPTION_ENUM(struct framed_conf, close, "finished", "finished|reply",
                      "When we close: the peer has finished, or we replied."),
    USHER_OPTION_END
};

/* The message that has begun: how many bytes came, and how many it has; 0 of 0: none. */
struct framed_conn {
    unsigned have;
    unsigned want;
    bool is_answered;
};

struct framed {
    const struct usher_instance *service;
    uint64_t dropped;
};

/* ---- streams ------------------------------------------------------------------- */

/* Answers whole messages, as many as one write holds; returns how many bytes they had. */
static size_t answer_some(struct usher_conn *conn, const char *at, size_t count)
{
    const struct framed_conf *conf = conn->service->conf;
    char answers[ANSWERS_SIZE];
    size_t made = 0, used = 0, size;

    while (made <= sizeof(answers) - FRAMED_MAX
           && (size = framed_whole(conf, at + used, count - used)) > 0) {
        made += framed_answer(conf, answers + made, at + used, size);
        used += size;
        if (conf->close == CLOSE_REPLY)
            break;
    }
    if (made > 0)
        usher_write(conn, answers, made);
    return used;
}

/* The host escapes what is in a text, but a NUL would end it. */
static void log_length(const struct usher_instance *service, const char *bytes)
{
    const unsigned char *code = (const unsigned char *)bytes;

    if (memchr(bytes, '\0', FRAMED_DIGITS) == NULL)
        usher_log(service, USHER_INFO, "bad length \"%.3s\"", bytes);
    else
        usher_log(service, USHER_INFO, "bad length of bytes %02x %02x %02x", code[0],
                  code[1], code[2]);
}

static void refuse(struct usher_conn *conn, const char *digits, const char *line)
{
    log_length(conn->service, digits);
    usher_write(conn, line, strlen(line));
    usher_end(conn);
}

/* Remembers how much of a message is there, for the log, should the peer leave now. */
static void note_rest(struct usher_conn *conn, const char *rest, size_t count)
{
    struct framed_conn *mine = conn->mine;

    mine->have = (unsigned)count;
    mine->want = (unsigned)framed_size(conn->service->conf, rest, count);
}

static size_t framed_data(struct usher_conn *conn, const void *bytes, size_t count)
{
    struct framed_conn *mine = conn->mine;
    const struct framed_conf *conf = conn->service->conf;
    const char *at = bytes, *error;
    size_t used = 0, step;

    note_rest(conn, at, 0);
    do {
        if (usher_room(conn) < ANSWERS_SIZE) {
            usher_pause(conn);
            return used;
        }
        step = answer_some(conn, at + used, count - used);
        used += step;
        mine->is_answered = mine->is_answered || step > 0;
        if (step > 0 && conf->close == CLOSE_REPLY) {
            usher_end(conn);
            return count;
        }
    } while (step > 0);

    error = framed_fault(conf, at + used, count - used);
    if (error != NULL) {
        refuse(conn, at + used, error);
        return count;
    }
    note_rest(conn, at + used, count - used);
    return used;
}

static void framed_drained(struct usher_conn *conn)
{
    usher_resume(conn);
}

/* A row that is there for one message of one size says so too when not a byte of it
 * came. */
static bool is_cut_off(const struct framed_conf *conf, const struct framed_conn *mine)
{
    return mine->have > 0 || (conf->framing == FRAMING_FIXED &&
                              conf->close == CLOSE_REPLY && !mine->is_answered);
}

static void framed_gone(struct usher_conn *conn, enum usher_reason reason)
{
    const struct framed_conf *conf = conn->service->conf;
    const struct framed_conn *mine = conn->mine;

    if (!is_cut_off(conf, mine) ||
        (reason != USHER_GONE_ENDED && reason != USHER_GONE_PEER))
        return;
    if (conf->framing == FRAMING_FIXED)
        usher_log(conn->service, USHER_INFO, "message cut off: %u of %u bytes had come",
                  mine->have, conf->size);
    else if (mine->have < FRAMED_DIGITS)
        usher_log(conn->service, USHER_INFO,
                  "message cut off: %u of %u bytes of a length had come", mine->have,
                  FRAMED_DIGITS);
    else
        usher_log(conn->service, USHER_INFO, "message cut off: %u of %u bytes had come",
                  mine->have - FRAMED_DIGITS, mine->want - FRAMED_DIGITS);
}

/* ---- datagrams ----------------------------------------------------------------- */

static void framed_datagram(struct usher_dgram *dgram)
{
    const struct framed_conf *conf = dgram->service->conf;
    struct framed *framed = dgram->service->state;
    char reply[FRAMED_MAX];

    if (dgram->count == 0
        || framed_whole(conf, dgram->bytes, dgram->count) != dgram->count) {
        framed->dropped++;
        usher_log(dgram->service, USHER_DEBUG, "dropped: %zu bytes are not one message",
                  dgram->count);
        return;
    }
    usher_reply(dgram, reply, framed_answer(conf, reply, dgram->bytes, dgram->count));
}

/* ---- the service --------------------------------------------------------------- */

static int framed_check(const void *conf, char *error, size_t room)
{
    const struct framed_conf *framed = conf;
    size_t length = framed->text != NULL ? strlen(framed->text) : 0;
    bool is_fixed = framed->framing == FRAMING_FIXED;

    if (is_fixed && framed->size == 0)
        snprintf(error, room, "framing \"fixed\" needs size");
    else if (!is_fixed && framed->size > 0)
        snprintf(error, room, "size is for framing \"fixed\" only");
    else if (framed->reply == REPLY_TEXT && framed->text == NULL)
        snprintf(error, room, "reply \"text\" needs text");
    else if (framed->reply != REPLY_TEXT && framed->text != NULL)
        snprintf(error, room, "text is for reply \"text\" only");
    else if (!is_fixed && length > FRAMED_LENGTH_MAX)
        snprintf(error, room,
                 "text: %zu bytes are above %d, all that three digits can say", length,
                 FRAMED_LENGTH_MAX);
    else if (is_fixed && framed->reply == REPLY_TEXT && length < framed->size)
        snprintf(error, room, "text: %zu bytes are below size, %u", length, framed->size);
    else
        return 0;
    return -1;
}

static int framed_open(const struct usher_instance *service, void **state)
{
    struct framed *framed = calloc(1, sizeof(*framed));

    if (framed == NULL) {
        usher_log(service, USHER_ERROR, "no memory");
        return -1;
    }
    framed->service = service;
    *state = framed;
    return 0;
}

static void framed_close(void *state)
{
    struct framed *framed = state;

    if (framed->dropped > 0)
        usher_log(framed->service, USHER_INFO,
                  "dropped %llu datagrams that were no message",
                  (unsigned long long)framed->dropped);
    free(framed);
}

USHER_SERVICE(framed) = {
    USHER_SERVICE_HEADER,
    .name = "framed",
    .shapes = USHER_STREAM | USHER_DATAGRAM,
    .sentence = "Answers messages that begin with their length in three digits.",
    .options = framed_options,
    .conf_size = sizeof(struct framed_conf),
    .conn_size = sizeof(struct framed_conn),
    .max_input = FRAMED_MAX,
    .check = framed_check,
    .open = framed_open,
    .close = framed_close,
    .data = framed_data,
    .drained = framed_drained,
    .gone = framed_gone,
    .datagram = framed_datagram,
};
