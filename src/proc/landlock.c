#include "proc/landlock.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule       445
#define SYS_landlock_restrict_self  446
#endif

#define VERSION_ASKED 1u
#define RULE_PATH     1

/* The kernel's bits, as its ABI numbers brought them. */
#define FS_WRITE_FILE (UINT64_C(1) << 1)
#define FS_READ_FILE  (UINT64_C(1) << 2)
#define FS_READ_DIR   (UINT64_C(1) << 3)
#define FS_ABI_1      ((UINT64_C(1) << 13) - 1) /* execute ... make_sym */
#define FS_ABI_2      (UINT64_C(1) << 13)       /* refer */
#define FS_ABI_3      (UINT64_C(1) << 14)       /* truncate */
#define FS_ABI_5      (UINT64_C(1) << 15)       /* ioctl_dev */
#define NET_BIND_TCP    UINT64_C(1)             /* ABI 4 */
#define NET_CONNECT_TCP UINT64_C(2)
#define SCOPE_ABSTRACT  UINT64_C(1)             /* ABI 6 */
#define SCOPE_SIGNAL    UINT64_C(2)

/* Its size grew with the ABI: an older kernel is shown the part it knows. */
struct ruleset {
    uint64_t fs, net, scoped;
};

struct path_rule {
    uint64_t allowed;
    int32_t parent;
} __attribute__((packed));

int landlock_abi(void)
{
    return (int)syscall(SYS_landlock_create_ruleset, NULL, 0, VERSION_ASKED);
}

static struct ruleset make_ruleset(int abi, const struct landlock_rights *rights)
{
    struct ruleset set = { .fs = FS_ABI_1 };

    set.fs |=
        (abi >= 2 ? FS_ABI_2 : 0) | (abi >= 3 ? FS_ABI_3 : 0) | (abi >= 5 ? FS_ABI_5 : 0);
    if (abi >= 4)
        set.net = NET_BIND_TCP | (rights->may_connect ? 0 : NET_CONNECT_TCP);
    if (abi >= 6)
        set.scoped = SCOPE_SIGNAL | (rights->may_abstract ? 0 : SCOPE_ABSTRACT);
    return set;
}

static size_t ruleset_size(int abi)
{
    if (abi >= 6)
        return sizeof(struct ruleset);
    return abi >= 4 ? offsetof(struct ruleset, scoped) : offsetof(struct ruleset, net);
}

static int allow_path(int set, const char *path, uint64_t allowed, struct err *err)
{
    struct path_rule rule = { .allowed = allowed };
    int result = -1;

    rule.parent = open(path, O_PATH | O_CLOEXEC);
    if (rule.parent != -1) {
        int fd = rule.parent;

        if (syscall(SYS_landlock_add_rule, set, RULE_PATH, &rule, 0) != -1)
            result = 0;
        fd_close(&fd);
    }
    return result == 0 ? 0 : err_sys(err, "sandbox: landlock: %s", path);
}

static int add_rules(int set, const struct landlock_rights *rights, struct err *err)
{
    if (rights->may_read && allow_path(set, "/", FS_READ_FILE | FS_READ_DIR, err) == -1)
        return -1;
    if (rights->may_fill &&
        allow_path(set, "/dev/null", FS_READ_FILE | FS_WRITE_FILE, err) == -1)
        return -1;
    if (syscall(SYS_landlock_restrict_self, set, 0) == -1)
        return err_sys(err, "sandbox: landlock_restrict_self");
    return 0;
}

int landlock_close(int abi, const struct landlock_rights *rights, struct err *err)
{
    struct ruleset rules = make_ruleset(abi, rights);
    int set, result;

    if (abi == 0)
        return 0;
    set = (int)syscall(SYS_landlock_create_ruleset, &rules, ruleset_size(abi), 0);
    if (set == -1)
        return err_sys(err, "sandbox: landlock_create_ruleset");
    result = add_rules(set, rights, err);
    fd_close(&set);
    return result;
}
