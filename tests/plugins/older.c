/* Built against an earlier header, that ended behind data(): what it does not know is
 * absent. */
#include <usher/service.h>

static size_t echo(struct usher_conn *conn, const void *bytes, size_t count)
{
    usher_write(conn, bytes, count);
    return count;
}

USHER_SERVICE(older) = {
    .abi = USHER_ABI,
    .size = (uint32_t)offsetof(struct usher_service, finished),
    .option_size = (uint32_t)sizeof(struct usher_option),
    .name = "older",
    .shapes = USHER_STREAM,
    .sentence = "Echo, from the past.",
    .data = echo,
    .run = (int (*)(struct usher_run *))8, /* behind .size: must never be looked at */
};
