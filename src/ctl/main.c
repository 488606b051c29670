/*
 * usherctl: steers a running usherd. The commands, and who may use them, are usherd's own
 * (`usherctl help` asks it); this program carries words and prints answers.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "ctl/answer.h"
#include "ctl/client.h"
#include "ctl/json.h"
#include "ctl/print.h"

#define STATUS_USAGE 2
#define STATUS_SYSTEM 3
#define ARGUMENTS 3

static const char usage[] =
    "usage: usherctl [-s SOCKET] [--json] list | status\n"
    "       usherctl [-s SOCKET] [--json] explain SERVICE ADDRESS [LOCAL-ADDRESS]\n"
    "       usherctl [-s SOCKET] check | reload | help\n"
    "  -s SOCKET       usherd's control socket (" USHER_RUNSTATEDIR "/usher/control)\n"
    "  --json          the answer as one JSON object\n"
    "  -v, --version   print the version\n"
    "  -h, --help      print this; `usherctl help` asks usherd for its commands\n";

/* What this program knows of a command beyond its word; others are carried as they
 * are. */
static const struct command {
    const char *word;
    const char *arguments[ARGUMENTS]; /* the request's fields, in order */
    size_t least;                     /* so many must be given */
    const char *done;                 /* said when it went well */
    void (*print)(const struct answer *answer);
    int (*print_json)(const struct answer *answer, struct err *err);
} commands[] = {
    { "list", { NULL }, 0, NULL, print_list, json_print_list },
    { "status", { NULL }, 0, NULL, print_status, json_print_status },
    { "explain",
      { "service", "address", "local" },
      2,
      NULL,
      print_explain,
      json_print_explain },
    { "check", { NULL }, 0, "good", NULL, NULL },
    { "reload", { NULL }, 0, "reloaded", NULL, NULL },
    { NULL, { NULL }, 0, NULL, NULL, NULL },
};

struct options {
    const char *socket;
    bool as_json, wants_version, wants_help;
    const char *words[1 + ARGUMENTS]; /* the command, what it is given */
    size_t word_count;
};

static int refuse_usage(const char *text)
{
    fprintf(stderr, "usherctl: %s\n%s", text, usage);
    return STATUS_USAGE;
}

static const struct command *find(const char *word)
{
    const struct command *command = commands;

    while (command->word != NULL && strcmp(command->word, word) != 0)
        command++;
    return command;
}

/* ---- asking ---- */

static void on_record(struct record *record, void *context)
{
    if (!print_line(record))
        answer_take(context, record);
}

static void write_request(const struct options *options, const struct command *command,
                          struct record_out *out)
{
    record_begin(out, options->words[0]);
    for (size_t i = 1; i < options->word_count; i++)
        record_add(out, command->arguments[i - 1], options->words[i]);
    record_end(out);
}

static int show(const struct options *options, const struct command *command,
                const struct answer *answer, struct err *err)
{
    if (options->as_json && command->print_json(answer, err) == -1)
        return -1;
    if (!options->as_json && command->print != NULL)
        command->print(answer);
    if (command->done != NULL)
        puts(command->done);
    return fd_finish_output(err);
}

static int ask(const struct options *options, const struct command *command)
{
    struct answer answer = ANSWER_EMPTY;
    struct client_call call = {
        .path = options->socket,
        .request = RECORD_OUT_EMPTY,
        .each = on_record,
        .context = &answer,
        .status = STATUS_SYSTEM,
    };
    struct err err = ERR_EMPTY;
    int result;

    write_request(options, command, &call.request);
    result = client_ask(&call, &err);
    if (result == 0 && call.status == 0)
        result = show(options, command, &answer, &err);
    if ((result == -1 || call.status != 0) && err.text[0] != '\0')
        fprintf(stderr, "usherctl: %s\n", err.text);
    answer_free(&answer);
    return result == -1 ? STATUS_SYSTEM : call.status;
}

/* ---- the command line ---- */

/* A word is sent as a record's, so that it can be one. */
static bool is_word(const char *text)
{
    return text[0] != '\0' && strspn(text, "abcdefghijklmnopqrstuvwxyz-") == strlen(text);
}

/* Options before and after the command are the same. */
static const char *take(struct options *options, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0)
            options->as_json = true;
        else if (strcmp(argv[i], "-v") == 0 || strcmp(argv[i], "--version") == 0)
            options->wants_version = true;
        else if (strcmp(argv[i], "-h") == 0 || strcmp(argv[i], "--help") == 0)
            options->wants_help = true;
        else if (strcmp(argv[i], "-s") == 0 && i + 1 < argc)
            options->socket = argv[++i];
        else if (strncmp(argv[i], "-s", 2) == 0 && argv[i][2] != '\0')
            options->socket = argv[i] + 2;
        else if (argv[i][0] == '-')
            return "unknown option, or one without its value";
        else if (options->word_count == ARRAY_LEN(options->words))
            return "too many words";
        else
            options->words[options->word_count++] = argv[i];
    }
    return NULL;
}

static const char *check(const struct options *options, const struct command *command)
{
    size_t most = 0;

    while (most < ARGUMENTS && command->arguments[most] != NULL)
        most++;
    if (!is_word(options->words[0]))
        return "no such command";
    if (options->word_count - 1 > most)
        return most == 0 ? "one command at a time" : "too many words";
    if (options->word_count - 1 < command->least)
        return "explain needs a service and an address";
    if (options->as_json && command->print_json == NULL)
        return "--json is for list, status and explain";
    return NULL;
}

static int say_about(const struct options *options)
{
    struct err err = ERR_EMPTY;

    fputs(options->wants_version ? "usherctl " USHER_VERSION "\n" : usage, stdout);
    if (fd_finish_output(&err) == 0)
        return 0;
    fprintf(stderr, "usherctl: %s\n", err.text);
    return STATUS_SYSTEM;
}

int main(int argc, char **argv)
{
    struct options options = { .socket = USHER_RUNSTATEDIR "/usher/control" };
    const char *wrong;

    wrong = take(&options, argc, argv);
    if (wrong == NULL && (options.wants_version || options.wants_help))
        return say_about(&options);
    if (wrong == NULL && options.word_count == 0)
        wrong = "no command";
    if (wrong == NULL)
        wrong = check(&options, find(options.words[0]));
    return wrong != NULL ? refuse_usage(wrong) : ask(&options, find(options.words[0]));
}
