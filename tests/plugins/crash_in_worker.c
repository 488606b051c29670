/* Runs code when it is loaded, harmless in the catalogue, deadly in a worker: those lead
 * a session. */
#include <signal.h>
#include <unistd.h>

#include <usher/service.h>

__attribute__((constructor)) static void die_in_a_worker(void)
{
    if (getsid(0) == getpid())
        raise(SIGABRT);
}

static size_t echo(struct usher_conn *conn, const void *bytes, size_t count)
{
    usher_write(conn, bytes, count);
    return count;
}

USHER_SERVICE(crash_in_worker) = {
    USHER_SERVICE_HEADER,
    .name = "crash_in_worker",
    .shapes = USHER_STREAM,
    .sentence = "Can be looked at, not used.",
    .data = echo,
};
