#include "support/build_plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "conf/check.h"
#include "support/some_plugins.h"

struct plan *build_plan_from(const char *text, const char *more, bool is_root,
                             struct mistakes *mistakes)
{
    struct check_input input = { .main_file = "t.conf",
                                 .is_root = is_root,
                                 .uid = 4242,
                                 .gid = 4242,
                                 .catalogue = &some_plugins };
    char names[][16] = { "t.conf", "rows/u.conf" };
    char *bytes[] = { mem_text(text), mem_text(more != NULL ? more : "") };
    struct source_file files[] = { { names[0], bytes[0], strlen(bytes[0]), false },
                                   { names[1], bytes[1], strlen(bytes[1]), false } };
    struct source source = { .files = files, .file_count = more != NULL ? 2 : 1 };
    struct plan *plan;

    for (size_t i = 0; i < source.file_count; i++)
        source_scan(&files[i], mistakes);
    plan = check_build(&input, &source, mistakes);
    mem_free(&bytes[0]);
    mem_free(&bytes[1]);
    return plan;
}

struct plan *build_plan(const char *text, struct mistakes *mistakes)
{
    return build_plan_from(text, NULL, false, mistakes);
}

struct plan *build_good_plan(const char *text)
{
    struct mistakes mistakes = { 0 };
    struct plan *plan = build_plan(text, &mistakes);

    if (plan == NULL)
        fail_msg("%s", mistakes.count > 0 ? mistakes.at[0] : "no plan, and no mistake");
    assert_int_equal(mistakes.count, 0);
    mistakes_free(&mistakes);
    return plan;
}
