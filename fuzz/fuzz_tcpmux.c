/*
 * tcpmux on a host in memory: any bytes, in any two parts. Whatever the parts, the answer
 * is that of the first line as this file reads it, in exactly these bytes, and what
 * follows stays.
 */
#include <stdint.h>

#define USHER_BUILTIN tcpmux
#include "../services/tcpmux/tcpmux.c"
#include "../tests/support/mock_host.h"
#include "fuzz.h"
#include "oracle.h"

#define LIST_TEXT "echo\r\nFinger\r\n"

struct answer {
    const char *service, *out;
    size_t rest; /* bytes that nobody took; only where a service has them */
};

static bool is_word(const char *line, size_t count, const char *word)
{
    return count == strlen(word) && strncasecmp(line, word, count) == 0;
}

static struct answer expect(const char *bytes, size_t count)
{
    size_t length = 0, name;

    while (length < count && length < MUX_LINE && bytes[length] != '\n')
        length++;
    if (length == MUX_LINE)
        return (struct answer){ "", TOO_LONG, 0 };
    if (length == count)
        return (struct answer){ "", "", 0 };
    name = length > 0 && bytes[length - 1] == '\r' ? length - 1 : length;
    if (is_word(bytes, name, "echo"))
        return (struct answer){ "echo", "", count - length - 1 };
    if (is_word(bytes, name, "finger"))
        return (struct answer){ "Finger", "", count - length - 1 };
    if (is_word(bytes, name, "help"))
        return (struct answer){ "", LIST_TEXT, 0 };
    return (struct answer){ "", NOT_AVAILABLE, 0 };
}

static void try_cut(const char *bytes, size_t count, size_t cut,
                    const struct answer *want)
{
    static const struct tcpmux_conf conf = { .deadline = 1000 };
    static const char *const offers[] = { "echo", "Finger", NULL };
    struct mock mock;

    must(mock_start(&mock, &usher_service_tcpmux, &conf) == 0);
    mock.offers = offers;
    mock_connect(&mock);
    mock_send(&mock, bytes, cut);
    mock_send(&mock, bytes + cut, count - cut);
    must(strcmp(mock.handed_to, want->service) == 0);
    must(mock.out.count == strlen(want->out));
    must(mock.out.count == 0 || memcmp(mock.out.at, want->out, mock.out.count) == 0);
    must(mock_is_gone(&mock) == (want->service[0] != '\0' || want->out[0] != '\0'));
    if (want->service[0] != '\0')
        must(mock.in.count == want->rest);
    mock_stop(&mock);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    const char *text = (const char *)bytes;
    struct answer want = expect(text, count);

    for (size_t cut = 0; cut <= count && cut <= MUX_LINE + 2; cut++)
        try_cut(text, count, cut, &want);
    return 0;
}
