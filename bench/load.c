/*
 * load: ask a server on loopback for one kind of work, verify every byte, and print one
 * line of counts. Exit: 0 all verified, 1 something went wrong (the line says what), 2
 * wrong usage, 3 the system said no.
 */
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_LATENCIES 4000000u

static const struct load_mode modes[] = {
    { "tcp-echo", "connect, send, hear the same, close", 64, load_tcp_echo },
    { "ping-pong", "messages in flight on held connections", 64, load_ping_pong },
    { "udp-echo", "datagrams outstanding", 256, load_udp_echo },
    { "exec", "connect, read what a program says until it closes", 8, load_exec },
    { "daytime", "connect, read a date until the server closes", 64, load_daytime },
    { "bulk", "stream MiBs through one connection", 1, load_bulk },
    { "idle", "open connections, hear each once, hold them", 64, load_idle },
};

static void usage(FILE *to)
{
    fprintf(to, "usage: load MODE --port N [option]...\n"
                "  --host ADDRESS      the server (127.0.0.1)\n"
                "  --at-once K         operations in flight (by mode)\n"
                "  --connections C     connections to hold (64)\n"
                "  --sources N         addresses of 127.0.0.0/8 to come from (64)\n"
                "  --count N           operations at most (no limit)\n"
                "  --seconds S         time after which none is started (2)\n"
                "  --size BYTES        of a message (64)\n"
                "  --expect TEXT       what a program says (ok and a newline)\n"
                "  --in-step           say ready, wait for a line; end at end of file\n"
                "modes:\n");
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
        fprintf(to, "  %-10s %s\n", modes[i].name, modes[i].help);
}

_Noreturn static void refuse(const char *what, const char *text)
{
    fprintf(stderr, "load: %s: \"%s\"\n", what, text);
    exit(2);
}

static unsigned long number(const char *text, unsigned long least, unsigned long most)
{
    char *end;
    unsigned long value;

    errno = 0;
    value = strtoul(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || value < least || value > most)
        refuse("not a number, or out of range", text);
    return value;
}

static uint64_t seconds(const char *text)
{
    char *end;
    double value = strtod(text, &end);

    if (end == text || *end != '\0' || !(value > 0 && value <= 3600))
        refuse("not a time in seconds", text);
    return (uint64_t)(value * 1e9);
}

static const struct load_mode *find_mode(const char *name)
{
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
        if (strcmp(modes[i].name, name) == 0)
            return &modes[i];
    refuse("unknown mode", name);
}

static void apply(struct load_options *o, int key, const char *text)
{
    switch (key) {
    case 'h':
        if (inet_pton(AF_INET, text, &o->server.sin_addr) != 1)
            refuse("not an IPv4 address", text);
        break;
    case 'p':
        o->server.sin_port = htons((uint16_t)number(text, 1, 65535));
        break;
    case 'k':
        o->at_once = (unsigned)number(text, 1, 65536);
        break;
    case 'c':
        o->connections = (unsigned)number(text, 1, 1000000);
        break;
    case 's':
        o->sources = (unsigned)number(text, 1, 65536);
        break;
    case 'n':
        o->count = number(text, 1, 1000000000);
        break;
    case 't':
        o->run_ns = seconds(text);
        break;
    case 'b':
        o->size = number(text, sizeof(uint64_t), LOAD_MAX_MESSAGE);
        break;
    case 'e':
        if (strlen(text) >= LOAD_MAX_MESSAGE)
            refuse("too long", text);
        o->expect = text;
        break;
    case 'i':
        o->in_step = true;
        break;
    default:
        usage(stderr);
        exit(2);
    }
}

static void parse(int argc, char *argv[], struct load_options *options)
{
    static const struct option words[] = {
        { "host", required_argument, NULL, 'h' },
        { "port", required_argument, NULL, 'p' },
        { "at-once", required_argument, NULL, 'k' },
        { "connections", required_argument, NULL, 'c' },
        { "sources", required_argument, NULL, 's' },
        { "count", required_argument, NULL, 'n' },
        { "seconds", required_argument, NULL, 't' },
        { "size", required_argument, NULL, 'b' },
        { "expect", required_argument, NULL, 'e' },
        { "in-step", no_argument, NULL, 'i' },
        { NULL, 0, NULL, 0 },
    };
    int key;

    while ((key = getopt_long(argc, argv, "", words, NULL)) != -1)
        apply(options, key, optarg);
    if (optind != argc - 1 || options->server.sin_port == 0)
        apply(options, '?', NULL);
    options->mode = find_mode(argv[optind]);
    if (options->at_once == 0)
        options->at_once = options->mode->at_once;
}

int main(int argc, char *argv[])
{
    struct load_options options = {
        .server = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) },
        .connections = 64, .sources = 64, .count = UINT64_MAX, .run_ns = 2000000000u,
        .size = 64, .expect = "ok\n" };
    struct load_result result = { .latency_max = MAX_LATENCIES };
    char byte;

    parse(argc, argv, &options);
    result.latency_ns = load_alloc(result.latency_max, sizeof(result.latency_ns[0]));
    options.mode->run(&options, &result);
    load_print(&result);
    while (options.in_step && read(0, &byte, 1) > 0)
        ;
    free(result.latency_ns);
    return load_failures(&result) == 0 && result.ops > 0 ? 0 : 1;
}
