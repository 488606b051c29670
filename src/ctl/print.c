#include "ctl/print.h"

#include <stdio.h>
#include <string.h>

#include "base/grid.h"
#include "base/log.h"
#include "base/str.h"
#include "ctl/text.h"

#define COLUMNS 7

static const char *const heads[COLUMNS] = { "SERVICE", "ENDPOINT", "WAY", "POOL", "STATE",
                                            "ACTIVE", "ACCEPTED" };
static const char *const keys[COLUMNS] = { "name", NULL, "way", "pool", "state", "active",
                                           "accepted" };

static void add_row(struct grid *grid, const struct record *record, const char *place)
{
    char texts[COLUMNS][TEXT_ROOM];
    const char *cells[COLUMNS];

    for (size_t i = 0; i < COLUMNS; i++)
        cells[i] =
            text_safe(texts[i], keys[i] == NULL ? place : record_get(record, keys[i]));
    grid_add(grid, cells);
}

/* A row an endpoint; a service that has none open still has its row. */
static void add_service(struct grid *grid, const struct answer *answer, size_t service)
{
    struct answer_places places = answer_places(answer, service);
    const char *place = answer_next_place(&places);

    do {
        add_row(grid, &answer->records[service], place);
        place = answer_next_place(&places);
    } while (place != NULL);
}

void print_list(const struct answer *answer)
{
    struct grid grid = GRID_EMPTY(COLUMNS);

    for (size_t i = answer_find(answer, "service", 0); i < answer->count;
         i = answer_find(answer, "service", i + 1)) {
        if (grid.count == 0)
            grid_add(&grid, heads);
        add_service(&grid, answer, i);
    }
    grid_print(&grid, stdout);
    grid_free(&grid);
}

/* The kind of caller stands before its rules. */
void print_explain(const struct answer *answer)
{
    char key[TEXT_ROOM], text[TEXT_ROOM], of[TEXT_ROOM] = "";

    for (size_t i = answer_find(answer, "rule", 0); i < answer->count;
         i = answer_find(answer, "rule", i + 1)) {
        const struct record *rule = &answer->records[i];

        text_safe(text, record_get(rule, "of"));
        if (strcmp(text, of) != 0)
            printf("%s:\n", text);
        str_copy(of, sizeof(of), text);
        printf("  %-15s  %s\n", text_safe(key, record_get(rule, "key")),
               text_safe(text, record_get(rule, "text")));
    }
}

bool print_line(const struct record *record)
{
    char name[TEXT_ROOM], text[LOG_LINE];

    text_safe_in(text, sizeof(text), record_get(record, "text"));
    if (record_is(record, "mistake"))
        fprintf(stderr, "%s\n", text);
    else if (record_is(record, "warning"))
        fprintf(stderr, "warning: %s\n", text);
    else if (record_is(record, "command"))
        printf("%-8s %s\n", text_safe(name, record_get(record, "name")),
               text_safe_in(text, sizeof(text), record_get(record, "help")));
    else
        return false;
    return true;
}
