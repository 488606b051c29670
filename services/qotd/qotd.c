/*
 * qotd (RFC 865): one quote, then the end; in UDP every datagram is answered with one.
 *
 * Quotes come from a file as fortune(6) has it, lines of "%" between them, or, without a
 * file, from a few of our own. They are made ready in open(): printable ASCII in lines
 * that end with CRLF, each quote below 512 bytes; longer ones are left out, and the log
 * says how many.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <usher/service.h>

#include "quotes.h"

struct qotd_conf {
    const char *file;
};

static const struct usher_option qotd_options[] = {
    USHER_OPTION_TEXT(struct qotd_conf, file, NULL, 1, 4095,
                      "Absolute path of a file of quotes, lines of \"%\" between them."),
    USHER_OPTION_END
};

/* ---- the service --------------------------------------------------------------- */

static int qotd_check(const void *conf, char *error, size_t room)
{
    const struct qotd_conf *qotd = conf;

    if (qotd->file == NULL || qotd->file[0] == '/')
        return 0;
    snprintf(error, room, "file: must be an absolute path");
    return -1;
}

static void qotd_close(void *state)
{
    quotes_free(state);
    free(state);
}

static const char *trouble(int error)
{
    if (error == EINVAL)
        return "not a regular file";
    return error == EFBIG ? "above 1 MiB" : strerror(error);
}

static int learn(const struct usher_instance *service, struct quotes *quotes)
{
    const struct qotd_conf *conf = service->conf;
    const char *path = conf->file != NULL ? conf->file : "quotes";

    if (quotes_learn(quotes, conf->file) == -1) {
        usher_log(service, USHER_ERROR, "%s: %s", path, trouble(errno));
        return -1;
    }
    if (quotes->left_out > 0)
        usher_log(service, USHER_WARNING, "%s: left out %zu quotes, of %d bytes or more",
                  path, quotes->left_out, QUOTES_LONGEST + 1);
    if (quotes->count > 0)
        return 0;
    usher_log(service, USHER_ERROR, "%s: has no quote", path);
    return -1;
}

static int qotd_open(const struct usher_instance *service, void **state)
{
    struct quotes *quotes = calloc(1, sizeof(*quotes));

    if (quotes == NULL) {
        usher_log(service, USHER_ERROR, "no memory");
        return -1;
    }
    if (learn(service, quotes) == -1) {
        qotd_close(quotes);
        return -1;
    }
    *state = quotes;
    return 0;
}

/* Drawn anew, and not counted up: a child has its parent's count. */
static const struct quote *draw(const struct usher_instance *service)
{
    const struct quotes *quotes = service->state;
    uint32_t drawn;

    if (getrandom(&drawn, sizeof(drawn), GRND_NONBLOCK) == -1)
        drawn = (uint32_t)service->host->clock_ms();
    return &quotes->all[drawn % quotes->count];
}

static void qotd_opened(struct usher_conn *conn)
{
    const struct quotes *quotes = conn->service->state;
    const struct quote *quote = draw(conn->service);

    usher_write(conn, quotes->text + quote->at, quote->count);
    usher_end(conn);
}

static void qotd_datagram(struct usher_dgram *dgram)
{
    const struct quotes *quotes = dgram->service->state;
    const struct quote *quote = draw(dgram->service);

    usher_reply(dgram, quotes->text + quote->at, quote->count);
}

USHER_SERVICE(qotd) = {
    USHER_SERVICE_HEADER,
    .name = "qotd",
    .shapes = USHER_STREAM | USHER_DATAGRAM,
    .sentence = "Tells a quote (RFC 865).",
    .options = qotd_options,
    .conf_size = sizeof(struct qotd_conf),
    .check = qotd_check,
    .open = qotd_open,
    .close = qotd_close,
    .opened = qotd_opened,
    .datagram = qotd_datagram,
};
