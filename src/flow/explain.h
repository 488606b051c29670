/*
 * What would happen to a caller, and which rule decides: `usherctl explain SERVICE
 * ADDRESS`. A pure function over a row of the plan and the live pages, for the master: it
 * changes nothing, resolves nothing, and reads what workers wrote as plain numbers. It
 * goes through the rules in the order of flow/admit, and says of each what it says.
 */
#ifndef FLOW_EXPLAIN_H
#define FLOW_EXPLAIN_H

#include <stdbool.h>
#include <time.h>

#include "base/err.h"
#include "base/str.h"
#include "conf/plan.h"
#include "flow/page.h"

#define EXPLAIN_TEXT 4096 /* room that is always enough */

struct explain {
    const struct plan_service *service;
    const struct pages *pages;
    uint32_t pool;                     /* the number of the row's pool in the pages */
    const struct usher_address *peer;  /* numeric; a UNIX peer: only the family is looked
                                          at */
    const struct usher_address *local; /* the address it would call; NULL: not known */
    bool has_ids;                      /* a UNIX peer's */
    uid_t uid;
    gid_t gid;
    bool is_datagram;
    time_t now;
};

/*
 * Appends lines of "word: what it says", the verdict last:
 *
 *   access: allow 10.0.0.0/8
 *   hours: 08:00-18:00; it is 14:05: open
 *   load: 0.52 of 8.00
 *   source: holds 3 of max_per_source 4, share 8 times 997 free
 *   rate: 50 per 1000 ms, burst 100, workers that share it: 2
 *   slots: 3 of 1000 taken
 *   descriptors: for 450 more
 *   verdict: served
 *
 * The last word is "served", "parked (REASON)", "waits (REASON)" or "refused (REASON)",
 * with admit_name()'s words; where the row has no room for anybody, with what comes
 * before that, or instead of it. Buckets are not looked at: where the row has a rate it
 * is "served (within the rate)". Callers of a wait row are judged by nobody, which is all
 * that is said of them. Lines of keys that the row does not have are left out. -1: the
 * row's own texts cannot be read (they were checked: never).
 */
int explain(const struct explain *question, struct str *out, struct err *err);

#endif
