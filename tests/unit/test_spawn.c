/*
 * Started programs look at themselves: this test's own binary, given "--helper", writes
 * what it is to descriptor 1, so that the test reads the child's view and not the
 * parent's.
 */
#include "proc/spawn.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"

#define HELPER "/proc/self/exe"
/* A word of an argument vector: those are not const. */
#define WORD(text) ((char[]){text})

extern char **environ;

static bool is_old_kernel; /* one before 5.9 */

int __real_close_range(unsigned first, unsigned last, int flags);
int __wrap_close_range(unsigned first, unsigned last, int flags);

int __wrap_close_range(unsigned first, unsigned last, int flags)
{
    if (!is_old_kernel)
        return __real_close_range(first, last, flags);
    errno = ENOSYS;
    return -1;
}

static void tell_descriptors(FILE *out)
{
    DIR *all = opendir("/proc/self/fd");
    struct dirent *one;

    fprintf(out, "fds");
    while ((one = readdir(all)) != NULL)
        if (one->d_name[0] != '.' && atoi(one->d_name) != dirfd(all))
            fprintf(out, " %s", one->d_name);
    fprintf(out, "\n");
    closedir(all);
}

static void tell_status(FILE *out)
{
    char line[256];
    FILE *status = fopen("/proc/self/status", "re");

    while (fgets(line, sizeof line, status) != NULL)
        if (strncmp(line, "Sig", 3) == 0 || strncmp(line, "NoNewPrivs", 10) == 0)
            fputs(line, out);
    fclose(status);
}

/* Names what 0, 1 and 2 are, on 3. */
static int tell_targets(void)
{
    for (int fd = 0; fd < 3; fd++) {
        char link[32], text[64];
        ssize_t length;

        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        length = readlink(link, text, sizeof text - 1);
        text[length] = '\n';
        if (write(3, text, (size_t)length + 1) != length + 1)
            return 1;
    }
    return 0;
}

static int helper(int argc, char **argv)
{
    char text[16] = "";
    struct rlimit files;
    FILE *out = fdopen(1, "w");

    tell_descriptors(out);
    tell_status(out);
    fprintf(out, "leader %d\n", getsid(0) == getpid() && getpgid(0) == getpid());
    getrlimit(RLIMIT_NOFILE, &files);
    fprintf(out, "files %ld\n", (long)files.rlim_cur);
    for (int i = 0; i < argc; i++)
        fprintf(out, "arg %s\n", argv[i]);
    for (char **at = environ; *at != NULL; at++)
        fprintf(out, "env %s\n", *at);
    fprintf(out, "mypid %d\n",
            getppid() > 0 && getenv("LISTEN_PID") != NULL
                ? atoi(getenv("LISTEN_PID")) == getpid()
                : -1);
    if (read(0, text, sizeof text - 1) > 0)
        fprintf(out, "zero %s\n", text);
    fprintf(out, "same %d\n", fcntl(2, F_GETFD) != -1 && lseek(2, 0, SEEK_CUR) == -1);
    fclose(out);
    return 7;
}

static char *const arguments[] = {WORD("name"), WORD("--helper"), WORD("a b"), NULL};
static char *const target_arguments[] = {WORD("name"), WORD("--targets"), NULL};
static char *const no_environment[] = { NULL };

static struct spawn_exec program(const int *fds, size_t fd_count)
{
    struct spawn_exec spawn = {
        .path = HELPER,
        .argv = arguments,
        .envp = no_environment,
        .fds = fds,
        .fd_count = fd_count,
        .uid = getuid(),
        .gid = getgid(),
    };

    return spawn;
}

/* How many descriptors this process holds: every test must leave as many. */
static int descriptors(void)
{
    int count = 0;

    for (int fd = 0; fd < 256; fd++)
        count += fcntl(fd, F_GETFD) != -1;
    return count;
}

static void assert_no_child(void)
{
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

/* Pipes to the child's descriptor 0 and from its 1. */
struct ends {
    int in[2], out[2];
    char text[4096];
};

static void open_ends(struct ends *ends)
{
    memset(ends, 0, sizeof *ends);
    assert_int_equal(pipe2(ends->in, O_CLOEXEC), 0);
    assert_int_equal(pipe2(ends->out, O_CLOEXEC), 0);
    assert_int_equal(write(ends->in[1], "hello", 5), 5);
}

static void read_all(struct ends *ends, pid_t pid)
{
    size_t length = 0;
    ssize_t got;
    int status;

    close(ends->in[0]);
    close(ends->in[1]);
    close(ends->out[1]);
    while ((got = read(ends->out[0], ends->text + length,
                       sizeof ends->text - 1 - length)) > 0)
        length += (size_t)got;
    close(ends->out[0]);
    if (pid == -1)
        return;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

static void assert_says(const struct ends *ends, const char *line)
{
    if (strstr(ends->text, line) == NULL)
        fail_msg("no \"%s\" in:\n%s", line, ends->text);
}

/* But the two that the C library keeps for itself: its posix_spawn() leaves them ignored
 * in what make starts, and nobody can change that through it. */
static void assert_ignores_nothing(const struct ends *ends)
{
    const char *line = strstr(ends->text, "SigIgn:\t");

    assert_non_null(line);
    assert_int_equal(strtoull(line + strlen("SigIgn:\t"), NULL, 16) & ~0x180000000ull, 0);
}

static void a_program_gets_exactly_its_descriptors(void **state)
{
    struct ends ends;
    struct err err = ERR_EMPTY;
    int before = descriptors(), stray, fds[3] = { 0 };
    struct spawn_exec spawn = program(fds, 3);
    pid_t pid;

    (void)state;
    open_ends(&ends);
    stray = fcntl(0, F_DUPFD, 100); /* not close-on-exec: somebody's mistake */
    fds[0] = ends.in[0];
    fds[1] = fds[2] = ends.out[1];
    pid = spawn_exec(&spawn, &err);
    assert_int_not_equal(pid, -1);
    close(stray);
    read_all(&ends, pid);
    assert_says(&ends, "fds 0 1 2\n");
    assert_says(&ends, "zero hello\n");
    assert_says(&ends, "same 1\n");
    assert_int_equal(descriptors(), before);
    assert_no_child();
}

static void an_old_kernel_does_not_change_that(void **state)
{
    is_old_kernel = true;
    a_program_gets_exactly_its_descriptors(state);
    is_old_kernel = false;
}

static void a_program_starts_with_nothing_of_ours(void **state)
{
    static char pid_text[] = "LISTEN_PID=000000000000";
    char *const environment[] = {WORD("PATH=/bin"), pid_text, NULL};
    const struct spawn_limit limits[] = {{RLIMIT_NOFILE, {77, 77}},
                                         {RLIMIT_CORE, {0, 0}}};
    struct ends ends;
    struct err err = ERR_EMPTY;
    int fds[3] = { 0 };
    struct spawn_exec spawn = program(fds, 3);
    sigset_t all, old;
    pid_t pid;

    (void)state;
    open_ends(&ends);
    fds[0] = ends.in[0];
    fds[1] = fds[2] = ends.out[1];
    spawn.envp = environment;
    spawn.limits = limits;
    spawn.limit_count = ARRAY_LEN(limits);
    spawn.no_new_privs = true;
    spawn.pid_text = pid_text + strlen("LISTEN_PID=");
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &old);
    signal(SIGPIPE, SIG_IGN);
    pid = spawn_exec(&spawn, &err);
    signal(SIGPIPE, SIG_DFL);
    sigprocmask(SIG_SETMASK, &old, NULL);
    assert_int_not_equal(pid, -1);
    read_all(&ends, pid);
    assert_says(&ends, "SigBlk:\t0000000000000000\n");
    assert_ignores_nothing(&ends);
    assert_says(&ends, "NoNewPrivs:\t1\n");
    assert_says(&ends, "leader 1\n");
    assert_says(&ends, "files 77\n");
    assert_says(&ends, "arg name\narg --helper\narg a b\nenv PATH=/bin\nenv LISTEN_PID=");
    assert_says(&ends, "mypid 1\n");
    assert_int_equal(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 0);
    assert_no_child();
}

/*
 * Sources that lie where targets go, in every arrangement of three: run in a forked
 * child, which may rearrange its own low descriptors as it likes.
 */
struct arrangement {
    int fds[3];
    int out[2];
};

static int start_arranged(void *context)
{
    struct arrangement *a = context;
    int fds[4] = { a->fds[0], a->fds[1], a->fds[2], 0 }, status;
    struct err err = ERR_EMPTY;
    struct spawn_exec spawn = program(fds, 4);
    pid_t pid;

    fds[3] = fcntl(a->out[1], F_DUPFD_CLOEXEC, 50);
    for (int fd = 0; fd < 3; fd++) {
        static const char *const files[] = {"/dev/null", "/dev/zero", "/dev/full"};
        int file = open(files[fd], O_RDWR | O_CLOEXEC);

        if (dup3(file, fd, O_CLOEXEC) == -1)
            return 1;
    }
    spawn.argv = target_arguments;
    pid = spawn_exec(&spawn, &err);
    return pid != -1 && waitpid(pid, &status, 0) == pid && status == 0 ? 0 : 2;
}

static void sources_may_lie_where_targets_go(void **state)
{
    static const char *const files[] = {"/dev/null\n", "/dev/zero\n", "/dev/full\n"};

    (void)state;
    for (int i = 0; i < 27; i++) {
        struct arrangement a = {.fds = {i % 3, i / 3 % 3, i / 9}};
        struct spawn_fork fork_it = { .fn = start_arranged, .context = &a };
        struct err err = ERR_EMPTY;
        char want[64] = "", got[64] = "";
        int status;
        pid_t pid;

        assert_int_equal(pipe2(a.out, O_CLOEXEC), 0);
        pid = spawn_fork(&fork_it, &err);
        assert_int_not_equal(pid, -1);
        close(a.out[1]);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        assert_true(read(a.out[0], got, sizeof got - 1) > 0);
        close(a.out[0]);
        snprintf(want, sizeof want, "%s%s%s", files[a.fds[0]], files[a.fds[1]],
                 files[a.fds[2]]);
        assert_string_equal(got, want);
    }
    assert_no_child();
}

static void many_descriptors_are_passed_on(void **state)
{
    struct ends ends;
    struct err err = ERR_EMPTY;
    int fds[40] = { 0 };
    struct spawn_exec spawn = program(fds, ARRAY_LEN(fds));
    pid_t pid;

    (void)state;
    open_ends(&ends);
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        fds[i] = ends.out[1];
    fds[0] = ends.in[0];
    pid = spawn_exec(&spawn, &err);
    assert_int_not_equal(pid, -1);
    read_all(&ends, pid);
    assert_says(&ends, " 37 38 39\n");
    assert_no_child();
}

static void a_start_that_fails_names_the_step_and_leaves_no_child(void **state)
{
    static const int good[] = { 0, 1, 2 }, bad[] = { 0, 1, 250 };
    static const struct spawn_limit limit = {RLIMIT_NLIMITS + 9, {1, 1}};
    struct {
        struct spawn_exec spawn;
        int code;
        const char *text;
    } cases[] = {
        {program(good, 3), ENOENT, "/no/such/program: exec: No such file or directory"},
        {program(good, 3), EACCES, "/etc/passwd: exec: Permission denied"},
        {program(bad, 3), EBADF, HELPER ": descriptors: Bad file descriptor"},
        {program(good, 3), EINVAL, HELPER ": limits: Invalid argument"},
        {program(good, 3), EPERM, HELPER ": identity: Operation not permitted"},
        {program(good, 3), EPERM, HELPER ": identity: Operation not permitted"},
    };
    int before = descriptors();

    (void)state;
    cases[0].spawn.path = "/no/such/program";
    cases[1].spawn.path = "/etc/passwd";
    cases[3].spawn.limits = &limit;
    cases[3].spawn.limit_count = 1;
    cases[4].spawn.uid++;
    cases[5].spawn.gid++;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = ERR_EMPTY;

        assert_int_equal(spawn_exec(&cases[i].spawn, &err), -1);
        assert_string_equal(err.text, cases[i].text);
        assert_int_equal(err.code, cases[i].code);
        assert_no_child();
        assert_int_equal(descriptors(), before);
    }
}

static void a_child_changes_nothing_of_ours(void **state)
{
    static const int fds[] = { 0, 1, 2 };
    char *const quiet[] = {WORD("true"), NULL};
    const struct spawn_limit limit = {RLIMIT_NOFILE, {50, 50}};
    struct spawn_exec spawn = program(fds, 3);
    struct err err = ERR_EMPTY;
    struct rlimit before, after;
    int end = fcntl(0, F_DUPFD_CLOEXEC, 60), status;
    pid_t session = getsid(0), pid;

    (void)state;
    getrlimit(RLIMIT_NOFILE, &before);
    spawn.path = "/bin/true";
    spawn.argv = quiet;
    spawn.limits = &limit;
    spawn.limit_count = 1;
    for (int i = 0; i < 100; i++) {
        pid = spawn_exec(&spawn, &err);
        assert_int_not_equal(pid, -1);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
    }
    getrlimit(RLIMIT_NOFILE, &after);
    assert_memory_equal(&before, &after, sizeof before);
    assert_int_equal(fcntl(end, F_GETFD), FD_CLOEXEC);
    assert_int_equal(getsid(0), session);
    close(end);
    assert_no_child();
}

static int answer(void *context)
{
    return *(int *)context + (getsid(0) == getpid());
}

static void a_fork_runs_a_function(void **state)
{
    int value = 40;
    struct spawn_fork spawn = { .fn = answer,
                                .context = &value,
                                .die_with_parent = true };
    struct err err = ERR_EMPTY;

    (void)state;
    for (int session = 0; session < 2; session++) {
        int status;
        pid_t pid;

        spawn.new_session = session;
        pid = spawn_fork(&spawn, &err);
        assert_int_not_equal(pid, -1);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(WEXITSTATUS(status), 40 + session);
    }
    assert_no_child();
}

static int wait_for_death(void *context)
{
    int *pair = context;

    close(pair[0]);
    while (pair[1] != -1)
        pause();
    return 0;
}

static int start_one_and_die(void *context)
{
    struct spawn_fork spawn = {
        .fn = wait_for_death, .context = context, .die_with_parent = true};
    struct err err = ERR_EMPTY;

    return spawn_fork(&spawn, &err) == -1;
}

static void a_child_dies_with_its_parent(void **state)
{
    int pair[2], status;
    struct spawn_fork spawn = { .fn = start_one_and_die, .context = pair };
    struct err err = ERR_EMPTY;
    char byte;
    pid_t pid;

    (void)state;
    assert_int_equal(pipe2(pair, O_CLOEXEC), 0);
    pid = spawn_fork(&spawn, &err);
    assert_int_not_equal(pid, -1);
    close(pair[1]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(read(pair[0], &byte, 1), 0); /* ends when the grandchild is dead */
    close(pair[0]);
    assert_int_equal(spawn_die_with_parent(getpid()), -1); /* not our parent */
    assert_int_equal(prctl(PR_SET_PDEATHSIG, 0), 0);
    assert_no_child();
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_program_gets_exactly_its_descriptors),
        cmocka_unit_test(an_old_kernel_does_not_change_that),
        cmocka_unit_test(a_program_starts_with_nothing_of_ours),
        cmocka_unit_test(sources_may_lie_where_targets_go),
        cmocka_unit_test(many_descriptors_are_passed_on),
        cmocka_unit_test(a_start_that_fails_names_the_step_and_leaves_no_child),
        cmocka_unit_test(a_child_changes_nothing_of_ours),
        cmocka_unit_test(a_fork_runs_a_function),
        cmocka_unit_test(a_child_dies_with_its_parent),
    };

    if (argc > 1 && strcmp(argv[1], "--helper") == 0)
        return helper(argc, argv);
    if (argc > 1 && strcmp(argv[1], "--targets") == 0)
        return tell_targets();
    /* usherd has done so long before it starts anything; nohup and shells leave some
     * ignored. */
    for (int number = 1; number < SIGRTMIN; number++)
        signal(number, SIG_DFL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
