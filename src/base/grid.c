#include "base/grid.h"

#include <string.h>

#include "base/mem.h"

void grid_add(struct grid *grid, const char *const *texts)
{
    for (size_t i = 0; i < grid->columns; i++)
        *MEM_PUSH(grid->cells, grid->count) =
            mem_text(texts[i] == NULL || texts[i][0] == '\0' ? "-" : texts[i]);
}

static size_t width_of(const struct grid *grid, size_t column)
{
    size_t width = 0;

    for (size_t i = column; i < grid->count; i += grid->columns)
        if (strlen(grid->cells[i]) > width)
            width = strlen(grid->cells[i]);
    return width;
}

void grid_print(const struct grid *grid, FILE *out)
{
    size_t *widths = mem_array(grid->columns, sizeof(*widths));

    for (size_t c = 0; c < grid->columns; c++)
        widths[c] = width_of(grid, c);
    for (size_t i = 0; i < grid->count; i++) {
        size_t column = i % grid->columns;

        if (column + 1 < grid->columns)
            fprintf(out, "%-*s  ", (int)widths[column], grid->cells[i]);
        else
            fprintf(out, "%s\n", grid->cells[i]);
    }
    mem_free(&widths);
}

void grid_free(struct grid *grid)
{
    for (size_t i = 0; i < grid->count; i++)
        mem_free(&grid->cells[i]);
    mem_free(&grid->cells);
    grid->count = 0;
}
