/*
 * Every open listener of the table. The master opens them, hands them to workers by
 * inheritance, and keeps each open for as long as the plan that runs names it: no reload,
 * crash or limit closes one. A change is prepared beside what is there (new ones opened,
 * kept ones recognised), then committed or abandoned.
 */
#ifndef MASTER_LISTENERS_H
#define MASTER_LISTENERS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/index.h"
#include "conf/plan.h"
#include "conf/source.h"
#include "master/inherit.h"

struct listener_slot;

struct listeners {
    struct listener_slot *slots; /* owned */
    size_t count;
    struct index places; /* of slots, by endpoint */
    const struct inherit *inherit; /* borrowed: what the service manager passed in */
};

void listeners_init(struct listeners *listeners, const struct inherit *inherit);

/*
 * Opens what the plan needs and is not open yet, and writes drawn ports (port 0) into the
 * plan's endpoints. Optional addresses this machine lacks are left out with a note in the
 * log. -1: at least one mistake was added, and nothing was opened that is not abandoned
 * already.
 */
int listeners_prepare(struct listeners *listeners, struct plan *plan,
                      struct mistakes *mistakes);
/* The plan prepared last is the one that runs: closes what it does not name, and gives
 * kept listeners the options of rows that differ from old (NULL: at the start). */
void listeners_commit(struct listeners *listeners, const struct plan *old,
                      const struct plan *plan);
void listeners_abandon(struct listeners *listeners);
void listeners_close(struct listeners *listeners); /* all, at the end */

/* The descriptor of an endpoint of the plan prepared or committed last; -1: left out. */
int listeners_fd(const struct listeners *listeners, const struct plan_service *service,
                 size_t endpoint);
/* Whether a prepared plan gave this row a listener that was not open before. */
bool listeners_is_new(const struct listeners *listeners,
                      const struct plan_service *service);

#endif
