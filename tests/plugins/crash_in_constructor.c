/* Runs code when it is loaded, and dies of it: the catalogue's end, not the daemon's. */
#include <signal.h>

#include <usher/service.h>

__attribute__((constructor)) static void die_at_once(void)
{
    raise(SIGSEGV);
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
