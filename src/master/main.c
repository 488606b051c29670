#include <stdio.h>

#include "base/fd.h"
#include "loop/sig.h"
#include "master/boot.h"
#include "master/inspect.h"

#define STATUS_USAGE 2
#define STATUS_SYSTEM 3

static int refuse(int status, const struct err *err)
{
    fprintf(stderr, "usherd: %s\n", err->text);
    if (status == STATUS_USAGE)
        fprintf(stderr, "Try usherd --help.\n");
    return status;
}

static int serve(const struct options *options)
{
    struct background background = BACKGROUND_EMPTY;
    struct err err = ERR_EMPTY;
    int status;

    if (options->to_background && background_start(&background, &err) == -1)
        return refuse(STATUS_SYSTEM, &err);
    status = boot_serve(options, &background);
    background_tell(&background, status);
    return status;
}

static int show(const struct options *options)
{
    switch (options->task) {
    case OPTIONS_CHECK: return inspect_check(options);
    case OPTIONS_TABLE: return inspect_table(options);
    case OPTIONS_KEYS: return inspect_keys();
    case OPTIONS_HELP: fputs(options_usage(), stdout); return 0;
    case OPTIONS_VERSION: puts("usherd " USHER_VERSION); return 0;
    case OPTIONS_SERVE: break;
    }
    return STATUS_USAGE;
}

static int run(const struct options *options)
{
    struct err err = ERR_EMPTY;
    int status;

    if (options->task == OPTIONS_SERVE)
        return serve(options);
    status = show(options);
    if (status == 0 && fd_finish_output(&err) == -1)
        return refuse(STATUS_SYSTEM, &err);
    return status;
}

int main(int argc, char **argv)
{
    struct options options;
    struct err err = ERR_EMPTY;
    int status;

    if (fd_fill_standard(&err) == -1 || sig_block(&err) == -1)
        return refuse(STATUS_SYSTEM, &err);
    status = options_parse(&options, argc, argv, &err) == -1 ? refuse(STATUS_USAGE, &err)
                                                            : run(&options);
    options_free(&options);
    return status;
}
