#include "proc/sandbox.h"

#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <usher/service.h>

#include "base/fd.h"
#include "proc/fence.h"
#include "proc/filter.h"
#include "proc/landlock.h"

#define READS_FILES (USHER_NEEDS_FILES | USHER_NEEDS_PASSWD)
#define SEES_NETWORK (USHER_NEEDS_CONNECT | USHER_NEEDS_NETWORK)

/* ---- the first act ----------------------------------------------------------------- */

static bool wants_own_net(const struct sandbox *sandbox)
{
    return sandbox->kind == SANDBOX_PLUGIN && sandbox->probe->has_net &&
           (sandbox->needs & SEES_NETWORK) == 0;
}

static bool wants_empty_root(const struct sandbox *sandbox)
{
    return sandbox->kind == SANDBOX_PLUGIN && sandbox->probe->has_root &&
           !SANDBOX_IS_RELAXED && (sandbox->needs & READS_FILES) == 0 &&
           !sandbox->has_datagram_path;
}

/* Which namespace we are in: its number. */
static ino_t net_number(void)
{
    struct stat st;

    return stat("/proc/self/ns/net", &st) == 0 ? st.st_ino : 0;
}

/* Sockets that are there, and what is accepted from them, stay where they were opened. */
static int leave_net(struct sandbox *sandbox, struct err *err)
{
    ino_t before = net_number();

    if (unshare(CLONE_NEWNET) == -1)
        return err_sys(err, "sandbox: a network namespace");
    if (before != 0 && net_number() == before)
        return err_set(err, "sandbox: still in the machine's network namespace");
    sandbox->has_own_net = true;
    return 0;
}

static bool has_children(const struct sandbox *sandbox)
{
    return sandbox->has_children || (sandbox->needs & USHER_NEEDS_FORK) != 0;
}

static int set_limit(int resource, bool is_hard, struct err *err)
{
    struct rlimit limit;

    if (prlimit(0, (enum __rlimit_resource)resource, NULL, &limit) == -1)
        return err_sys(err, "sandbox: limits");
    limit.rlim_cur = 0;
    if (is_hard)
        limit.rlim_max = 0;
    if (prlimit(0, (enum __rlimit_resource)resource, &limit, NULL) == -1)
        return err_sys(err, "sandbox: limits");
    return 0;
}

int sandbox_begin(struct sandbox *sandbox, const struct cred *cred, struct err *err)
{
    if (wants_own_net(sandbox) && leave_net(sandbox, err) == -1)
        return -1;
    if (!wants_empty_root(sandbox))
        return 0;
    return jail_start(&sandbox->jail, sandbox->probe->empty_root, cred, err);
}

/* ---- the second act ---------------------------------------------------------------- */

/* What a plugin started while it opens would have no filter. */
static int stop_processes(const struct sandbox *sandbox, struct err *err)
{
    if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == -1) /* what hides behind a child
                                                            comes to us */
        return err_sys(err, "sandbox: subreaper");
    return has_children(sandbox) ? 0 : set_limit(RLIMIT_NPROC, true, err);
}

int sandbox_fence(const struct sandbox *sandbox, struct err *err)
{
    struct fence_gates gates = { .floor = sandbox->floor,
                                 .may_connect =
                                     (sandbox->needs & USHER_NEEDS_CONNECT) != 0,
                                 .has_children = has_children(sandbox) };

    if (sandbox->kind != SANDBOX_PLUGIN || SANDBOX_IS_RELAXED)
        return 0;
    if (stop_processes(sandbox, err) == -1)
        return -1;
    return sandbox->probe->has_seccomp ? fence_worker(&gates, err) : 0;
}

/* ---- the third act ----------------------------------------------------------------- */

/* A child's own limits, which the table may have, can be above ours where the hard one
 * stays. */
static int set_limits(const struct sandbox *sandbox, struct err *err)
{
    bool is_hard = !has_children(sandbox);

    if (set_limit(RLIMIT_CORE, is_hard, err) == -1)
        return -1;
    if (SANDBOX_IS_RELAXED)
        return 0;
    return set_limit(RLIMIT_FSIZE, is_hard, err);
}

/* The helper has been waited for: a child that is there is a plugin's. It has no filter,
 * and would outlive us. */
static int check_children(const struct sandbox *sandbox, struct err *err)
{
    siginfo_t info;

    if (sandbox->kind != SANDBOX_PLUGIN || SANDBOX_IS_RELAXED)
        return 0;
    if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 || errno != ECHILD)
        return err_set(err, "a plugin started a process in open()");
    if (prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0) == -1)
        return err_sys(err, "sandbox: subreaper");
    return 0;
}

/* What the C library would load or read at the first use, which would be too late. With
 * TZ set it looks at the zone's file once; without, again and again, and then it is
 * UTC. */
static void load_early(void)
{
    time_t now = time(NULL);
    struct tm unused;
    void *frame;

    if (getenv("TZ") == NULL)
        setenv("TZ", ":/etc/localtime", 1);
    tzset();
    localtime_r(&now, &unused);
    (void)backtrace(&frame, 1); /* needs libgcc, as the end of a thread does */
}

static int close_files(const struct sandbox *sandbox, struct err *err)
{
    bool is_reader =
        sandbox->kind == SANDBOX_READER || sandbox->kind == SANDBOX_CATALOGUE;
    struct landlock_rights rights = {
        .may_read = is_reader || (sandbox->needs & READS_FILES) != 0,
        .may_fill = is_reader,
        .may_connect = sandbox->kind == SANDBOX_READER ||
                       (sandbox->needs & USHER_NEEDS_CONNECT) != 0,
        .may_abstract = sandbox->has_datagram_path,
    };

    if (SANDBOX_IS_RELAXED)
        return 0;
    return landlock_close(sandbox->probe->landlock, &rights, err);
}

static struct filter filter_of(const struct sandbox *sandbox)
{
    struct filter filter = { .needs = sandbox->needs,
                             .has_landlock = sandbox->probe->landlock > 0,
                             .has_children = has_children(sandbox) };

    filter.is_program = sandbox->kind == SANDBOX_PROGRAM || SANDBOX_IS_RELAXED;
    filter.may_trace = SANDBOX_IS_RELAXED;
    filter.may_fence = sandbox->kind == SANDBOX_PLUGIN && sandbox->has_children;
    if (sandbox->kind == SANDBOX_READER) {
        filter.needs = READS_FILES | SEES_NETWORK;
        filter.has_children = filter.may_close = filter.may_map_code = true;
    } else if (sandbox->kind == SANDBOX_CATALOGUE) {
        filter.needs = USHER_NEEDS_FILES;
        filter.may_close = filter.may_map_code = true;
    }
    return filter;
}

/* Who says that it cares for processes signals them; the others only end. */
int sandbox_close_child(const struct sandbox *sandbox, struct err *err)
{
    if (SANDBOX_IS_RELAXED || !sandbox->probe->has_seccomp ||
        (sandbox->needs & USHER_NEEDS_FORK) != 0)
        return 0;
    return fence_child(err);
}

static int close_calls(const struct sandbox *sandbox, struct err *err)
{
    struct filter filter = filter_of(sandbox);

    if (!sandbox->probe->has_seccomp || sandbox->is_free)
        return 0;
    return filter_close(&filter, err);
}

int sandbox_close(struct sandbox *sandbox, struct err *err)
{
    sandbox->status = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    if (sandbox->kind == SANDBOX_PROGRAM)
        return close_calls(sandbox, err);
    if (sandbox->kind == SANDBOX_PLUGIN)
        load_early();
    if (set_limits(sandbox, err) == -1)
        return -1;
    if (sandbox->jail.fd != -1) {
        if (jail_enter(&sandbox->jail, err) == -1)
            return -1;
        sandbox->has_empty_root = true;
    }
    if (close_files(sandbox, err) == -1 || check_children(sandbox, err) == -1)
        return -1;
    return close_calls(sandbox, err);
}

/* A plugin's: the fence and the list. */
unsigned sandbox_filters(const struct probe *probe, bool is_program, bool is_free)
{
    if (is_free || !probe->has_seccomp)
        return 0;
    return is_program ? 1 : 2;
}

void sandbox_fini(struct sandbox *sandbox)
{
    jail_close(&sandbox->jail);
    fd_close(&sandbox->status);
}
