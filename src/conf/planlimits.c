#include "conf/planlimits.h"

#include <string.h>
#include <sys/resource.h>

#include "base/mem.h"
#include "base/str.h"
#include "conf/planwire_parse.h"

/* What a row may limit: the master takes no other number from the reader. */
static const struct {
    const char *name;
    int resource;
} resources[] = {
    { "nofile", RLIMIT_NOFILE },   { "as", RLIMIT_AS },       { "cpu", RLIMIT_CPU },
    { "core", RLIMIT_CORE },       { "fsize", RLIMIT_FSIZE }, { "nproc", RLIMIT_NPROC },
    { "memlock", RLIMIT_MEMLOCK }, { "stack", RLIMIT_STACK }, { "data", RLIMIT_DATA },
};

static const char *limit_name(int resource)
{
    for (size_t i = 0; i < ARRAY_LEN(resources); i++)
        if (resources[i].resource == resource)
            return resources[i].name;
    return "none";
}

static void print_limit(struct record_out *out, const struct plan_limit *limit)
{
    char text[32];

    record_begin(out, "limit");
    record_add(out, "resource", limit_name(limit->resource));
    record_add(out, "value",
               limit->value == USHER_SIZE_UNLIMITED
                   ? "unlimited"
                   : str_size(text, sizeof(text), limit->value));
    record_end(out);
}

void planlimits_print(struct record_out *out, const struct plan_service *service)
{
    for (size_t i = 0; i < service->limit_count; i++)
        print_limit(out, &service->limits[i]);
}

int planlimits_take(struct plan_service *service, const struct record *record,
                    struct err *err)
{
    static const char *const names[] = { "resource", "value", NULL };
    const char *name = record_get(record, "resource"),
               *value = record_get(record, "value");
    struct plan_limit limit = { -1, USHER_SIZE_UNLIMITED };

    if (planwire_check_fields(record, names, err) == -1)
        return -1;
    for (size_t i = 0; name != NULL && i < ARRAY_LEN(resources); i++)
        if (strcmp(resources[i].name, name) == 0)
            limit.resource = resources[i].resource;
    if (limit.resource == -1 || service->limit_count == ARRAY_LEN(resources))
        return err_set(err, "resource: none of ours");
    if (value == NULL
        || (strcmp(value, "unlimited") != 0 && str_to_size(value, &limit.value) == -1))
        return err_set(err, "value: not a size");
    *MEM_PUSH(service->limits, service->limit_count) = limit;
    return 0;
}
