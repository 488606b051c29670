/* Each test becomes somebody in a child and looks at /proc there; root-only parts are
 * skipped for others. */
#include "proc/cred.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"

#define SOMEBODY   54321
#define SOME_GROUP 54322

static const gid_t some_groups[] = { SOME_GROUP, 7, 5 };

static const struct cred somebody = {
    .uid = SOMEBODY, .gid = SOME_GROUP, .groups = some_groups, .group_count = 3};

/* The system calls of the module pass here, so that each can be made to fail (C5). */
static const char *fails = "", *lies = "";
static const char *leads_back = ""; /* says that it made root of us */

static long refuse_or_call(const char *name, long number, long a, long b, long c)
{
    if (strcmp(fails, name) == 0) {
        errno = EAGAIN;
        return -1;
    }
    if (strcmp(lies, name) == 0)
        return 0;
    return syscall(number, a, b, c);
}

static bool is_back(const char *name, bool to_root)
{
    return to_root && strcmp(leads_back, name) == 0;
}

int setgroups(size_t count, const gid_t *groups)
{
    if (is_back("setgroups", count == 1 && groups[0] == 0))
        return 0;
    return (int)refuse_or_call("setgroups", SYS_setgroups, (long)count, (long)groups, 0);
}

int setresgid(gid_t r, gid_t e, gid_t s)
{
    if (is_back("setresgid", e == 0))
        return 0;
    return (int)refuse_or_call("setresgid", SYS_setresgid, (int)r, (int)e, (int)s);
}

int setresuid(uid_t r, uid_t e, uid_t s)
{
    if (is_back("setresuid", e == 0))
        return 0;
    return (int)refuse_or_call("setresuid", SYS_setresuid, (int)r, (int)e, (int)s);
}

static char status_text[4096];

static int read_status(void)
{
    int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    ssize_t got = fd == -1 ? -1 : read(fd, status_text, sizeof status_text - 1);

    if (got < 0)
        return -1;
    status_text[got] = '\0';
    close(fd);
    return 0;
}

/* 0, or which line is missing. */
static int status_has(const char *const *lines)
{
    if (read_status() == -1)
        return 90;
    for (int i = 0; lines[i] != NULL; i++)
        if (strstr(status_text, lines[i]) == NULL) {
            fprintf(stderr, "no \"%s\" in:\n%s", lines[i], status_text);
            return 10 + i;
        }
    return 0;
}

static void assert_in_child(int (*fn)(void))
{
    int status;
    pid_t pid = fork();

    assert_int_not_equal(pid, -1);
    if (pid == 0)
        _exit(fn());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void need_root(void)
{
    if (geteuid() == 0 && cred_can_change())
        return;
    print_message("only root can become somebody else\n");
    skip();
}

/* The masks as /proc prints them. Our own bounding set shrinks only with CAP_SETPCAP. */
static int become_somebody(void)
{
    static const char *const lines[] = {"Uid:\t54321\t54321\t54321\t54321\n",
                                        "Gid:\t54322\t54322\t54322\t54322\n",
                                        "Groups:\t5 7 54322 \n",
                                        "CapInh:\t0000000000000000\n",
                                        "CapPrm:\t0000000000000000\n",
                                        "CapEff:\t0000000000000000\n",
                                        "CapBnd:\t0000000000000000\n",
                                        "CapAmb:\t0000000000000000\n",
                                        "NoNewPrivs:\t1\n",
                                        NULL};
    gid_t odd[20];
    struct err err = ERR_EMPTY;

    for (gid_t i = 0; i < 20; i++)
        odd[i] = 9000 + i;
    if (setgroups(20, odd) == -1)
        return 1;
    if (cred_become(&somebody, &err) == -1 || cred_no_new_privs(&err) == -1) {
        fprintf(stderr, "%s\n", err.text);
        return 2;
    }
    if (prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0 || cred_can_change())
        return 3;
    if (setuid(0) == 0 || setgid(0) == 0)
        return 4;
    return status_has(lines);
}

static void c3_c4_root_becomes_somebody_in_every_id_and_set(void **state)
{
    (void)state;
    need_root();
    assert_true(cred_can_change());
    assert_in_child(become_somebody);
}

static int become_finally(void)
{
    struct cred cred = somebody;
    struct err err = ERR_EMPTY;
    int bits;

    cred.is_final = true;
    if (cred_become(&cred, &err) == -1) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    bits = prctl(PR_GET_SECUREBITS, 0, 0, 0, 0);
    /* Each of them with its lock; "keep capabilities" is off, and locked. */
    return bits == 0xef && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == -1 ? 0 : 2;
}

static void c5_the_securebits_of_who_is_final_are_locked(void **state)
{
    (void)state;
    need_root();
    assert_in_child(become_finally);
}

static int without_groups(void)
{
    static const char *const lines[] = {"Groups:\t \n", NULL};
    static const struct cred bare = { .uid = SOMEBODY, .gid = SOME_GROUP };
    struct err err = ERR_EMPTY;

    return cred_become(&bare, &err) == -1 ? 1 : status_has(lines);
}

static void c4_no_group_is_kept(void **state)
{
    (void)state;
    need_root();
    assert_in_child(without_groups);
}

static int stay_root(void)
{
    static const gid_t groups[] = { 0, 4 };
    static const struct cred root = {
        .uid = 0, .gid = 0, .groups = groups, .group_count = 2
    };
    static const char *const lines[] = {"Uid:\t0\t0\t0\t0\n", "Groups:\t0 4 \n", NULL};
    struct err err = ERR_EMPTY;

    if (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == -1 || cred_become(&root, &err) == -1 ||
        !cred_can_change())
        return 1;
    return prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0 ? 2 : status_has(lines);
}

static void root_may_stay_root(void **state)
{
    (void)state;
    need_root();
    assert_in_child(stay_root);
}

/* As an ordinary user: this test's own, or somebody that root became the plain way. */
static int be_ordinary(void)
{
    gid_t group = SOME_GROUP;

    if (geteuid() != 0)
        return 0;
    return setgroups(1, &group) == -1 ||
           setresgid(SOME_GROUP, SOME_GROUP, SOME_GROUP) == -1 ||
           setresuid(SOMEBODY, SOMEBODY, SOMEBODY) == -1;
}

static int become_myself(void)
{
    static const char *const lines[] = {
        "CapInh:\t0000000000000000\n", "CapPrm:\t0000000000000000\n",
        "CapEff:\t0000000000000000\n", "CapAmb:\t0000000000000000\n", NULL};
    struct cred cred = { .uid = 0, .gid = 0 };
    struct err err = ERR_EMPTY;

    if (be_ordinary() != 0 || cred_can_change())
        return 1;
    cred.uid = getuid();
    cred.gid = getgid();
    /* a change of ids takes it away, and here is none */
    if (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == -1 || cred_become(&cred, &err) == -1) {
        fprintf(stderr, "%s\n", err.text);
        return 2;
    }
    return prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0 ? 3 : status_has(lines);
}

static void an_ordinary_user_becomes_himself(void **state)
{
    (void)state;
    assert_in_child(become_myself);
}

static int become_someone_else(void)
{
    static const struct cred other = { .uid = SOMEBODY + 1, .gid = SOME_GROUP };
    static const struct cred root = { .uid = 0, .gid = 0 };
    struct err err = ERR_EMPTY;

    if (be_ordinary() != 0)
        return 1;
    if (cred_become(&other, &err) != -1 || strstr(err.text, "not user 54322") == NULL)
        return 2;
    return cred_become(&root, &err) != -1;
}

static void an_ordinary_user_becomes_nobody_else(void **state)
{
    (void)state;
    assert_in_child(become_someone_else);
}

/* What must be wrong then, in the words of who found it. */
static const char *fault;

static int fail_here(void)
{
    struct err err = ERR_EMPTY;

    if (cred_become(&somebody, &err) == -1 && strstr(err.text, fault) != NULL)
        return 0;
    fprintf(stderr, "said \"%s\", wanted \"%s\"\n", err.text, fault);
    return 1;
}

static void c5_a_call_that_fails_or_lies_ends_it(void **state)
{
    static const struct {
        const char *call, *fails, *lies;
    } calls[] = {
        { "setgroups", "identity: setgroups", "identity: other groups" },
        { "setresgid", "identity: group 54322", "identity: not user 54321, group 54322" },
        { "setresuid", "identity: user 54321", "identity: not user 54321, group 54322" },
    };

    (void)state;
    need_root();
    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        fails = calls[i].call;
        fault = calls[i].fails;
        assert_in_child(fail_here);
        fails = "";
        lies = calls[i].call;
        fault = calls[i].lies;
        assert_in_child(fail_here);
        lies = "";
    }
}

static void c5_a_way_back_that_is_open_ends_it(void **state)
{
    static const char *const calls[][2] = {
        { "setresuid", "identity: root can be had again" },
        { "setresgid", "identity: root's group can be had again" },
        { "setgroups", "identity: groups can be had again" },
    };

    (void)state;
    need_root();
    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        leads_back = calls[i][0];
        fault = calls[i][1];
        assert_in_child(fail_here);
        leads_back = "";
    }
}

/* The groups are what they were, whatever setgroups() says. */
static int with_one_group_more(void)
{
    static const gid_t groups[] = { SOME_GROUP, 7, 5, 6 };

    return syscall(SYS_setgroups, 4, groups) == -1 ? 90 : fail_here();
}

static int with_one_group_less(void)
{
    static const gid_t groups[] = { SOME_GROUP, 5 };

    return syscall(SYS_setgroups, 2, groups) == -1 ? 90 : fail_here();
}

static void c4_one_group_more_or_less_is_noticed(void **state)
{
    (void)state;
    need_root();
    lies = "setgroups";
    fault = "identity: other groups";
    assert_in_child(with_one_group_more);
    assert_in_child(with_one_group_less);
    lies = "";
}

/* Root that is root in all but how files are opened. */
static int refuse_root(void)
{
    static const struct cred root = { .uid = 0, .gid = 0 };
    struct err err = ERR_EMPTY;

    return cred_become(&root, &err) != -1 ||
           strstr(err.text, "not user 0, group 0") == NULL;
}

static int with_another_file_user(void)
{
    setfsuid(SOMEBODY);
    return refuse_root();
}

static int with_another_file_group(void)
{
    setfsgid(SOME_GROUP);
    return refuse_root();
}

static void c3_the_ids_for_files_count_as_the_others_do(void **state)
{
    (void)state;
    need_root();
    lies = "setresuid";
    assert_in_child(with_another_file_user);
    lies = "setresgid";
    assert_in_child(with_another_file_group);
    lies = "";
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(c3_c4_root_becomes_somebody_in_every_id_and_set),
        cmocka_unit_test(c5_the_securebits_of_who_is_final_are_locked),
        cmocka_unit_test(c4_no_group_is_kept),
        cmocka_unit_test(root_may_stay_root),
        cmocka_unit_test(an_ordinary_user_becomes_himself),
        cmocka_unit_test(an_ordinary_user_becomes_nobody_else),
        cmocka_unit_test(c5_a_call_that_fails_or_lies_ends_it),
        cmocka_unit_test(c5_a_way_back_that_is_open_ends_it),
        cmocka_unit_test(c4_one_group_more_or_less_is_noticed),
        cmocka_unit_test(c3_the_ids_for_files_count_as_the_others_do),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
