/* check() crashes: the reader's helper dies, the daemon says whose fault it was. */
#include <usher/service.h>

static int crash(const void *conf, char *error, size_t room)
{
    volatile char *volatile nowhere = NULL;

    (void)conf, (void)error, (void)room;
    *nowhere = 1;
    return 0;
}

static size_t echo(struct usher_conn *conn, const void *bytes, size_t count)
{
    usher_write(conn, bytes, count);
    return count;
}

USHER_SERVICE(crash_in_check) = {
    USHER_SERVICE_HEADER,   .name = "crash_in_check",
    .shapes = USHER_STREAM, .sentence = "Does not survive its own rules.",
    .check = crash,
    .data = echo,
};
