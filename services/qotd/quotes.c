#include "quotes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

/* Puts what RFC 865 allows of a line behind the quote that is being made. */
static void add_line(struct quotes *quotes, const char *line, size_t count)
{
    struct quote *quote = &quotes->all[quotes->count];
    char *to = quotes->text + quote->at + quote->count, *start = to;

    for (size_t i = 0; i < count; i++)
        if (line[i] >= ' ' && line[i] <= '~')
            *to++ = line[i];
        else if (line[i] == '\t')
            *to++ = ' ';
    *to++ = '\r';
    *to++ = '\n';
    quote->count += (size_t)(to - start);
}

static bool is_empty(const char *text, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (text[i] > ' ')
            return false;
    return true;
}

static void end_quote(struct quotes *quotes)
{
    struct quote *quote = &quotes->all[quotes->count];
    size_t end = quote->at + quote->count;
    bool is_blank = is_empty(quotes->text + quote->at, quote->count);

    if (!is_blank && quote->count <= QUOTES_LONGEST) {
        quotes->count++;
        quote++;
    } else if (!is_blank) {
        quotes->left_out++;
    }
    *quote = (struct quote){ .at = end };
}

/* The text is at most twice as long as the source, and quotes fewer than its signs. */
static int make_quotes(struct quotes *quotes, const char *source, size_t count)
{
    const char *stop = source + count;
    size_t signs = 0;

    for (const char *at = source; at < stop; at++)
        signs += *at == '%';
    quotes->text = malloc(2 * count + 2);
    quotes->all = calloc(signs + 2, sizeof(*quotes->all));
    if (quotes->text == NULL || quotes->all == NULL)
        return -1;

    while (source < stop) {
        const char *end = memchr(source, '\n', (size_t)(stop - source));
        const char *next = end != NULL ? end + 1 : stop;
        size_t length = (size_t)((end != NULL ? end : stop) - source);

        if (length > 0 && source[length - 1] == '\r')
            length--;
        if (length == 1 && source[0] == '%')
            end_quote(quotes);
        else
            add_line(quotes, source, length);
        source = next;
    }
    end_quote(quotes);
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
        count = read(fd, to + have, QUOTES_FILE_MAX + 1 - have);
        if (count == -1)
            return -1;
        have += (size_t)count;
    } while (count > 0 && have <= QUOTES_FILE_MAX);
    if (have <= QUOTES_FILE_MAX)
        return (ssize_t)have;
    errno = EFBIG;
    return -1;
}

/* A FIFO or a device in the file's place must neither block nor act. */
static int learn_file(struct quotes *quotes, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    char *source = malloc(QUOTES_FILE_MAX + 1);
    ssize_t count = -1;
    int result = -1, saved;

    if (fd != -1 && source != NULL)
        count = read_file(fd, source);
    if (count != -1)
        result = make_quotes(quotes, source, (size_t)count);
    saved = errno;
    free(source);
    if (fd != -1)
        close(fd);
    errno = saved;
    return result;
}

int quotes_learn(struct quotes *quotes, const char *path)
{
    if (path == NULL)
        return make_quotes(quotes, own_quotes, sizeof(own_quotes) - 1);
    return learn_file(quotes, path);
}

void quotes_free(struct quotes *quotes)
{
    free(quotes->text);
    free(quotes->all);
}
