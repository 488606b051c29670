/* Becoming what a pool's processes must be, once, before anything of a plugin is touched. */
#ifndef FLOW_IDENTITY_H
#define FLOW_IDENTITY_H

#include "base/err.h"
#include "conf/plan.h"

/* umask, niceness, directory, groups, ids, capabilities, no_new_privs: any row of the pool says
 * which. */
int identity_become(const struct plan_service *service, struct err *err);

#endif
