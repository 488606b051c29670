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
#include "support/some_plugins.h"

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
    struct check_input input = {
        .uid = 4242, .gid = 4242, .plugin_dir = "/plugins", .catalogue = &some_plugins};
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
