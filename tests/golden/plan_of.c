/*
 * Prints the plan of a table, or its mistakes: what usherd's reader does, in one process,
 * with a catalogue of its own, so that the answer depends on nothing that is installed.
 *
 *   plan_of [root] [-o KEY=VALUE]... FILE     as root, or as the ordinary user 4242
 *
 * Lines: "mistake TEXT", "warning TEXT", then the plan's records, read back once by the
 * strict side and printed again. Exit 0 with a plan, 1 with mistakes, 2 when the two
 * prints differ.
 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "conf/check.h"
#include "conf/planwire.h"

/* ---- the catalogue --------------------------------------------------------------- */

struct echo_conf {
    const char *prefix;
};

struct all_conf {
    bool flag;
    unsigned count;
    int level;
    uint64_t size;
    int64_t delay;
    int colour;
    struct usher_list names;
    struct usher_address to;
};

static struct usher_option echo_options[] = {
    USHER_OPTION_TEXT(struct echo_conf, prefix, "", 0, 255, "Text before each datagram."),
    USHER_OPTION_END
};

static struct usher_option all_options[] = {
    USHER_OPTION_BOOL(struct all_conf, flag, "false", "A flag."),
    USHER_OPTION_UINT(struct all_conf, count, NULL, 1, 4096, "bytes", "A count."),
    USHER_OPTION_INT(struct all_conf, level, "0", -5, 5, NULL, "A level."),
    USHER_OPTION_SIZE(struct all_conf, size, "64k", 512, 1 << 20, "A size."),
    USHER_OPTION_DURATION(struct all_conf, delay, "1s", 10, 60000, "A time."),
    USHER_OPTION_ENUM(struct all_conf, colour, "red", "red|green|blue", "A choice."),
    USHER_OPTION_LIST(struct all_conf, names, NULL, 0, 3, "Names."),
    USHER_OPTION_ADDRESS(struct all_conf, to, NULL, "Where to."),
    USHER_OPTION_END
};

static struct usher_option no_options[] = { USHER_OPTION_END };

static char words[][16] = { "echo", "daytime", "all", "finger", "stream", "dgram", "mux" };
static char folder[] = "/plugins";
static char sentence[] = "A test.";

static const struct descriptor plugins[] = {
    { words[0], folder, sentence, USHER_STREAM | USHER_DATAGRAM, 0, true, false,
      echo_options },
    { words[1], folder, sentence, USHER_STREAM | USHER_DATAGRAM, 0, true, false,
      no_options },
    { words[2], folder, sentence, USHER_STREAM | USHER_DATAGRAM, USHER_NEEDS_FILES, true,
      false, all_options },
    { words[3], folder, sentence, USHER_STREAM, USHER_NEEDS_PASSWD, false, true,
      no_options },
    { words[4], folder, sentence, USHER_STREAM, 0, true, false, no_options },
    { words[5], folder, sentence, USHER_DATAGRAM, 0, false, false, no_options },
    { words[6], folder, sentence, USHER_STREAM, USHER_NEEDS_HAND_OVER, true, false,
      no_options },
};

static const struct descriptor *describe(void *context, const char *dir,
                                         const char *plugin, struct err *err)
{
    (void)context;
    for (size_t i = 0; i < ARRAY_LEN(plugins); i++)
        if (strcmp(plugins[i].name, plugin) == 0)
            return &plugins[i];
    err_set(err, "%s/%s.so: No such file or directory", dir, plugin);
    return NULL;
}

static int check(void *context, const struct plan_service *service, struct err *err)
{
    (void)context;
    for (size_t i = 0; i < service->option_count; i++)
        if (strcmp(service->options[i].value, "refuse me") == 0)
            return err_set(err, "the plugin does not like it");
    return 0;
}

/* ---- the answer ------------------------------------------------------------------ */

static int print_twice(const struct plan *plan)
{
    struct record_out first = RECORD_OUT_EMPTY, second = RECORD_OUT_EMPTY;
    struct err err = ERR_EMPTY;
    struct plan *again;
    int result = 0;

    planwire_print(&first, plan);
    again = planwire_parse(first.bytes, first.length, &err);
    if (again != NULL)
        planwire_print(&second, again);
    if (again == NULL || strcmp(first.bytes, second.bytes) != 0) {
        printf("read back: %s\n%s", again == NULL ? err.text : "another plan",
               again == NULL ? "" : second.bytes);
        result = 2;
    }
    printf("%s", first.bytes);
    plan_free(&again);
    record_out_free(&first);
    record_out_free(&second);
    return result;
}

static struct plan *build(const struct check_input *input, struct mistakes *mistakes)
{
    struct source source = { .is_lax = true };
    struct plan *plan = NULL;
    char *dir;

    source_open(&source, input->main_file, mistakes);
    if (source.file_count > 0) {
        dir = check_services_dir(&source, input);
        source_add_dir(&source, dir, mistakes);
        mem_free(&dir);
        plan = check_build(input, &source, mistakes);
    }
    source_free(&source);
    return plan;
}

int main(int argc, char **argv)
{
    struct check_catalogue catalogue = { NULL, describe, check };
    struct check_input input = {
        .uid = 4242, .gid = 4242, .plugin_dir = "/plugins", .catalogue = &catalogue
    };
    struct mistakes mistakes = { 0 };
    const char **overrides = mem_array((size_t)argc, sizeof(*overrides));
    struct plan *plan;
    int result = 1;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "root") == 0)
            input.is_root = true;
        else if (strcmp(argv[i], "-o") == 0 && i + 1 < argc)
            overrides[input.overrides.count++] = argv[++i];
        else
            input.main_file = argv[i];
    }
    input.overrides.at = overrides;
    if (input.main_file == NULL)
        return 2;
    plan = build(&input, &mistakes);
    for (size_t i = 0; i < mistakes.count; i++)
        printf("mistake %s\n", mistakes.at[i]);
    for (size_t i = 0; i < mistakes.warning_count; i++)
        printf("warning %s\n", mistakes.warnings[i]);
    if (plan != NULL)
        result = print_twice(plan);
    plan_free(&plan);
    mistakes_free(&mistakes);
    mem_free(&overrides);
    return result;
}
