/*
 * The bare daytime: accept, write, close, in the thread's only blocking call. The text is
 * made once a second.
 */
#include "ref.h"

#include <errno.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static char text[64];
static size_t text_size;

static void refresh(void)
{
    static time_t shown = -1;
    time_t now = time(NULL);
    struct tm parts;

    if (now == shown)
        return;
    shown = now;
    localtime_r(&now, &parts);
    text_size = strftime(text, sizeof(text), "%a %b %e %H:%M:%S %Y\r\n", &parts);
}

int main(void)
{
    int listener = ref_open(SOCK_STREAM);

    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

        if (fd == -1 && (errno == ECONNABORTED || errno == EINTR))
            continue;
        if (fd == -1)
            ref_die("accept");
        refresh();
        send(fd, text, text_size, MSG_NOSIGNAL);
        close(fd);
    }
}
