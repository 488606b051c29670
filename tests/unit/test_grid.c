#include "base/grid.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"

static const struct {
    const char *cells[7];
    const char *want;
} cases[] = {
    { { NULL }, "" },
    { { "A", "B", "C" }, "A  B  C\n" },
    { { "NAME", "PORT", "STATE", "echo", "127.0.0.1:7", "on" },
      "NAME  PORT         STATE\necho  127.0.0.1:7  on\n" },
    { { "longer", "", "x", "y", "z", "" }, "longer  -  x\ny       z  -\n" },
};

static void columns_are_aligned_and_lines_end_without_blanks(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct grid grid = GRID_EMPTY(3);
        char *text = NULL;
        size_t length;
        FILE *out = open_memstream(&text, &length);

        assert_non_null(out);
        for (size_t n = 0; cases[i].cells[n] != NULL; n += 3)
            grid_add(&grid, &cases[i].cells[n]);
        grid_print(&grid, out);
        fclose(out);
        assert_string_equal(text, cases[i].want);
        free(text);
        grid_free(&grid);
        assert_int_equal(grid.count, 0);
    }
}

static void a_text_that_is_missing_is_shown_as_a_dash(void **state)
{
    static const char *const row[] = { NULL, "x" };
    struct grid grid = GRID_EMPTY(2);

    (void)state;
    grid_add(&grid, row);
    assert_string_equal(grid.cells[0], "-");
    assert_string_equal(grid.cells[1], "x");
    grid_free(&grid);
}

static void texts_are_copied(void **state)
{
    char text[] = "before";
    const char *row[] = { text };
    struct grid grid = GRID_EMPTY(1);

    (void)state;
    grid_add(&grid, row);
    memset(text, 'x', sizeof(text) - 1);
    assert_string_equal(grid.cells[0], "before");
    grid_free(&grid);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_aligned_and_lines_end_without_blanks),
        cmocka_unit_test(a_text_that_is_missing_is_shown_as_a_dash),
        cmocka_unit_test(texts_are_copied),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
