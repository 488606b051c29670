#include "ctl/print.h"

#include <stdio.h>

#define COLUMNS PRINT_COLUMNS

static const char *const heads[COLUMNS] = { "SERVICE", "ENDPOINT", "WAY", "POOL", "STATE",
                                            "ACTIVE", "ACCEPTED" };
static const char *const keys[COLUMNS] = { "name", NULL, "way", "pool", "state", "active",
                                           "accepted" };

static void add_row(struct print *print, const struct record *record, const char *endpoint)
{
    const char *cells[COLUMNS];

    for (size_t i = 0; i < COLUMNS; i++)
        cells[i] = keys[i] == NULL ? endpoint : record_get(record, keys[i]);
    grid_add(&print->services, cells);
}

/* A row an endpoint; a service that has none open still has its row. */
static void add_service(struct print *print, const struct record *record)
{
    size_t n = 0;
    const char *endpoint = record_item(record, "endpoint", n);

    if (print->services.count == 0)
        grid_add(&print->services, heads);
    do {
        add_row(print, record, endpoint);
        endpoint = record_item(record, "endpoint", ++n);
    } while (endpoint != NULL);
}

static const char *text_of(const struct record *record, const char *key)
{
    const char *text = record_get(record, key);

    return text == NULL ? "" : text;
}

void print_record(struct print *print, const struct record *record)
{
    if (record_is(record, "service"))
        add_service(print, record);
    else if (record_is(record, "mistake"))
        fprintf(stderr, "%s\n", text_of(record, "text"));
    else if (record_is(record, "warning"))
        fprintf(stderr, "warning: %s\n", text_of(record, "text"));
    else if (record_is(record, "command"))
        printf("%-8s %s\n", text_of(record, "name"),
               text_of(record, "help"));
}

void print_end(struct print *print)
{
    grid_print(&print->services, stdout);
    grid_free(&print->services);
}
