/*
 * `usherctl explain`: what would happen to a caller of a service now, and which rule
 * decides.
 */
#ifndef MASTER_VERDICT_H
#define MASTER_VERDICT_H

#include "base/err.h"
#include "wire/record.h"

struct master;

/*
 * Answers "explain service=NAME address=ADDRESS local=ADDRESS" (local may be missing)
 * with records "rule of=connections|datagrams key=... text=...", in the order in which
 * the rules are asked; the last key of each kind of caller is "verdict". An address is
 * numeric, with or without a port; "unix", "unix:UID" or "unix:UID:GID" is a caller of a
 * UNIX socket. Nothing is looked up.
 *
 * -1: there is no such service, or it has no endpoint for such a caller, or the address
 * is none.
 */
int verdict_add(const struct master *master, const struct record *request,
                struct record_out *out, struct err *err);

#endif
