#include "master/rights.h"

#include <linux/capability.h>
#include <string.h>
#include <sys/prctl.h>

#include "base/log.h"
#include "base/mem.h"
#include "proc/cred.h"
#include "proc/sandbox.h"

/* Each with its use. */
static const unsigned used[] = {
    CAP_CHOWN,            /* sockets in the file system, the log */
    CAP_FOWNER,           /* their modes */
    CAP_DAC_OVERRIDE,     /* files and folders of others: log, pid file, sockets */
    CAP_DAC_READ_SEARCH,  /* the reader: the table */
    CAP_KILL,             /* workers and children have other users */
    CAP_SETGID,           /* workers become their pool's user */
    CAP_SETUID,
    CAP_SETPCAP,          /* and empty their bounding set, and lock it */
    CAP_NET_BIND_SERVICE, /* ports below 1024 */
    CAP_NET_RAW,          /* interface = "..." */
    CAP_NET_ADMIN,        /* freebind */
    CAP_SYS_CHROOT,       /* empty root directories, root = "..." */
    CAP_SYS_ADMIN,        /* network namespaces */
    CAP_SYS_NICE,         /* nice below 0 */
    CAP_SYS_RESOURCE,     /* limits above our own */
};

int rights_reduce(struct err *err)
{
    if (cred_keep(used, ARRAY_LEN(used), err) == -1)
        return -1;
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == -1)
        return err_sys(err, "dumpable");
    return 0;
}

void rights_tell(const struct probe *probe)
{
    char text[160];

    log_info("usherd", "sandbox %s%s", probe_print(probe, text, sizeof(text)),
             SANDBOX_IS_RELAXED ? " RELAXED" : "");
    for (enum probe_part part = 0; part < PROBE_PARTS; part++)
        if (probe_lack(probe, part) != NULL)
            log_warning("usherd",
                        "sandbox lacks=\"%s\" reason=\"%s: plugins run without\"",
                        probe_lack(probe, part), strerror(probe->why[part]));
    if (SANDBOX_IS_RELAXED)
        log_warning("usherd",
                    "sandbox RELAXED reason=\"built with --enable-relaxed-sandbox, for "
                    "tests only\"");
}
