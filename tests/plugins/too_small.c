/* Says that it ends where no version of the descriptor ever did: refused. */
#include <usher/service.h>

static size_t echo(struct usher_conn *conn, const void *bytes, size_t count)
{
    usher_write(conn, bytes, count);
    return count;
}

USHER_SERVICE(too_small) = {
    .abi = USHER_ABI,
    .size = (uint32_t)offsetof(struct usher_service, finished),
    .option_size = (uint32_t)sizeof(struct usher_option),
    .name = "too_small",
    .shapes = USHER_STREAM,
    .sentence = "Ends too early.",
    .data = echo,
};
