#include "conf/planwire_parse.h"

#include "base/mem.h"
#include "base/opt.h"
#include "conf/keys.h"
#include "conf/planlimits.h"
#include "conf/planrules.h"
#include "conf/planwire.h"

struct reading {
    struct plan *plan;
    size_t expected;
    bool has_globals;
};

static int take_plan(struct reading *reading, const struct record *record,
                     struct err *err)
{
    static const char *const names[] = { "config", "services", NULL };
    int64_t count;

    if (reading->plan->config != NULL)
        return err_set(err, "came twice");
    if (planwire_check_fields(record, names, err) == -1
        || record_number(record, "services", 0, PLAN_SERVICES, &count, err) == -1)
        return -1;
    if (record_get(record, "config") == NULL)
        return err_set(err, "config is missing");
    reading->plan->config = mem_text(record_get(record, "config"));
    reading->expected = (size_t)count;
    reading->plan->services = mem_array((size_t)count, sizeof(*reading->plan->services));
    return 0;
}

static int take_globals(struct reading *reading, const struct record *record,
                        struct err *err)
{
    static const char *const names[] = { "worker_count", "control_read_gid",
                                         "control_operate_gid", NULL };
    struct plan_globals *globals = &reading->plan->globals;
    int64_t workers, read_gid, operate_gid;

    if (reading->has_globals || reading->plan->config == NULL)
        return err_set(err, "not expected here");
    reading->has_globals = true;
    if (opt_preset(keys_global, globals, err) == -1
        || planwire_read_keys(keys_global, record, globals, names, err) == -1
        || record_number(record, "worker_count", 1, PLAN_WORKERS, &workers, err) == -1
        || record_number(record, "control_read_gid", 0, PLANWIRE_ID_MAX, &read_gid, err)
               == -1
        || record_number(record, "control_operate_gid", 0, PLANWIRE_ID_MAX, &operate_gid,
                         err)
               == -1)
        return -1;
    globals->worker_count = (unsigned)workers;
    globals->control_read_gid = (gid_t)read_gid;
    globals->control_operate_gid = (gid_t)operate_gid;
    return 0;
}

static int take_service(struct reading *reading, const struct record *record,
                        struct err *err)
{
    if (!reading->has_globals || reading->plan->service_count == reading->expected)
        return err_set(err, "not expected here");
    return planwire_take_service(reading->plan, record, err);
}

static int take_part(struct reading *reading, const struct record *record,
                     struct err *err)
{
    struct plan *plan = reading->plan;
    struct plan_service *service =
        plan->service_count > 0 ? &plan->services[plan->service_count - 1] : NULL;

    if (service == NULL)
        return err_set(err, "not expected here");
    if (record_is(record, "rules"))
        return planrules_take(service, record, err);
    if (record_is(record, "option"))
        return planwire_take_option(service, record, err);
    if (record_is(record, "limit"))
        return planlimits_take(service, record, err);
    if (record_is(record, "endpoint"))
        return planwire_take_endpoint(service, record, err);
    return err_set(err, "unknown record");
}

static int take(const struct record *record, void *context, struct err *err)
{
    struct reading *reading = context;
    int result;

    if (record_is(record, "plan"))
        result = take_plan(reading, record, err);
    else if (record_is(record, "global"))
        result = take_globals(reading, record, err);
    else if (record_is(record, "service"))
        result = take_service(reading, record, err);
    else
        result = take_part(reading, record, err);
    return result == -1 ? err_prefix(err, "plan: %s", record->word) : 0;
}

struct plan *planwire_parse(const char *text, size_t count, struct err *err)
{
    struct reading reading = { .plan = mem_new(sizeof(struct plan)) };
    int result = record_each(text, count, take, &reading, err);

    if (result == 0
        && (!reading.has_globals || reading.plan->service_count != reading.expected))
        result = err_set(err, "plan: it is not complete");
    if (result == -1)
        plan_free(&reading.plan);
    return reading.plan;
}
