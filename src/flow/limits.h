/*
 * The `limits` of a row as setrlimit() takes them. Children cannot go above the hard
 * limits that usherd was started with, so a row that asks for more is refused when it
 * opens, not at its first caller; "unlimited" is as much as there is.
 */
#ifndef FLOW_LIMITS_H
#define FLOW_LIMITS_H

#include <sys/resource.h>

#include "base/err.h"
#include "conf/plan.h"

int limits_value(const struct plan_limit *limit, struct rlimit *out, struct err *err);
int limits_check(const struct plan_service *service, struct err *err);

#endif
