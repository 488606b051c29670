#include "master/options.h"

#include <getopt.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

#define READY_FD 256 /* long options without a letter */
#define PLUGIN_DIR 257
#define PID_FILE 258
#define LIST_KEYS 259

static const struct option long_options[] = {
    { "config", required_argument, NULL, 'c' },
    { "check", no_argument, NULL, 't' },
    { "table", no_argument, NULL, 'T' },
    { "daemon", no_argument, NULL, 'd' },
    { "set", required_argument, NULL, 'o' },
    { "pid-file", required_argument, NULL, PID_FILE },
    { "plugin-dir", required_argument, NULL, PLUGIN_DIR },
    { "ready-fd", required_argument, NULL, READY_FD },
    { "list-keys", no_argument, NULL, LIST_KEYS }, /* for tests/check/manual.t */
    { "version", no_argument, NULL, 'v' },
    { "help", no_argument, NULL, 'h' },
    { NULL, 0, NULL, 0 },
};

const char *options_usage(void)
{
    return "usage: usherd [-c FILE] [-t | -T] [-d] [--pid-file FILE] [-o KEY=VALUE]...\n"
           "              [--plugin-dir DIR] [--ready-fd N] [-v] [-h]\n"
           "  -c, --config FILE     the table's main file (" USHER_SYSCONFDIR
           "/usher/usher.conf)\n"
           "  -t, --check           read and check everything, change nothing\n"
           "  -T, --table           print the service table as it would run\n"
           "  -d, --daemon          go to the background once ready\n"
           "      --pid-file FILE   write the process id there, and lock it\n"
           "  -o, --set KEY=VALUE   override one global setting (-o port_offset=10000)\n"
           "      --plugin-dir DIR  where plugins are (" USHER_PKGLIBDIR ")\n"
           "      --ready-fd N      write a newline to descriptor N once all is ready\n"
           "  -v, --version         print the version\n"
           "  -h, --help            print this\n"
           "Signals: HUP reload, TERM drain, QUIT end at once, USR1 reopen the log.\n";
}

static int set_task(struct options *options, enum options_task task, struct err *err)
{
    if (options->task != OPTIONS_SERVE && options->task != task)
        return err_set(err, "only one of --check, --table, --version and --help");
    options->task = task;
    return 0;
}

static int add_override(struct options *options, const char *text, struct err *err)
{
    const char *equals = strchr(text, '=');

    if (equals == NULL || equals == text)
        return err_set(err, "-o %s: not of the form KEY=VALUE", text);
    *MEM_PUSH(options->overrides, options->override_count) = text;
    return 0;
}

static int set_ready_fd(struct options *options, const char *text, struct err *err)
{
    int64_t fd;

    if (str_to_int(text, 1, 1 << 20, &fd) == -1)
        return err_set(err, "--ready-fd %s: not a descriptor", text);
    options->ready_fd = (int)fd;
    return 0;
}

static int set_option(struct options *options, int letter, const char *text,
                      struct err *err)
{
    switch (letter) {
    case 'c': options->config = text; return 0;
    case 'd': options->to_background = true; return 0;
    case 'o': return add_override(options, text, err);
    case 't': return set_task(options, OPTIONS_CHECK, err);
    case 'T': return set_task(options, OPTIONS_TABLE, err);
    case 'v': return set_task(options, OPTIONS_VERSION, err);
    case 'h': return set_task(options, OPTIONS_HELP, err);
    case LIST_KEYS: return set_task(options, OPTIONS_KEYS, err);
    case PID_FILE: options->pid_file = text; return 0;
    case PLUGIN_DIR: options->plugin_dir = text; return 0;
    case READY_FD: return set_ready_fd(options, text, err);
    default: return -1;
    }
}

static int refuse(int letter, char *const *argv, struct err *err)
{
    const char *word = argv[optind > 1 ? optind - 1 : 0];

    if (letter == ':')
        return err_set(err, "%s: needs a value", word);
    if (optopt == 0)
        return err_set(err, "%s: unknown option", word);
    if (str_starts(word, "--"))
        return err_set(err, "%s: takes no value", word);
    return err_set(err, "-%c: unknown option", optopt);
}

int options_parse(struct options *options, int argc, char **argv, struct err *err)
{
    int letter;

    *options = (struct options){ .config = USHER_SYSCONFDIR "/usher/usher.conf",
                                 .ready_fd = -1 };
    optind = 0; /* glibc: start over, for tests that parse twice */
    opterr = 0;
    while ((letter = getopt_long(argc, argv, ":c:tTdo:vh", long_options, NULL)) != -1) {
        if (letter == ':' || letter == '?')
            return refuse(letter, argv, err);
        if (set_option(options, letter, optarg, err) == -1)
            return -1;
    }
    if (optind < argc)
        return err_set(err, "%s: not an option", argv[optind]);
    if (options->plugin_dir != NULL && options->plugin_dir[0] != '/')
        return err_set(err, "--plugin-dir %s: not an absolute path", options->plugin_dir);
    return 0;
}

void options_free(struct options *options)
{
    mem_free(&options->overrides);
    options->override_count = 0;
}

struct usher_list options_overrides(const struct options *options)
{
    return (struct usher_list){ options->override_count, options->overrides };
}
