/*
 * usherctl: steers a running usherd. The commands, and who may use them, are usherd's own
 * (`usherctl help` asks it); this program carries words and prints answers.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ctl/client.h"
#include "ctl/print.h"

#define STATUS_USAGE 2
#define STATUS_SYSTEM 3

static const char usage[] =
    "usage: usherctl [-s SOCKET] list | check | reload | help\n"
    "  -s SOCKET  usherd's control socket (" USHER_RUNSTATEDIR "/usher/control)\n"
    "  -v         print the version\n"
    "  -h         print this; `usherctl help` asks usherd for its commands\n";

static int refuse_usage(const char *text)
{
    fprintf(stderr, "usherctl: %s\n%s", text, usage);
    return STATUS_USAGE;
}

static void show(const struct record *record, void *context)
{
    print_record(context, record);
}

static int ask(const char *path, const char *word)
{
    struct print print = PRINT_EMPTY;
    struct err err = ERR_EMPTY;
    int status = STATUS_SYSTEM;
    int result = client_ask(path, word, show, &print, &status, &err);

    print_end(&print);
    if (result == -1 || (status != 0 && err.text[0] != '\0'))
        fprintf(stderr, "usherctl: %s\n", err.text);
    else if (status == 0 && strcmp(word, "reload") == 0)
        puts("reloaded");
    else if (status == 0 && strcmp(word, "check") == 0)
        puts("good");
    return result == -1 ? STATUS_SYSTEM : status;
}

int main(int argc, char **argv)
{
    const char *path = USHER_RUNSTATEDIR "/usher/control";
    int letter;

    opterr = 0;
    while ((letter = getopt(argc, argv, "+s:vh")) != -1)
        switch (letter) {
        case 's': path = optarg; break;
        case 'v': puts("usherctl " USHER_VERSION); return 0;
        case 'h': fputs(usage, stdout); return 0;
        default: return refuse_usage("unknown option, or one without its value");
        }
    if (argc - optind != 1)
        return refuse_usage(argc == optind ? "no command" : "one command at a time");
    return ask(path, argv[optind]);
}
