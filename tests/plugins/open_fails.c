/* open() fails: the plan is refused, and the log says what the plugin said. */
#include <usher/service.h>

static int refuse(const struct usher_instance *service, void **state)
{
    (void)state;
    usher_log(service, USHER_ERROR, "the moon is not full");
    return -1;
}

static size_t echo(struct usher_conn *conn, const void *bytes, size_t count)
{
    usher_write(conn, bytes, count);
    return count;
}

USHER_SERVICE(open_fails) = {
    USHER_SERVICE_HEADER,       .name = "open_fails", .shapes = USHER_STREAM,
    .sentence = "Never opens.", .open = refuse,
    .data = echo,
};
