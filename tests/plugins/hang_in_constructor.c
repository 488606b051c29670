/* Never comes back from being loaded: the catalogue has a deadline. */
#include <unistd.h>

#include <usher/service.h>

__attribute__((constructor)) static void wait_for_ever(void)
{
    for (;;)
        pause();
}

static size_t echo(struct usher_conn *conn, const void *bytes, size_t count)
{
    usher_write(conn, bytes, count);
    return count;
}

USHER_SERVICE(hang_in_constructor) = {
    USHER_SERVICE_HEADER,
    .name = "hang_in_constructor",
    .shapes = USHER_STREAM,
    .sentence = "Can not be loaded.",
    .data = echo,
};
