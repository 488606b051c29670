/*
 * qotd (RFC 865): one quote, then the end; in UDP every datagram is answered with one.
 *
 * Quotes come from a file as fortune(6) has it, lines of "%" between them, or, without a
 * file, from a few of our own. They are made ready in open(): printable ASCII in lines
 * that end with CRLF, each quote below 512 bytes; longer ones are left out, and the log
 * says how many.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <usher/service.h>

#define FILE_MAX ((size_t)1024 * 1024)
#define QUOTE_MAX 511

struct qotd_conf {
    const char *file;
};

static const struct usher_option qotd_options[] = {
    USHER_OPTION_TEXT(struct qotd_conf, file, NULL, 1, 4095,
                      "Absolute path of a file of quotes, lines of \"%\" between them."),
    USHER_OPTION_END
};

struct quote {
    size_t at, count; /* in the text */
};

struct qotd {
    char *text;
    struct quote *quotes;
    size_t count;
    size_t left_out;
};

static const char own_quotes[] =
    "A port that is always open needs no knocking.\n%\n"
    "Whoever speaks first on a wire should have something to say.\n%\n"
    "The shortest protocol is a question.\n"
    "The next one is its answer.\n%\n"
    "Every queue is a promise to somebody at its end.\n%\n"
    "Read what you were sent, not what you hoped for.\n%\n"
    "A timeout is patience with a number.\n%\n"
    "An old service that works is a new service every morning.\n%\n"
    "Close the door gently: the last byte may still be on the stairs.\n%\n"
    "The log remembers what the operator was spared.\n";

/* ---- quotes -------------------------------------------------------------------- */

/* Puts what RFC 865 allows of a line behind the quote that is being made. */
static void add_line(struct qotd *qotd, const char *line, size_t count)
{
    struct quote *quote = &qotd->quotes[qotd->count];
    char *to = qotd->text + quote->at + quote->count, *start = to;

    for (size_t i = 0; i < count; i++)
        if (line[i] >= ' ' && line[i] <= '~')
            *to++ = line[i];
        else if (line[i] == '\t')
            *to++ = ' ';
    *to++ = '\r';
    *to++ = '\n';
    quote->count += (size_t)(to - start);
}

static void end_quote(struct qotd *qotd)
{
    struct quote *quote = &qotd->quotes[qotd->count];
    size_t end = quote->at + quote->count;

    if (quote->count > 0 && quote->count <= QUOTE_MAX) {
        qotd->count++;
        quote++;
    } else if (quote->count > 0) {
        qotd->left_out++;
    }
    *quote = (struct quote){ .at = end };
}

/* The text is at most twice as long as the source, and quotes fewer than its signs. */
static int make_quotes(struct qotd *qotd, const char *source, size_t count)
{
    const char *stop = source + count;
    size_t signs = 0;

    for (const char *at = source; at < stop; at++)
        signs += *at == '%';
    qotd->text = malloc(2 * count + 2);
    qotd->quotes = calloc(signs + 2, sizeof(*qotd->quotes));
    if (qotd->text == NULL || qotd->quotes == NULL)
        return -1;

    while (source < stop) {
        const char *end = memchr(source, '\n', (size_t)(stop - source));
        const char *next = end != NULL ? end + 1 : stop;
        size_t length = (size_t)((end != NULL ? end : stop) - source);

        if (length > 0 && source[length - 1] == '\r')
            length--;
        if (length == 1 && source[0] == '%')
            end_quote(qotd);
        else
            add_line(qotd, source, length);
        source = next;
    }
    end_quote(qotd);
    return 0;
}

/* ---- the file ------------------------------------------------------------------ */

/* Reads the open file into to; -1: it is no file, too long, or reading failed. */
static ssize_t read_file(int fd, char *to)
{
    struct stat status;
    size_t have = 0;
    ssize_t count;

    if (fstat(fd, &status) == -1)
        return -1;
    if (!S_ISREG(status.st_mode)) {
        errno = EINVAL;
        return -1;
    }
    do {
        count = read(fd, to + have, FILE_MAX + 1 - have);
        if (count == -1)
            return -1;
        have += (size_t)count;
    } while (count > 0 && have <= FILE_MAX);
    if (have <= FILE_MAX)
        return (ssize_t)have;
    errno = EFBIG;
    return -1;
}

/* A FIFO or a device in the file's place must neither block nor act. */
static int learn_file(struct qotd *qotd, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    char *source = malloc(FILE_MAX + 1);
    ssize_t count = -1;
    int result = -1, saved;

    if (fd != -1 && source != NULL)
        count = read_file(fd, source);
    if (count != -1)
        result = make_quotes(qotd, source, (size_t)count);
    saved = errno;
    free(source);
    if (fd != -1)
        close(fd);
    errno = saved;
    return result;
}

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
    struct qotd *qotd = state;

    free(qotd->text);
    free(qotd->quotes);
    free(qotd);
}

static const char *trouble(int error)
{
    if (error == EINVAL)
        return "not a regular file";
    return error == EFBIG ? "above 1 MiB" : strerror(error);
}

static int learn(const struct usher_instance *service, struct qotd *qotd)
{
    const struct qotd_conf *conf = service->conf;
    const char *path = conf->file != NULL ? conf->file : "quotes";
    int result;

    result = conf->file != NULL
                 ? learn_file(qotd, conf->file)
                 : make_quotes(qotd, own_quotes, sizeof(own_quotes) - 1);
    if (result == -1) {
        usher_log(service, USHER_ERROR, "%s: %s", path, trouble(errno));
        return -1;
    }
    if (qotd->left_out > 0)
        usher_log(service, USHER_WARNING, "%s: left out %zu quotes, of %d bytes or more",
                  path, qotd->left_out, QUOTE_MAX + 1);
    if (qotd->count > 0)
        return 0;
    usher_log(service, USHER_ERROR, "%s: has no quote", path);
    return -1;
}

static int qotd_open(const struct usher_instance *service, void **state)
{
    struct qotd *qotd = calloc(1, sizeof(*qotd));

    if (qotd == NULL) {
        usher_log(service, USHER_ERROR, "no memory");
        return -1;
    }
    if (learn(service, qotd) == -1) {
        qotd_close(qotd);
        return -1;
    }
    *state = qotd;
    return 0;
}

/* Drawn anew, and not counted up: a child has its parent's count. */
static const struct quote *draw(const struct usher_instance *service)
{
    const struct qotd *qotd = service->state;
    uint32_t drawn;

    if (getrandom(&drawn, sizeof(drawn), GRND_NONBLOCK) == -1)
        drawn = (uint32_t)service->host->clock_ms();
    return &qotd->quotes[drawn % qotd->count];
}

static void qotd_opened(struct usher_conn *conn)
{
    const struct qotd *qotd = conn->service->state;
    const struct quote *quote = draw(conn->service);

    usher_write(conn, qotd->text + quote->at, quote->count);
    usher_end(conn);
}

static void qotd_datagram(struct usher_dgram *dgram)
{
    const struct qotd *qotd = dgram->service->state;
    const struct quote *quote = draw(dgram->service);

    usher_reply(dgram, qotd->text + quote->at, quote->count);
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
