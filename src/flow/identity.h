/* Becoming what a pool's processes must be, once, before anything of a plugin is
 * touched. */
#ifndef FLOW_IDENTITY_H
#define FLOW_IDENTITY_H

#include "base/err.h"
#include "conf/plan.h"
#include "proc/sandbox.h"

/* umask, niceness, directories, the first act of the sandbox, groups, ids, capabilities,
 * no_new_privs: any row of the pool says which. */
int identity_become(const struct plan_service *service, struct sandbox *sandbox,
                    struct err *err);

#endif
