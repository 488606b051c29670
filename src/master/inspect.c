#include "master/inspect.h"

#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "base/grid.h"
#include "conf/keys.h"
#include "master/reader.h"

#define COLUMNS 6

/* NULL: what is wrong was said, and *status_out is the exit status. */
static struct plan *read_table(const struct options *options, int *status_out)
{
    struct reader_input input = {
        .config = options->config,
        .plugin_dir = options->plugin_dir,
        .overrides = options_overrides(options),
    };
    struct mistakes mistakes = { .count = 0 };
    struct plan *plan = reader_run_now(&input, &mistakes);

    for (size_t i = 0; i < mistakes.warning_count; i++)
        fprintf(stderr, "warning: %s\n", mistakes.warnings[i]);
    for (size_t i = 0; i < mistakes.count; i++)
        fprintf(stderr, "%s\n", mistakes.at[i]);
    *status_out = plan != NULL ? 0 : mistakes.is_system ? 3 : 1;
    mistakes_free(&mistakes);
    return plan;
}

int inspect_check(const struct options *options)
{
    int status;
    struct plan *plan = read_table(options, &status);

    if (plan != NULL)
        printf("%s: good, %zu service%s\n", options->config, plan->service_count,
               plan->service_count == 1 ? "" : "s");
    plan_free(&plan);
    return status;
}

/* "127.0.0.1:7", or the path. */
static const char *place_of(const struct endpoint *endpoint, char *out, size_t room)
{
    const char *text = endpoint_print(endpoint, out, room), *rest = strchr(text, ':');

    if (rest == NULL)
        return text;
    return strncmp(rest, "://", 3) == 0 ? rest + 3 : rest + 1;
}

static void add_service(struct grid *grid, const struct plan_service *service)
{
    struct passwd *who = getpwuid(service->uid);
    char uid[24], place[ADDR_TEXT + 32];

    snprintf(uid, sizeof(uid), "%ld", (long)service->uid);
    for (size_t i = 0; i < service->endpoint_count; i++) {
        const struct endpoint *endpoint = &service->endpoints[i];

        grid_add(grid, (const char *const[COLUMNS]){
            service->name,
            place_of(endpoint, place, sizeof(place)),
            endpoint_kind_name(endpoint->kind),
            plan_way_name(service->way),
            who == NULL ? uid : who->pw_name,
            service->enabled ? "on" : "off",
        });
    }
}

int inspect_table(const struct options *options)
{
    static const char *const heads[COLUMNS] = { "NAME", "PORT", "PROTOCOL", "WAY", "USER",
                                                "STATE" };
    struct grid grid = GRID_EMPTY(COLUMNS);
    int status;
    struct plan *plan = read_table(options, &status);

    if (plan == NULL)
        return status;
    grid_add(&grid, heads);
    for (size_t i = 0; i < plan->service_count; i++)
        add_service(&grid, &plan->services[i]);
    grid_print(&grid, stdout);
    grid_free(&grid);
    plan_free(&plan);
    return status;
}

int inspect_keys(void)
{
    for (const struct usher_option *row = keys_global; row->key != NULL; row++)
        printf("global %s\n", row->key);
    for (const struct usher_option *row = keys_service; row->key != NULL; row++)
        printf("service %s\n", row->key);
    return 0;
}
