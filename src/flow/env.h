/*
 * A program's environment, computed before its first caller: what the row says once and
 * for all, and places of fixed size for what differs from caller to caller, which
 * env_patch() fills in.
 *
 *   always    PATH, LANG, TZ as the daemon has them, pass_env, env
 *   ucspi     PROTO=TCP, TCPLOCALIP, TCPLOCALPORT, TCPREMOTEIP, TCPREMOTEPORT; for a UDP listener
 *             PROTO=UDP and the UDPLOCAL ones; PROTO=UNIX, UNIXLOCALPATH, UNIXREMOTEEUID,
 *             UNIXREMOTEEGID, UNIXREMOTEPID
 *   xinetd    REMOTE_HOST
 *   systemd   REMOTE_ADDR, REMOTE_PORT; with wait: LISTEN_FDS, LISTEN_PID, LISTEN_FDNAMES
 *   none      nothing more
 *
 * A wait child has no peer yet: it gets none of the remote ones. What is not known is not
 * there.
 */
#ifndef FLOW_ENV_H
#define FLOW_ENV_H

#include <stddef.h>

#include "conf/plan.h"
#include "flow/peer.h"

enum env_place {
    ENV_LOCAL_IP, /* only where the listener has a wildcard address */
    ENV_REMOTE_IP,
    ENV_REMOTE_PORT,
    ENV_REMOTE_UID,
    ENV_REMOTE_GID,
    ENV_REMOTE_PID,
    ENV_LISTEN_PID, /* written by the child itself: spawn_exec.pid_text */
    ENV_PLACES
};

struct env {
    char **at; /* owned, like its entries; ends with NULL */
    size_t count;
    char *places[ENV_PLACES]; /* inside entries, or NULL */
};

#define ENV_EMPTY { NULL, 0, { NULL } }

/* For one listener of the row. fds: how many listeners a systemd child gets. */
void env_init(struct env *env, const struct plan_service *service,
              const struct endpoint *endpoint, size_t fds);
/* The peer of the connection fd; what cannot be found out is "". */
void env_patch(struct env *env, int fd, const struct peer *peer);
void env_fini(struct env *env);

#endif
