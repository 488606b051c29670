#include "ref.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define REF_BACKLOG 4096

int ref_open(int type)
{
    struct sockaddr_in name = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof(name);
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

    if (fd == -1 || bind(fd, (struct sockaddr *)&name, size) == -1)
        ref_die("bind");
    if ((type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) == SOCK_STREAM
        && listen(fd, REF_BACKLOG) == -1)
        ref_die("listen");
    if (getsockname(fd, (struct sockaddr *)&name, &size) == -1)
        ref_die("getsockname");
    printf("port %u\n", (unsigned)ntohs(name.sin_port));
    fflush(stdout);
    return fd;
}

void ref_die(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(3);
}
