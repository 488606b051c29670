#include "master/numbers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"

/* context: the names that stay, each followed by a blank. */
static int is_used(const char *name, void *context)
{
    const char *at = strstr(context, name);

    return at != NULL && at[strlen(name)] == ' ';
}

/* A step asks for a name, or, with "!", prunes all but the names that follow. */
static void a_name_keeps_its_number_until_nobody_uses_it(void **state)
{
    static const struct {
        const char *name;
        int want;
    } steps[] = {
        { "echo", 0 },  { "daytime", 1 },       { "echo", 0 },      { "upper", 2 },
        { "!echo upper ", 0 }, { "upper", 2 },  { "echo", 0 },      { "fresh", 1 },
        { "full", -1 }, { "fresh", 1 },         { "!", 0 },         { "full", 2 },
    };
    struct numbers numbers = { .limit = 3 };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        struct err err = ERR_EMPTY;
        char stay[64] = "";

        if (steps[i].name[0] == '!') {
            strncpy(stay, steps[i].name + 1, sizeof(stay) - 1);
            numbers_prune(&numbers, is_used, stay);
            continue;
        }
        assert_int_equal(numbers_of(&numbers, steps[i].name, &err), steps[i].want);
        if (steps[i].want == -1)
            assert_string_equal(err.text, "full: more than 3 names are in use");
    }
    numbers_free(&numbers);
    assert_int_equal(numbers.count, 0);
}

static void numbers_never_reach_the_limit(void **state)
{
    struct numbers numbers = { .limit = 100 };
    char name[16];

    (void)state;
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof(name), "n%d", i);
        assert_int_equal(numbers_of(&numbers, name, NULL), i);
    }
    assert_int_equal(numbers_of(&numbers, "one more", NULL), -1);
    assert_int_equal(numbers.count, 100);
    numbers_free(&numbers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_keeps_its_number_until_nobody_uses_it),
        cmocka_unit_test(numbers_never_reach_the_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
