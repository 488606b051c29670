/* Never uses a byte: ends when max_input bytes are kept, with a logged reason. */
#include <usher/service.h>

static size_t use_none(struct usher_conn *conn, const void *bytes, size_t count)
{
    (void)conn, (void)bytes, (void)count;
    return 0;
}

USHER_SERVICE(reads_nothing) = {
    USHER_SERVICE_HEADER,          .name = "reads_nothing", .shapes = USHER_STREAM,
    .sentence = "Waits for more.", .max_input = 100,        .data = use_none,
};
