#include "proc/cred.h"

#include <cap-ng.h>
#include <errno.h>
#include <grp.h>
#include <linux/securebits.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/mem.h"

/* Capabilities have numbers below this, known to our headers or not. */
#define CAP_NUMBERS 64

/* libcap-ng remembers whose sets it reads: after a fork that would be our parent. */
static int read_sets(void)
{
    capng_setpid((int)gettid());
    return capng_get_caps_process();
}

int cred_ask(unsigned capability, bool *has_out, struct err *err)
{
    if (read_sets() != 0)
        return err_sys(err, "identity: cannot read the capabilities");
    *has_out = capng_have_capability(CAPNG_EFFECTIVE, capability) == 1;
    return 0;
}

bool cred_has(unsigned capability)
{
    bool has = false;

    return cred_ask(capability, &has, NULL) == 0 && has;
}

bool cred_can_change(void)
{
    return cred_has(CAP_SETUID);
}

int cred_no_new_privs(struct err *err)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
        return err_sys(err, "identity: no_new_privs");
    return 0;
}

/* The bounding set needs CAP_SETPCAP, so it goes first, while we still have that. */
static int drop_bounds(struct err *err)
{
    int result;

    if (read_sets() != 0)
        return err_set(err, "identity: cannot read the capabilities");
    if (capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP) != 1)
        return 0;
    capng_clear(CAPNG_SELECT_BOUNDS);
    result = capng_apply(CAPNG_SELECT_BOUNDS);
    if (result != 0)
        return err_set(err, "identity: cannot empty the bounding set (%d)", result);
    return 0;
}

/* Each with its lock. Root gets nothing for being root, and no change of id moves
 * anything. */
#define FINAL_BITS                                                                       \
    (SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |                     \
     SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED |                           \
     SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED)

static int lock_bits(struct err *err)
{
    if (prctl(PR_SET_SECUREBITS, FINAL_BITS, 0, 0, 0) == -1)
        return err_sys(err, "identity: securebits");
    if (prctl(PR_GET_SECUREBITS, 0, 0, 0, 0) != FINAL_BITS)
        return err_set(err, "identity: securebits are not what was asked for");
    return 0;
}

/* The ambient set shrinks with the permitted one, but the kernel need not be trusted
 * twice. */
static int drop_sets(struct err *err)
{
    int result;

    capng_clear(CAPNG_SELECT_CAPS);
    result = capng_apply(CAPNG_SELECT_CAPS);
    if (result != 0)
        return err_set(err, "identity: cannot empty the capability sets (%d)", result);
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) == -1 && errno != EINVAL)
        return err_sys(err, "identity: cannot empty the ambient set");
    return 0;
}

static bool holds_capability(unsigned cap)
{
    return capng_have_capability(CAPNG_EFFECTIVE, cap) == 1 ||
           capng_have_capability(CAPNG_PERMITTED, cap) == 1 ||
           capng_have_capability(CAPNG_INHERITABLE, cap) == 1 ||
           prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, cap, 0, 0) == 1;
}

static int check_sets(bool with_bounds, struct err *err)
{
    if (read_sets() != 0)
        return err_set(err, "identity: cannot read the capabilities");
    for (unsigned cap = 0; cap < CAP_NUMBERS; cap++) {
        if (holds_capability(cap))
            return err_set(err, "identity: capability %u is left", cap);
        if (with_bounds && prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1)
            return err_set(err, "identity: the bounding set still has %u", cap);
    }
    return 0;
}

/* Groups while we still may, the user last. */
static int set_ids(const struct cred *cred, struct err *err)
{
    if (setgroups(cred->group_count, cred->groups) == -1)
        return err_sys(err, "identity: setgroups");
    if (setresgid(cred->gid, cred->gid, cred->gid) == -1)
        return err_sys(err, "identity: group %u", (unsigned)cred->gid);
    if (setresuid(cred->uid, cred->uid, cred->uid) == -1)
        return err_sys(err, "identity: user %u", (unsigned)cred->uid);
    return 0;
}

static bool holds(const gid_t *groups, size_t count, gid_t gid)
{
    for (size_t i = 0; i < count; i++)
        if (groups[i] == gid)
            return true;
    return false;
}

static bool same_groups(const struct cred *cred, const gid_t *have, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!holds(cred->groups, cred->group_count, have[i]))
            return false;
    for (size_t i = 0; i < cred->group_count; i++)
        if (!holds(have, count, cred->groups[i]))
            return false;
    return true;
}

static int check_groups(const struct cred *cred, struct err *err)
{
    int count = getgroups(0, NULL);
    gid_t *have;
    bool is_same;

    if (count == -1)
        return err_sys(err, "identity: getgroups");
    have = mem_array((size_t)count + 1, sizeof *have);
    count = getgroups(count, have);
    is_same = count != -1 && same_groups(cred, have, (size_t)count);
    mem_free(&have);
    return is_same ? 0 : err_set(err, "identity: other groups than were asked for");
}

/* Asking for the impossible id -1 changes nothing and tells the present one. */
static bool file_ids_are(const struct cred *cred)
{
    return (uid_t)setfsuid((uid_t)-1) == cred->uid &&
           (gid_t)setfsgid((gid_t)-1) == cred->gid;
}

static int check_ids(const struct cred *cred, struct err *err)
{
    uid_t ruid, euid, suid;
    gid_t rgid, egid, sgid;

    if (getresuid(&ruid, &euid, &suid) == -1 || getresgid(&rgid, &egid, &sgid) == -1)
        return err_sys(err, "identity: cannot read the ids");
    if (ruid != cred->uid || euid != cred->uid || suid != cred->uid ||
        rgid != cred->gid || egid != cred->gid || sgid != cred->gid ||
        !file_ids_are(cred))
        return err_set(err, "identity: not user %u, group %u in every id",
                       (unsigned)cred->uid, (unsigned)cred->gid);
    return 0;
}

/* The proof of the pudding (C5): every way back must be shut. */
static int try_to_return(const struct cred *cred, struct err *err)
{
    gid_t root = 0;

    if (cred->uid == 0)
        return 0;
    if (setresuid(0, 0, 0) == 0 || setresuid((uid_t)-1, 0, (uid_t)-1) == 0 ||
        setuid(0) == 0)
        return err_set(err, "identity: root can be had again");
    if (cred->gid != 0 &&
        (setresgid(0, 0, 0) == 0 || setresgid((gid_t)-1, 0, (gid_t)-1) == 0))
        return err_set(err, "identity: root's group can be had again");
    if (setgroups(1, &root) == 0)
        return err_set(err, "identity: groups can be had again");
    return 0;
}

static int become_root(const struct cred *cred, struct err *err)
{
    if (set_ids(cred, err) == -1 || check_ids(cred, err) == -1)
        return -1;
    return check_groups(cred, err);
}

static int become_other(const struct cred *cred, struct err *err)
{
    bool can_change = cred_can_change();
    bool can_bound = !cred->keep_bounds &&
                     capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP) == 1;

    if (can_bound && drop_bounds(err) == -1)
        return -1;
    if (can_bound && cred->is_final && lock_bits(err) == -1)
        return -1;
    if (can_change && set_ids(cred, err) == -1)
        return -1;
    if (drop_sets(err) == -1 || check_sets(can_bound, err) == -1)
        return -1;
    if (check_ids(cred, err) == -1 || (can_change && check_groups(cred, err) == -1))
        return -1;
    return try_to_return(cred, err);
}

/* ---- keeping some ------------------------------------------------------------------ */

static int keep_sets(const unsigned *capabilities, size_t count, struct err *err)
{
    bool held[CAP_NUMBERS] = { false };
    int result;

    if (read_sets() != 0)
        return err_set(err, "identity: cannot read the capabilities");
    for (size_t i = 0; i < count; i++)
        held[capabilities[i]] =
            capng_have_capability(CAPNG_PERMITTED, capabilities[i]) == 1;
    capng_clear(CAPNG_SELECT_CAPS);
    for (unsigned cap = 0; cap < CAP_NUMBERS; cap++)
        if (held[cap])
            capng_update(CAPNG_ADD, (capng_type_t)(CAPNG_EFFECTIVE | CAPNG_PERMITTED),
                         cap);
    result = capng_apply(CAPNG_SELECT_CAPS);
    if (result != 0)
        return err_set(err, "identity: cannot reduce the capability sets (%d)", result);
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) == -1 && errno != EINVAL)
        return err_sys(err, "identity: cannot empty the ambient set");
    return 0;
}

static bool is_kept(unsigned cap, const unsigned *capabilities, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (capabilities[i] == cap)
            return true;
    return false;
}

int cred_keep(const unsigned *capabilities, size_t count, struct err *err)
{
    if (keep_sets(capabilities, count, err) == -1)
        return -1;
    if (read_sets() != 0)
        return err_set(err, "identity: cannot read the capabilities");
    for (unsigned cap = 0; cap < CAP_NUMBERS; cap++)
        if (holds_capability(cap) && !is_kept(cap, capabilities, count))
            return err_set(err, "identity: capability %u is left", cap);
    return 0;
}

int cred_become_with(const struct cred *cred, unsigned capability, struct err *err)
{
    if (drop_bounds(err) == -1)
        return -1;
    if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == -1)
        return err_sys(err, "identity: keep capabilities");
    if (set_ids(cred, err) == -1 || cred_keep(&capability, 1, err) == -1 ||
        check_ids(cred, err) == -1 || check_groups(cred, err) == -1 ||
        try_to_return(cred, err) == -1)
        return -1;
    if (!cred_has(capability))
        return err_set(err, "identity: capability %u is missing", capability);
    if (prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) == -1 ||
        prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == -1)
        return err_sys(err, "identity: dumpable");
    return cred_no_new_privs(err);
}

int cred_become(const struct cred *cred, struct err *err)
{
    bool keeps_root = cred->uid == 0 && cred_can_change();

    if ((keeps_root ? become_root(cred, err) : become_other(cred, err)) == -1)
        return -1;
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == -1 ||
        prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0)
        return err_sys(err, "identity: dumpable");
    return 0;
}
