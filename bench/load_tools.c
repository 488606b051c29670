#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define FIRST_SOURCE 0x7f010001u /* 127.1.0.1 */

void load_die(const char *what)
{
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(3);
}

uint64_t load_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void *load_alloc(size_t count, size_t size)
{
    void *block = calloc(count, size);

    if (block == NULL)
        load_die("memory");
    return block;
}

void load_start(const struct load_options *options, struct load_result *result)
{
    char line[16];

    if (options->in_step) {
        printf("ready\n");
        fflush(stdout);
        if (read(0, line, sizeof(line)) <= 0)
            exit(0); /* nobody wants the run any more */
    }
    result->started_ns = load_now_ns();
}

void load_finish(struct load_result *result)
{
    result->ended_ns = load_now_ns();
}

bool load_is_over(const struct load_options *options, const struct load_result *result,
                  uint64_t started_ops)
{
    return started_ops >= options->count || load_failures(result) > LOAD_MAX_FAILURES
           || load_now_ns() - result->started_ns >= options->run_ns;
}

int load_connect(const struct load_options *options, int type_flags)
{
    static unsigned turn;
    struct sockaddr_in source = { .sin_family = AF_INET };
    const int yes = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | type_flags, 0);
    int error;

    if (fd == -1)
        return -1;
    source.sin_addr.s_addr = htonl(FIRST_SOURCE + turn++ % options->sources);
    /* without this the bind takes a port for all servers, and they would run out */
    if (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof(yes)) == 0
        && bind(fd, (struct sockaddr *)&source, sizeof(source)) == 0
        && (connect(fd, (const struct sockaddr *)&options->server,
                    sizeof(options->server)) == 0
            || errno == EINPROGRESS))
        return fd;
    error = errno;
    close(fd);
    errno = error;
    return -1;
}

void load_fill(char *message, size_t size, uint64_t number)
{
    uint64_t word = number;

    for (size_t at = 0; at < size; at += sizeof(word)) {
        size_t left = size - at;

        memcpy(message + at, &word, left < sizeof(word) ? left : sizeof(word));
        word = word * 6364136223846793005u + 1442695040888963407u;
    }
}

bool load_matches(const char *message, size_t size, uint64_t number)
{
    char expected[LOAD_MAX_MESSAGE];

    load_fill(expected, size, number);
    return memcmp(message, expected, size) == 0;
}
