#include "ctl/print.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"

#define COLUMNS 7

static const char *const heads[COLUMNS] = { "SERVICE", "ENDPOINT", "WAY", "POOL", "STATE",
                                            "ACTIVE", "ACCEPTED" };
static const char *const keys[COLUMNS] = { "name", NULL, "way", "pool", "state", "active",
                                           "accepted" };

static const char *or_dash(const char *text)
{
    return text == NULL || text[0] == '\0' ? "-" : text;
}

static void add_row(struct print *print, const struct record *record, const char *endpoint)
{
    char *(*row)[COLUMNS] = MEM_PUSH(print->rows, print->count);

    for (size_t i = 0; i < COLUMNS; i++)
        (*row)[i] = mem_text(or_dash(keys[i] == NULL ? endpoint : record_get(record, keys[i])));
}

static void add_heads(struct print *print)
{
    char *(*row)[COLUMNS] = MEM_PUSH(print->rows, print->count);

    for (size_t i = 0; i < COLUMNS; i++)
        (*row)[i] = mem_text(heads[i]);
}

/* A row an endpoint; a service that has none open still has its row. */
static void add_service(struct print *print, const struct record *record)
{
    size_t n = 0;
    const char *endpoint = record_item(record, "endpoint", n);

    if (print->count == 0)
        add_heads(print);
    do {
        add_row(print, record, endpoint);
        endpoint = record_item(record, "endpoint", ++n);
    } while (endpoint != NULL);
}

void print_record(struct print *print, const struct record *record)
{
    if (record_is(record, "service"))
        add_service(print, record);
    else if (record_is(record, "mistake"))
        fprintf(stderr, "%s\n", or_dash(record_get(record, "text")));
    else if (record_is(record, "warning"))
        fprintf(stderr, "warning: %s\n", or_dash(record_get(record, "text")));
    else if (record_is(record, "command"))
        printf("%-8s %s\n", or_dash(record_get(record, "name")),
               or_dash(record_get(record, "help")));
}

static void print_rows(const struct print *print)
{
    size_t widths[COLUMNS] = { 0 };

    for (size_t r = 0; r < print->count; r++)
        for (size_t c = 0; c < COLUMNS; c++)
            if (strlen(print->rows[r][c]) > widths[c])
                widths[c] = strlen(print->rows[r][c]);
    for (size_t r = 0; r < print->count; r++) {
        for (size_t c = 0; c + 1 < COLUMNS; c++)
            printf("%-*s  ", (int)widths[c], print->rows[r][c]);
        printf("%s\n", print->rows[r][COLUMNS - 1]);
    }
}

void print_end(struct print *print)
{
    print_rows(print);
    for (size_t r = 0; r < print->count; r++)
        for (size_t c = 0; c < COLUMNS; c++)
            mem_free(&print->rows[r][c]);
    mem_free(&print->rows);
    print->count = 0;
}
