/*
 * May this peer come in at all? A row's `allow` and `deny`, made into one path-compressed
 * prefix tree per family (flow/prefix_tree) when the row is opened: a look-up costs at
 * most one step per bit of the address, however many rules there are, hardly more with
 * 100 000 than with ten, and allocates nothing. Used by workers for every caller, and by
 * the master to explain.
 *
 * The longest matching prefix decides, a tie denies; with an allow list everybody else is
 * denied, without one allowed. "local", uid: and gid: rules are of full length: an
 * address as long as it gets. IPv4 mapped into IPv6 is IPv4; the scope of a link-local
 * address plays no part. What is not known lets nobody in: a caller without ids, or whose
 * own local address could not be asked for, matches each deny rule that needs it and no
 * allow rule.
 */
#ifndef FLOW_ACCESS_H
#define FLOW_ACCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <usher/service.h>

#include "base/err.h"
#include "flow/peer.h"

struct access; /* opaque */

/* What is known of a caller beyond its address. Asked for only if a rule needs it. */
struct access_caller {
    const struct peer *peer;
    const struct usher_address *local; /* the connection's own address; NULL: not known */
    bool has_ids;                      /* UNIX peers: SO_PEERCRED, or SCM_CREDENTIALS */
    uid_t uid;
    gid_t gid;
};

/* NULL, without an error, when there are no rules: everybody may. The lists hold
 * canonical texts, and are not needed after that. */
int access_new(const struct usher_list *allow, const struct usher_list *deny,
               struct access **out, struct err *err);
void access_free(struct access **access);

/* Whether access_allows() wants `local` or the ids of a caller; NULL wants nothing. */
bool access_wants_local(const struct access *access);
bool access_wants_ids(const struct access *access);

/* rule_out (may be NULL): what decided, as the table has it: "deny 10.0.0.0/8"; "no rule:
 * allowed", "not in allow: denied". Valid until the next call with the same access.
 * Without access: allowed. */
bool access_allows(const struct access *access, const struct access_caller *caller,
                   const char **rule_out);

/* How many nodes of the tree a look-up of this peer visits: at most the address's bits
 * and one. */
unsigned access_steps(const struct access *access, const struct peer *peer);

#endif
