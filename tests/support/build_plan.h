/* A plan from a table's text, as the reader makes it for the ordinary user 4242, with
 * support/some_plugins. */
#ifndef SUPPORT_BUILD_PLAN_H
#define SUPPORT_BUILD_PLAN_H

#include <stdbool.h>

#include "conf/plan.h"
#include "conf/source.h"

/* From t.conf, and rows/u.conf of services_dir where `more` is not NULL; is_root: as
 * root. */
struct plan *build_plan_from(const char *text, const char *more, bool is_root,
                             struct mistakes *mistakes);
struct plan *build_plan(const char *text, struct mistakes *mistakes);

/* Without any mistake, or the test fails. */
struct plan *build_good_plan(const char *text);

#endif
