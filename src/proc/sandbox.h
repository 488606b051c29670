/*
 * What surrounds a process beyond its identity (proc/cred), in three acts.
 * sandbox_begin() comes while it may still do everything: what takes privileges.
 * sandbox_fence() comes before the first plugin is loaded: what its first code may not
 * reach. sandbox_close() comes when all files are open and all plugins loaded: the doors
 * that would be in the way before. Each step is checked; a step that the probe promised
 * and that fails ends the process, it never goes on unprotected.
 *
 *   begin (privileged): network namespace, helper for the late chroot
 *   -> cred_become, cred_no_new_privs ->
 *   fence: no new process, no signal to others, inherited descriptors as they are
 *   -> plugins are loaded and opened ->
 *   close: limits, empty root directory, Landlock, seccomp
 *
 * A build for sanitizers, valgrind and coverage (--enable-relaxed-sandbox) leaves out
 * what those tools do not survive; sandbox_print() says so in every report.
 */
#ifndef PROC_SANDBOX_H
#define PROC_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"
#include "proc/cred.h"
#include "proc/jail.h"
#include "proc/probe.h"

#define SANDBOX_TEXT 224 /* room for sandbox_print() */

#ifdef WITH_RELAXED_SANDBOX
#define SANDBOX_IS_RELAXED true
#else
#define SANDBOX_IS_RELAXED false
#endif

enum sandbox_kind {
    SANDBOX_PLUGIN,    /* a worker that loads plugins, and its forked children */
    SANDBOX_PROGRAM,   /* a worker that starts programs, and the programs */
    SANDBOX_READER,    /* reads files, asks name services, starts the catalogue */
    SANDBOX_CATALOGUE  /* loads plugins it knows nothing of; inside the reader's */
};

struct sandbox {
    enum sandbox_kind kind;
    unsigned needs;         /* USHER_NEEDS_..., of plugins */
    bool has_children;      /* forks: way "fork" */
    bool has_datagram_path; /* answers peers by their paths: keeps the root directory */
    int floor;              /* descriptors below it were inherited; 0: nothing to keep */
    bool is_free;           /* programs with privileges: no filter, which would need
                               no_new_privs */
    const struct probe *probe;

    /* ours */
    struct jail jail;
    int status; /* /proc/self/status, opened while there is a /proc; -1 */
    bool has_own_net, has_empty_root;
};

#define SANDBOX_EMPTY { .status = -1, .jail = JAIL_EMPTY }

/* Privileged. cred: who the process will become. */
int sandbox_begin(struct sandbox *sandbox, const struct cred *cred, struct err *err);
/* After the change of identity and no_new_privs, in workers alone: the others load no
 * plugin, or have closed everything before they do. */
int sandbox_fence(const struct sandbox *sandbox, struct err *err);
/* Nothing can be opened afterwards but what the
 * needs say. */
int sandbox_close(struct sandbox *sandbox, struct err *err);
/* How many filters a worker has at least, when all is closed. */
unsigned sandbox_filters(const struct probe *probe, bool is_program, bool is_free);
/* In a child forked for one connection or datagram: it may signal nobody but itself. */
int sandbox_close_child(const struct sandbox *sandbox, struct err *err);
/* What the kernel says it has become, for people: "uid=990 gid=990 groups=none caps=none
 * nnp=yes seccomp=allow landlock=7 root=empty net=own needs=none". Once, after
 * sandbox_close(). */
char *sandbox_print(struct sandbox *sandbox, char *out, size_t room);
/* Each need's name, with `before` before it. */
void sandbox_print_needs(struct str *text, unsigned needs, const char *before);
void sandbox_fini(struct sandbox *sandbox);

#endif
