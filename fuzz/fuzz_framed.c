/*
 * framed on a host in memory: the first byte chooses the row, the others are what a peer
 * sends. They are read here a second time, by other code; the answers and the log must be
 * what comes of that, whether they arrive at once, in two parts, byte by byte, or at a
 * peer who reads slowly. As a datagram they are answered where they are one message, and
 * else not.
 */
#include <stdint.h>
#include <string.h>

#define USHER_BUILTIN framed
#include "../services/framed/framed.c"
#include "../tests/support/mock_host.h"
#include "fuzz.h"
#include "oracle.h"

#define STREAM_MAX 1024
#define CUTS_MAX 64
#define ROW(...) { __VA_ARGS__ }

static const struct framed_conf rows[] = {
    ROW(.reply = REPLY_ECHO),
    ROW(.reply = REPLY_UPPERCASE),
    ROW(.reply = REPLY_TEXT, .text = "thanks"),
    ROW(.reply = REPLY_TEXT, .text = ""),
    ROW(.reply = REPLY_ECHO, .close = CLOSE_REPLY),
    ROW(.framing = FRAMING_FIXED, .size = 1, .reply = REPLY_UPPERCASE),
    ROW(.framing = FRAMING_FIXED, .size = 16, .reply = REPLY_TEXT, .close = CLOSE_REPLY,
        .text = "BYE BYE CLIENT..."),
    ROW(.framing = FRAMING_FIXED, .size = 3, .reply = REPLY_ECHO),
};

/* What must come of a stream. */
struct outcome {
    char out[64 + 11 * STREAM_MAX]; /* "000" may be answered with nine bytes, one by one
                                       with one */
    size_t count, messages, first; /* first: the size of the first message */
    bool ends; /* before the peer does */
    char log[80];
};

static int value_of(unsigned char byte)
{
    static const char digits[] = "0123456789";
    const char *at = byte != 0 ? strchr(digits, byte) : NULL;

    return at != NULL ? (int)(at - digits) : -1;
}

/* The bytes after the header; -1: some are no digits, -2: too many. */
static int length_of(const uint8_t *at)
{
    int all = 0;

    for (int i = 0; i < 3; i++) {
        int value = value_of(at[i]);

        if (value == -1)
            return -1;
        all = all * 10 + value;
    }
    return all > 255 ? -2 : all;
}

static void expect_answer(const struct framed_conf *conf, const uint8_t *message,
                          size_t size, struct outcome *to)
{
    char *out = to->out + to->count;

    to->first = to->messages++ == 0 ? size : to->first;
    if (conf->reply == REPLY_TEXT && conf->framing == FRAMING_DIGITS)
        size = (size_t)sprintf(out, "%03d%s", (int)strlen(conf->text), conf->text);
    else
        memcpy(out, conf->reply == REPLY_TEXT ? (const void *)conf->text : message, size);
    for (size_t i = 0; i < size && conf->reply == REPLY_UPPERCASE; i++)
        out[i] =
            (char)(strchr("abcdefghijklmnopqrstuvwxyz", out[i]) && out[i] ? out[i] & ~32
                                                                          : out[i]);
    to->count += size;
}

static void expect_error(const char *line, const uint8_t *digits, struct outcome *to)
{
    to->ends = true;
    to->count += (size_t)sprintf(to->out + to->count, "%s", line);
    if (digits[0] != 0 && digits[1] != 0 && digits[2] != 0)
        snprintf(to->log, sizeof(to->log), "bad length \"%.3s\"", (const char *)digits);
    else
        snprintf(to->log, sizeof(to->log), "bad length of bytes %02x %02x %02x",
                 digits[0], digits[1], digits[2]);
}

static void expect_cut(const struct framed_conf *conf, size_t have, size_t want,
                       struct outcome *to)
{
    size_t head = conf->framing == FRAMING_DIGITS ? 3 : 0;
    bool is_for_one = conf->framing == FRAMING_FIXED && conf->close == CLOSE_REPLY;

    if (have == 0 && (!is_for_one || to->messages > 0))
        return;
    snprintf(to->log, sizeof(to->log), "message cut off: %zu of %zu %s had come",
             have < head ? have : have - head, have < head ? 3 : want - head,
             have < head ? "bytes of a length" : "bytes");
}

static void expect(const struct framed_conf *conf, const uint8_t *at, size_t count,
                   struct outcome *to)
{
    memset(to, 0, sizeof(*to));
    for (size_t size; !to->ends; at += size, count -= size) {
        int length = conf->framing == FRAMING_DIGITS && count >= 3 ? length_of(at) : 0;

        if (length == -1)
            expect_error("034error: length is not three digits\n", at, to);
        if (length == -2)
            expect_error("027error: length is above 255\n", at, to);
        if (length < 0)
            return;
        size = conf->framing == FRAMING_DIGITS ? (size_t)length + 3 : conf->size;
        if (count < size) {
            expect_cut(conf, count, size, to);
            return;
        }
        expect_answer(conf, at, size, to);
        to->ends = conf->close == CLOSE_REPLY;
    }
}

static void send_part(struct mock *mock, const uint8_t *at, size_t count)
{
    if (count > 0 && !mock_is_gone(mock))
        mock_send(mock, at, count);
}

static void check_end(struct mock *mock, const struct outcome *want)
{
    must(mock->window != SIZE_MAX || mock_is_gone(mock) == want->ends);
    if (!mock_is_gone(mock))
        mock_finish(mock);
    for (size_t turns = 0; !mock_is_gone(mock) && turns < sizeof(want->out); turns++)
        mock_read(mock, 100);
    must(mock_is_gone(mock) && mock->reason == USHER_GONE_ENDED && !mock->has_overflowed);
    must(mock->out.count == want->count);
    must(want->count == 0 || memcmp(mock->out.at, want->out, want->count) == 0);
    must(mock->logs == (want->log[0] != '\0'));
    must(strcmp(mock->log, want->log) == 0);
}

/* In parts: up to cut, and from there in steps. */
static void try_parts(const struct framed_conf *conf, const uint8_t *at, size_t count,
                      size_t cut, size_t step, size_t window, const struct outcome *want)
{
    struct mock mock;

    must(mock_start(&mock, &usher_service_framed, conf) == 0);
    mock_connect(&mock);
    mock.window = window;
    send_part(&mock, at, cut);
    for (size_t part; cut < count; cut += part) {
        part = count - cut < step ? count - cut : step;
        send_part(&mock, at + cut, part);
    }
    check_end(&mock, want);
    mock_stop(&mock);
}

static void try_datagram(const struct framed_conf *conf, const uint8_t *at, size_t count,
                         const struct outcome *want)
{
    bool is_one = want->messages >= 1 && want->first == count;
    struct mock mock;

    must(mock_start(&mock, &usher_service_framed, conf) == 0);
    mock.is_quiet = true;
    mock_datagram(&mock, at, count);
    must(mock.replies == (is_one ? 1 : 0));
    must(!is_one || (mock.reply_count == want->count &&
                     memcmp(mock.reply, want->out, want->count) == 0));
    mock_stop(&mock);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    static struct outcome want;
    const struct framed_conf *conf;

    if (count == 0 || count > STREAM_MAX)
        return 0;
    conf = &rows[bytes[0] % (sizeof(rows) / sizeof(rows[0]))];
    bytes++, count--;
    expect(conf, bytes, count, &want);
    for (size_t cut = 0; cut <= count && cut <= CUTS_MAX; cut++)
        try_parts(conf, bytes, count, cut, count, SIZE_MAX, &want);
    try_parts(conf, bytes, count, 0, 1, SIZE_MAX, &want);
    try_parts(conf, bytes, count, count, count, 7, &want);
    try_datagram(conf, bytes, count, &want);
    return 0;
}
