#include "flow/identity.h"

#include <errno.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proc/cred.h"

static int change_root(const struct plan_service *service, struct err *err)
{
    if (service->root == NULL)
        return 0;
    if (chroot(service->root) == -1)
        return err_sys(err, "%s: root %s", service->name, service->root);
    return 0;
}

/* While we still may: niceness below 0 and somebody else's directories need a
 * privilege. */
static int set_surroundings(const struct plan_service *service, struct err *err)
{
    const char *directory = service->directory;

    umask((mode_t)service->umask);
    if (service->nice != 0 && setpriority(PRIO_PROCESS, 0, service->nice) == -1)
        return err_sys(err, "%s: nice %d", service->name, service->nice);
    if (directory == NULL || directory[0] == '\0')
        directory = "/";
    if (change_root(service, err) == -1)
        return -1;
    if (chdir(directory) == -1)
        return err_sys(err, "%s: directory %s", service->name, directory);
    return 0;
}

int identity_become(const struct plan_service *service, struct sandbox *sandbox,
                    struct err *err)
{
    struct cred cred = { .uid = service->uid, .gid = service->gid,
                         .groups = service->gids, .group_count = service->gid_count };
    bool is_program = service->way == PLAN_WAY_EXEC || service->way == PLAN_WAY_WAIT;
    bool may_regain = is_program && service->privileges;

    cred.keep_bounds = may_regain;
    cred.is_final = !is_program;
    if (set_surroundings(service, err) == -1)
        return -1;
    if (sandbox_begin(sandbox, &cred, err) == -1 || cred_become(&cred, err) == -1)
        return err_prefix(err, "%s", service->name);
    return may_regain ? 0 : cred_no_new_privs(err);
}
