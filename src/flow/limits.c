#include "flow/limits.h"

#include <inttypes.h>

int limits_value(const struct plan_limit *limit, struct rlimit *out, struct err *err)
{
    struct rlimit hard;

    if (getrlimit((__rlimit_resource_t)limit->resource, &hard) == -1)
        return err_sys(err, "getrlimit");
    if (limit->value == USHER_SIZE_UNLIMITED) {
        out->rlim_cur = out->rlim_max = hard.rlim_max;
        return 0;
    }
    if (hard.rlim_max != RLIM_INFINITY && limit->value > hard.rlim_max)
        return err_set(err,
                       "limits: %" PRIu64 " is above the hard limit usherd has, %" PRIu64,
                       limit->value, (uint64_t)hard.rlim_max);
    out->rlim_cur = out->rlim_max = limit->value;
    return 0;
}

int limits_check(const struct plan_service *service, struct err *err)
{
    struct rlimit value;

    for (size_t i = 0; i < service->limit_count; i++)
        if (limits_value(&service->limits[i], &value, err) == -1)
            return err_prefix(err, "%s", service->name);
    return 0;
}
