/* Runs code when it is loaded, and dies of it: the catalogue's end, not the daemon's. */
#include <usher/service.h>

static int *volatile nowhere; /* not by raise(), which a catalogue may not call */

__attribute__((constructor)) static void die_at_once(void)
{
    *nowhere = 1;
}

static size_t echo(struct usher_conn *conn, const void *bytes, size_t count)
{
    usher_write(conn, bytes, count);
    return count;
}

USHER_SERVICE(crash_in_constructor) = {
    USHER_SERVICE_HEADER,
    .name = "crash_in_constructor",
    .shapes = USHER_STREAM,
    .sentence = "Can not be loaded.",
    .data = echo,
};
