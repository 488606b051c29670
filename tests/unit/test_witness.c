/* Each thing that the master looks for in a worker, wrong by itself in a child. */
#include "proc/witness.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "proc/cred.h"
#include "proc/probe.h"

#define SOMEBODY   54321u
#define SOME_GROUP 54322u
#define ONE        (1u << CAP_KILL)

/* What a child becomes; ids: real, effective, saved, for files. */
struct life {
    const char *what; /* the master says is wrong; NULL: nothing */
    unsigned uids[4], gids[4];
    unsigned permitted, inheritable;
    bool has_privs; /* no no_new_privs */
    unsigned filters;
};

#define UIDS { SOMEBODY, SOMEBODY, SOMEBODY, SOMEBODY }
#define GIDS { SOME_GROUP, SOME_GROUP, SOME_GROUP, SOME_GROUP }

static const struct witness wanted = {
    .uid = SOMEBODY, .gid = SOME_GROUP, .is_poor = true, .is_final = true, .filters = 2
};

/* ---- a child ----------------------------------------------------------------------- */

static int take_ids(const struct life *life)
{
    const unsigned *u = life->uids, *g = life->gids;

    /* Rights stay through a change of ids, until they are given up. */
    if (prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0) == -1 ||
        setresgid(g[0], g[1], g[2]) == -1)
        return -1;
    setfsgid(g[3]);
    if (setresuid(u[0], u[1], u[2]) == -1)
        return -1;
    setfsuid(u[3]);
    return 0;
}

static int take_filters(unsigned count)
{
    struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = { .len = 1, .filter = &allow };

    while (count-- > 0)
        if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == -1)
            return -1;
    return 0;
}

static int take_sets(const struct life *life)
{
    struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct sets[2] = {
        { .permitted = life->permitted, .inheritable = life->inheritable }
    };

    return (int)syscall(SYS_capset, &head, sets);
}

static int live(const struct life *life, int end)
{
    char byte = 0;

    if (take_filters(life->filters) == -1 ||
        (!life->has_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1) ||
        take_ids(life) == -1 || take_sets(life) == -1)
        return 1;
    return write(end, &byte, 1) != 1 || read(end, &byte, 1) != 0; /* until they let go */
}

/* What the master says of such a child. */
static int look_at(const struct life *life, const struct witness *witness,
                   struct err *err)
{
    int ends[2], result, status;
    pid_t pid;
    char byte;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    pid = fork();
    assert_int_not_equal(pid, -1);
    if (pid == 0) {
        close(ends[0]);
        _exit(live(life, ends[1]));
    }
    close(ends[1]);
    assert_int_equal(read(ends[0], &byte, 1), 1);
    result = witness_check(pid, witness, err);
    close(ends[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    return result;
}

static void expect(const struct life *life, const struct witness *witness)
{
    struct err err = ERR_EMPTY;
    int result = look_at(life, witness, &err);

    if (result != (life->what != NULL ? -1 : 0) ||
        (life->what != NULL && strstr(err.text, life->what) == NULL))
        fail_msg("%d: \"%s\", wanted %s", result, err.text,
                 life->what != NULL ? life->what : "nothing");
}

static void need_root(void)
{
    struct probe probe;
    struct err err = ERR_EMPTY;

    assert_int_equal(probe_kernel(&probe, &err), 0);
    if (probe.has_seccomp && cred_has(CAP_SETUID) && cred_has(CAP_SETPCAP) &&
        cred_has(CAP_SYS_ADMIN))
        return;
    print_message("only root can become all this\n");
    skip();
}

/* ---- tests ------------------------------------------------------------------------- */

static void each_fault_is_seen_by_itself(void **state)
{
    static const struct life lives[] = {
        { NULL, UIDS, GIDS, 0, 0, false, 2 },
        { NULL, UIDS, GIDS, 0, 0, false, 3 },
        { "its filter", UIDS, GIDS, 0, 0, false, 1 },
        { "its filter", UIDS, GIDS, 0, 0, false, 0 },
        { "its no_new_privs", UIDS, GIDS, 0, 0, true, 2 },
        { "its capabilities", UIDS, GIDS, ONE, 0, false, 2 },
        { "its capabilities", UIDS, GIDS, 0, ONE, false, 2 },
    };

    (void)state;
    need_root();
    for (size_t i = 0; i < ARRAY_LEN(lives); i++)
        expect(&lives[i], &wanted);
}

static void each_of_four_ids_counts(void **state)
{
    (void)state;
    need_root();
    for (size_t i = 0; i < 4; i++) {
        struct life user = { "its user", UIDS, GIDS, 0, 0, false, 2 };
        struct life group = { "its group", UIDS, GIDS, 0, 0, false, 2 };

        user.uids[i] = 0;
        group.gids[i] = 0;
        expect(&user, &wanted);
        expect(&group, &wanted);
    }
}

/* Programs: with privileges, with one filter or none. */
static void what_is_not_asked_for_may_be_otherwise(void **state)
{
    static const struct witness lenient = { .uid = SOMEBODY, .gid = SOME_GROUP };
    static const struct life lives[] = {
        { NULL, UIDS, GIDS, ONE, ONE, true, 0 },
        { NULL, UIDS, GIDS, 0, 0, false, 2 },
    };

    (void)state;
    need_root();
    for (size_t i = 0; i < ARRAY_LEN(lives); i++)
        expect(&lives[i], &lenient);
}

static void who_is_not_shown_is_no_fault(void **state)
{
    struct err err = ERR_EMPTY;
    pid_t pid = fork();

    (void)state;
    assert_int_not_equal(pid, -1);
    if (pid == 0)
        _exit(0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(witness_check(pid, &wanted, &err), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_fault_is_seen_by_itself),
        cmocka_unit_test(each_of_four_ids_counts),
        cmocka_unit_test(what_is_not_asked_for_may_be_otherwise),
        cmocka_unit_test(who_is_not_shown_is_no_fault),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
