/* Writes into all memory that the process shares with others, as soon as it is loaded. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <usher/service.h>

#define MOST 65536 /* of a mapping: what the master goes by is at its beginning */

static void scribble(const char *line)
{
    unsigned long long from, to;
    char rights[5];

    if (sscanf(line, "%llx-%llx %4s", &from, &to, rights) == 3 &&
        strcmp(rights, "rw-s") == 0)
        memset((void *)(uintptr_t)from, 0xff,
               to - from < MOST ? (size_t)(to - from) : MOST);
}

__attribute__((constructor)) static void write_everywhere(void)
{
    static char maps[262144];
    size_t length = 0;
    int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    ssize_t got;

    while ((got = read(fd, maps + length, sizeof(maps) - 1 - length)) > 0)
        length += (size_t)got;
    close(fd);
    for (char *line = strtok(maps, "\n"); line != NULL; line = strtok(NULL, "\n"))
        scribble(line);
}

static size_t echo(struct usher_conn *conn, const void *bytes, size_t count)
{
    usher_write(conn, bytes, count);
    return count;
}

USHER_SERVICE(scribbles) = {
    USHER_SERVICE_HEADER,
    .name = "scribbles",
    .shapes = USHER_STREAM,
    .sentence = "Spoils what it shares.",
    .data = echo,
};
