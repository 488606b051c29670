/* Nothing but a blocking run(): echo, in fork mode only. */
#include <unistd.h>

#include <usher/service.h>

static int blocking_run(struct usher_run *run)
{
    char bytes[4096];
    ssize_t count;

    while ((count = read(run->fd, bytes, sizeof(bytes))) > 0)
        for (ssize_t sent = 0, step; sent < count; sent += step) {
            step = write(run->fd, bytes + sent, (size_t)(count - sent));
            if (step == -1)
                return -1;
        }
    return count == -1 ? -1 : 0;
}

USHER_SERVICE(blocking_run) = {
    USHER_SERVICE_HEADER,   .name = "blocking_run",
    .shapes = USHER_STREAM, .sentence = "Echo in one blocking function.",
    .run = blocking_run,
};
