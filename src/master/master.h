/*
 * The master: everything it owns, in the order in which it is opened (master/boot).
 *
 * It opens listeners, starts workers, reaps, reloads, answers usherctl. It never accepts,
 * never reads a peer's byte, never loads a plugin, never runs libconfig, never resolves a
 * name.
 */
#ifndef MASTER_MASTER_H
#define MASTER_MASTER_H

#include <sys/resource.h>

#include "loop/loop.h"
#include "loop/sig.h"
#include "master/control.h"
#include "master/daemon.h"
#include "master/inherit.h"
#include "master/listeners.h"
#include "master/notify.h"
#include "master/options.h"
#include "master/pidfile.h"
#include "master/pools.h"
#include "master/reload.h"
#include "proc/probe.h"

struct master {
    const struct options *options;
    struct background *background;
    struct inherit inherit;
    struct loop loop;
    struct sig sig;
    struct notify notify;
    struct listeners listeners;
    struct pools pools;
    struct reload reload;
    struct plan *plan; /* what runs; NULL until the first one does */
    struct control control;
    struct pidfile pidfile;
    struct probe probe;
    struct rlimit files; /* the limit of descriptors usherd was started with */
    int status;        /* what usherd will end with */
    bool is_draining;
};

#endif
