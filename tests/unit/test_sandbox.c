/* Each test closes the doors in a child and tries them there. What the kernel at hand
 * does not have is skipped, as is what a relaxed build leaves open. */
#include "proc/sandbox.h"

#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/capability.h>

#include <cmocka.h>

#include <usher/service.h>

#include "base/fd.h"
#include "base/mem.h"
#include "proc/cred.h"
#include "proc/filter.h"
#include "proc/landlock.h"
#include "proc/spawn.h"

#define SOMEBODY 54321

static struct probe probe = PROBE_EMPTY;

/* ---- a child behind its doors ------------------------------------------------------ */

struct trial {
    enum sandbox_kind kind;
    unsigned needs;
    bool has_children;
    bool is_open;    /* the doors: as in a plugin's open() */
    int (*fn)(void); /* its result is the child's status; below 100 */
    char *text;      /* shared with the child; or NULL */
};

static int close_doors(const struct trial *trial, struct sandbox *sandbox,
                       struct err *err)
{
    struct cred cred = { .uid = geteuid(), .gid = getegid(), .is_final = true };

    if (probe.can_change)
        cred.uid = cred.gid = SOMEBODY;
    *sandbox = (struct sandbox)SANDBOX_EMPTY;
    sandbox->kind = trial->kind;
    sandbox->needs = trial->needs;
    sandbox->has_children = trial->has_children;
    sandbox->probe = &probe;
    if (sandbox_begin(sandbox, &cred, err) == -1 || cred_become(&cred, err) == -1 ||
        cred_no_new_privs(err) == -1 || sandbox_fence(sandbox, err) == -1)
        return -1;
    return trial->is_open ? 0 : sandbox_close(sandbox, err);
}

static int live(const struct trial *trial)
{
    struct sandbox sandbox;
    struct err err = ERR_EMPTY;
    int result;

    if (close_doors(trial, &sandbox, &err) == -1) {
        fprintf(stderr, "%s\n", err.text);
        return 101;
    }
    if (trial->text != NULL)
        sandbox_print(&sandbox, trial->text, SANDBOX_TEXT);
    result = trial->fn();
    sandbox_fini(&sandbox);
    return result;
}

static int status_of(const struct trial *trial)
{
    int status;
    pid_t pid = fork();

    assert_int_not_equal(pid, -1);
    if (pid == 0)
        _exit(live(trial));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void expect(const struct trial *trial, int result)
{
    int status = status_of(trial);

    if (WIFSIGNALED(status))
        fail_msg("signal %d", WTERMSIG(status));
    assert_int_equal(WEXITSTATUS(status), result);
}

static void expect_death(const struct trial *trial)
{
    int status = status_of(trial);

    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSYS);
}

static void need_filter(void)
{
    if (SANDBOX_IS_RELAXED || !probe.has_seccomp) {
        print_message("no allow-list in this build, or on this kernel\n");
        skip();
    }
}

static void need_landlock(int abi)
{
    need_filter();
    if (probe.landlock < abi) {
        print_message("the kernel's Landlock is too old\n");
        skip();
    }
}

/* ---- what a plugin is left with ---------------------------------------------------- */

static int errno_of(long result)
{
    return result == -1 ? errno : 0;
}

static int open_file(void)
{
    return errno_of(open("/etc/passwd", O_RDONLY | O_CLOEXEC));
}

static int open_to_write(void)
{
    return errno_of(open("/tmp", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600));
}

static int make_socket(void)
{
    return errno_of(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

static int make_unix_socket(void)
{
    return errno_of(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

static int make_netlink_socket(void)
{
    return errno_of(socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, 4));
}

static int signal_first(void)
{
    return errno_of(kill(1, 0));
}

static int signal_self(void)
{
    return errno_of(kill(getpid(), 0));
}

static int call_clone3(void)
{
    return errno_of(syscall(SYS_clone3, NULL, 0));
}

static int map_code(void)
{
    return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
                   MAP_FAILED
               ? errno
               : 0;
}

/* What is mapped stays as large as it is: behind a worker's page are those of others. */
static int widen_memory(void)
{
    char *page =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return mremap(page, 4096, 8192, MREMAP_MAYMOVE) == MAP_FAILED ? errno : 0;
}

/* The C library would move large blocks with that call, and copies them instead. */
static int grow_block(void)
{
    size_t size = 1 << 20;
    char *block = malloc(size);

    for (; block != NULL && size < 1 << 25; size *= 2) {
        char *larger = realloc(block, size * 2);

        if (larger == NULL)
            break;
        block = larger;
        memset(block + size, 1, size);
    }
    free(block);
    return size == 1 << 25 ? 0 : 1;
}

static int start_child(void)
{
    pid_t pid = fork();

    if (pid == 0)
        _exit(0);
    return pid == -1 ? errno : errno_of(waitpid(pid, NULL, 0));
}

static int new_user_space(void)
{
    pid_t pid = (pid_t)syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);

    if (pid == 0)
        _exit(0);
    return errno_of(pid);
}

static int read_limit(void)
{
    struct rlimit limit;

    return errno_of(getrlimit(RLIMIT_NOFILE, &limit));
}

static int set_a_limit(void)
{
    struct rlimit limit = { 16, 16 };

    return errno_of(setrlimit(RLIMIT_NOFILE, &limit));
}

static int attach_a_filter(void)
{
    int on = 1;

    return errno_of(setsockopt(0, SOL_SOCKET, SO_ATTACH_FILTER, &on, sizeof(on)));
}

static void each_need_adds_its_calls_and_no_more(void **state)
{
    static const unsigned nothing = 0, files = USHER_NEEDS_FILES,
                          people = USHER_NEEDS_FILES | USHER_NEEDS_PASSWD,
                          out = USHER_NEEDS_CONNECT, net = USHER_NEEDS_NETWORK,
                          children = USHER_NEEDS_FORK,
                          view = USHER_NEEDS_VIEW | USHER_NEEDS_HAND_OVER;
    static const struct {
        const char *what;
        int (*fn)(void);
        unsigned needs;
        int result;
    } cases[] = {
        { "open", open_file, nothing, EACCES },
        { "open", open_file, files, 0 },
        { "open", open_file, people, 0 },
        { "open", open_file, out, EACCES },
        { "open", open_file, net, EACCES },
        { "open", open_file, view, EACCES },
        { "write", open_to_write, nothing, EACCES },
        { "write", open_to_write, files, ENOSYS },
        { "socket", make_socket, nothing, EACCES },
        { "socket", make_socket, files, EACCES },
        { "socket", make_socket, people, ENOSYS },
        { "socket", make_socket, out, 0 },
        { "socket", make_socket, net, ENOSYS },
        { "socket", make_socket, view, EACCES },
        { "unix", make_unix_socket, people, 0 },
        { "unix", make_unix_socket, out, ENOSYS },
        { "netlink", make_netlink_socket, net, 0 },
        { "netlink", make_netlink_socket, out, ENOSYS },
        { "kill", signal_self, nothing, EPERM },
        { "kill", signal_self, children, 0 },
        { "fork", start_child, nothing, EPERM },
        { "fork", start_child, children, 0 },
        { "user", new_user_space, nothing, EPERM },
        { "user", new_user_space, children, ENOSYS },
        { "code", map_code, nothing, ENOSYS },
        { "code", map_code, files, ENOSYS },
        { "code", map_code, people, 0 },
        { "limit", read_limit, nothing, 0 },
        { "set limit", set_a_limit, nothing, ENOSYS },
        { "set limit", set_a_limit, children, 0 },
        { "mremap", widen_memory, nothing, ENOSYS },
        { "mremap", widen_memory, people, ENOSYS },
        { "realloc", grow_block, nothing, 0 },
        { "realloc", grow_block, people, 0 },
        { "filter", attach_a_filter, out, ENOSYS },
        { "clone3", call_clone3, children, ENOSYS },
    };

    (void)state;
    need_landlock(1);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct trial trial = { .kind = SANDBOX_PLUGIN,
                               .needs = cases[i].needs,
                               .fn = cases[i].fn };
        int status = status_of(&trial);

        if (!WIFEXITED(status) || WEXITSTATUS(status) != cases[i].result)
            fail_msg("%s with needs %u: status %#x, want %d", cases[i].what,
                     cases[i].needs, (unsigned)status, cases[i].result);
    }
}

/* C5, C7: Landlock's scope; seccomp cannot tell whose process it is. */
static void a_forking_plugin_signals_nobody_else(void **state)
{
    struct trial trial = { .kind = SANDBOX_PLUGIN,
                           .has_children = true,
                           .fn = signal_first };

    (void)state;
    need_landlock(6);
    expect(&trial, EPERM);
}

static int execute(void)
{
    char *const argv[] = { (char[]){ "true" }, NULL };

    return errno_of(execve("/bin/true", argv, argv + 1));
}

static int trace(void)
{
    return errno_of(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}

static int leave(void)
{
    return errno_of(unshare(CLONE_NEWUSER));
}

static int load_module(void)
{
    return errno_of(syscall(SYS_init_module, NULL, 0, ""));
}

static int read_other(void)
{
    return errno_of(syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0));
}

static int use_ring(void)
{
    return errno_of(syscall(425, 1, NULL)); /* io_uring_setup */
}

static void hostile_calls_end_a_plugin_and_fail_in_a_program(void **state)
{
    static int (*const calls[])(void) = { trace, load_module, read_other, use_ring };

    (void)state;
    need_filter();
    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        struct trial plugin = { .kind = SANDBOX_PLUGIN, .fn = calls[i] };
        struct trial forker = { .kind = SANDBOX_PLUGIN,
                                .has_children = true,
                                .fn = calls[i] };
        struct trial reader = { .kind = SANDBOX_READER, .fn = calls[i] };
        struct trial program = { .kind = SANDBOX_PROGRAM, .fn = calls[i] };

        expect_death(&plugin);
        expect_death(&forker);
        expect_death(&reader);
        expect(&program, EPERM);
    }
    for (unsigned needs = 0; needs <= USHER_NEEDS_NETWORK;
         needs = needs == 0 ? 1 : needs * 2) {
        struct trial executes = { .kind = SANDBOX_PLUGIN, .needs = needs, .fn = execute };
        struct trial leaves = { .kind = SANDBOX_PLUGIN, .needs = needs, .fn = leave };

        expect_death(&executes);
        expect_death(&leaves);
    }
}

/* The numbers that 32-bit programs and x32 ones have for kill() of nobody. */
static int call_by_other_numbers(void)
{
#if defined(__x86_64__) && !defined(__ILP32__)
    long result = 37;

    __asm__ volatile("int $0x80" : "+a"(result) : "b"(getppid()), "c"(0) : "memory");
    return result == -ENOSYS ? raise(SIGSYS) : 0;
#else
    return raise(SIGSYS);
#endif
}

static int call_by_x32_numbers(void)
{
#if defined(__x86_64__) && !defined(__ILP32__)
    return errno_of(syscall(0x40000000 + SYS_kill, getppid(), 0)) == ENOSYS
               ? raise(SIGSYS)
               : 0;
#else
    return raise(SIGSYS);
#endif
}

static int bind_to_processors(pid_t pid)
{
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof(set), &set) == -1)
        return 90;
    return sched_setaffinity(pid, sizeof(set), &set) == -1 ? errno : 0;
}

/* Nobody who has a number, oneself included. */
static int bind_by_number(void)
{
    return bind_to_processors(getpid());
}

static int bind_self(void)
{
    return bind_to_processors(0);
}

static void the_fence_holds_while_plugins_open(void **state)
{
    static const struct {
        int (*fn)(void);
        int result;
    } calls[] = {
        { signal_first, EPERM }, { signal_self, EPERM }, { trace, EPERM },
        { start_child, EAGAIN }, { open_file, 0 },       { make_socket, 0 },
        { map_code, 0 },         { bind_by_number, EPERM },
        { bind_self, 0 },
    };
    struct trial opening = { .kind = SANDBOX_PLUGIN, .is_open = true };

    (void)state;
    need_filter();
    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        opening.fn = calls[i].fn;
        expect(&opening, calls[i].result);
    }
    opening.fn = call_by_other_numbers;
    assert_true(WIFSIGNALED(status_of(&opening))); /* SIGSEGV where the kernel has no such
                                                      calls */
    opening.fn = call_by_x32_numbers;
    expect_death(&opening);
}

/* What a child leaves behind is looked for, too: its own child, which nobody waited
 * for. */
static int hide_a_child(const struct trial *trial, bool is_hidden)
{
    struct sandbox sandbox;
    struct err err = ERR_EMPTY;
    int ends[2], result, status;
    pid_t pid;

    if (close_doors(trial, &sandbox, &err) == -1 || pipe2(ends, O_CLOEXEC) == -1)
        return 90;
    pid = fork();
    if (pid == 0) {
        char byte;

        close(ends[1]);
        if (is_hidden && fork() == 0)
            _exit(read(ends[0], &byte, 1) == 0 ? 0 : 1);
        _exit(0);
    }
    if (waitpid(pid, &status, 0) != pid)
        return 91;
    result = sandbox_close(&sandbox, &err);
    close(ends[1]); /* now it ends */
    if (!is_hidden)
        return result == 0 && strcmp(err.text, "") == 0 ? 0 : 92;
    if (result == 0 || strcmp(err.text, "a plugin started a process in open()") != 0)
        return 93;
    return wait(&status) > 0 && status == 0 && wait(&status) == -1 ? 0 : 94;
}

static void no_process_hides_behind_another_while_plugins_open(void **state)
{
    static const struct trial opening = { .kind = SANDBOX_PLUGIN,
                                          .has_children = true,
                                          .is_open = true };

    (void)state;
    need_filter();
    for (int is_hidden = 0; is_hidden < 2; is_hidden++) {
        int status;
        pid_t pid = fork();

        if (pid == 0)
            _exit(hide_a_child(&opening, is_hidden == 1));
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
    }
}

/* A child of its own that loses its father is not the worker's. */
static int whose_are_orphans(void)
{
    char byte;
    int ends[2], status;
    pid_t pid;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == -1)
        return 90;
    pid = fork();
    if (pid == 0) {
        close(ends[1]);
        if (fork() == 0)
            _exit(read(ends[0], &byte, 1) == 0 ? 0 : 1);
        _exit(0);
    }
    if (waitpid(pid, &status, 0) != pid)
        return 91;
    return waitpid(-1, &status, WNOHANG) == -1 && errno == ECHILD ? 0 : 92;
}

static void who_serves_gets_no_orphans(void **state)
{
    struct trial serving = { .kind = SANDBOX_PLUGIN,
                             .has_children = true,
                             .fn = whose_are_orphans };

    (void)state;
    need_filter();
    expect(&serving, 0);
}

/* ---- calls by other numbers -------------------------------------------------------- */

#if defined(__x86_64__) && !defined(__ILP32__)

#define X32_CALLS 0x40000000
#define INIT_MODULE_32 128
#define GETPID_32 20

/* As 32-bit programs call. Where the kernel has no such calls: SIGSEGV. */
static long call_32(long number)
{
    long result = number;

    __asm__ volatile("int $0x80"
                     : "+a"(result)
                     : "b"(0), "c"(0), "d"(0)
                     : "memory", "r8", "r9", "r10", "r11");
    return result;
}

static int load_module_by_32(void)
{
    return (int)-call_32(INIT_MODULE_32);
}

static int ask_by_32(void)
{
    return call_32(GETPID_32) == getpid() ? 0 : 1;
}

static int load_module_by_x32(void)
{
    return errno_of(syscall(X32_CALLS + SYS_init_module, NULL, 0, ""));
}

/* ENOSYS: the kernel has no such calls. */
static int ask_by_x32(void)
{
    long result = syscall(X32_CALLS + SYS_getpid);

    return result == getpid() || (result == -1 && errno == ENOSYS) ? 0 : 1;
}

static bool is_without_32(int status)
{
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV;
}

static void programs_of_other_kinds_go_on_and_may_no_more(void **state)
{
    struct trial program = { .kind = SANDBOX_PROGRAM, .fn = ask_by_32 };
    int status;

    (void)state;
    if (!probe.has_seccomp)
        skip();
    status = status_of(&program);
    assert_true(status == 0 || is_without_32(status));
    if (status == 0) {
        program.fn = load_module_by_32;
        expect(&program, EPERM);
    }
    program.fn = ask_by_x32;
    expect(&program, 0);
    program.fn = load_module_by_x32;
    expect(&program, EPERM);
}

static void *ask_in_a_thread(void *unused)
{
    (void)unused;
    ask_by_x32();
    return NULL;
}

/* Not the thread alone that did it. */
static int ask_by_x32_in_a_thread(void)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, ask_in_a_thread, NULL) != 0)
        return 90;
    pthread_join(thread, NULL);
    return 0;
}

/* The reader has no fence: its filter is all that looks. */
static void who_calls_by_other_numbers_ends_whole(void **state)
{
    static int (*const calls[])(void) = { ask_by_x32, ask_by_x32_in_a_thread };
    static const enum sandbox_kind kinds[] = { SANDBOX_READER, SANDBOX_PLUGIN };
    int status;

    (void)state;
    need_filter();
    for (size_t kind = 0; kind < ARRAY_LEN(kinds); kind++) {
        struct trial trial = { .kind = kinds[kind], .has_children = true };

        for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
            trial.fn = calls[i];
            expect_death(&trial);
        }
        trial.fn = ask_by_32;
        status = status_of(&trial);
        assert_true(is_without_32(status) ||
                    (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS));
    }
}

#else

static void programs_of_other_kinds_go_on_and_may_no_more(void **state)
{
    (void)state;
    skip(); /* another processor has no other kinds of calls */
}

static void who_calls_by_other_numbers_ends_whole(void **state)
{
    (void)state;
    skip();
}

#endif

static int use_posix_spawn(void)
{
    char *const argv[] = { (char[]){ "true" }, NULL };
    pid_t pid;
    int status;

    if (posix_spawn(&pid, "/bin/true", NULL, NULL, argv, argv + 1) != 0)
        return 1;
    return waitpid(pid, &status, 0) == pid ? status : 2;
}

static void programs_go_on_as_ever(void **state)
{
    struct trial spawns = { .kind = SANDBOX_PROGRAM, .fn = use_posix_spawn };
    struct trial opens = { .kind = SANDBOX_PROGRAM, .fn = open_file };
    struct trial signals = { .kind = SANDBOX_PROGRAM, .fn = signal_self };

    (void)state;
    expect(&spawns, 0);
    expect(&opens, 0);
    expect(&signals, 0);
}

/* ---- reader and catalogue ---------------------------------------------------------- */

/* Its own, and nobody else's of its user. */
static int set_limits(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == -1 || setrlimit(RLIMIT_NOFILE, &limit) == -1)
        return errno;
    return prlimit(getppid(), RLIMIT_NOFILE, &limit, NULL) == -1 ? 0 : 1;
}

static int have_catalogue(void)
{
    struct sandbox sandbox = SANDBOX_EMPTY;
    struct err err = ERR_EMPTY;

    sandbox.kind = SANDBOX_CATALOGUE;
    sandbox.probe = &probe;
    if (sandbox_close(&sandbox, &err) == -1)
        return 90;
    sandbox_fini(&sandbox);
    if (open_file() != 0 || open("/dev/null", O_RDWR | O_CLOEXEC) == -1)
        return 91;
    if (map_code() != 0)
        return 92;
    if (make_socket() != EACCES || start_child() != EPERM || open_to_write() == 0)
        return 93;
    if (set_limits() != 0)
        return 94;
    return 0;
}

static int have_reader(void)
{
    int status;
    pid_t pid;

    if (open_file() != 0 || make_socket() != 0 || make_unix_socket() != 0 ||
        make_netlink_socket() != 0 || map_code() != 0)
        return 1;
    if (open_to_write() == 0 || mkdir("/tmp/usher-reader", 0700) == 0)
        return 2;
    pid = fork();
    if (pid == 0)
        _exit(have_catalogue());
    return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : 3;
}

static void the_reader_reads_asks_and_starts_a_poorer_catalogue(void **state)
{
    struct trial trial = { .kind = SANDBOX_READER, .fn = have_reader };

    (void)state;
    need_landlock(1);
    expect(&trial, 0);
}

static pid_t parent;

static int die_with_parent(void)
{
    int signal = 0;

    if (spawn_die_with_parent(parent) == -1 || prctl(PR_GET_PDEATHSIG, &signal) == -1)
        return 1;
    return signal == SIGKILL ? 0 : 2;
}

static int lose_the_signal(void)
{
    int signal = -1;

    /* cred_become() has run since: if this kernel kept it, the order would not matter. */
    return prctl(PR_GET_PDEATHSIG, &signal) == 0 && signal == 0 ? 0 : 1;
}

/* 4.2: a change of id wipes it, so it is set afterwards; and the reader's filter lets it
 * be. */
static void the_parent_death_signal_is_set_after_the_ids(void **state)
{
    struct trial sets = { .kind = SANDBOX_READER, .fn = die_with_parent };
    struct trial loses = { .kind = SANDBOX_READER, .fn = lose_the_signal };

    (void)state;
    need_filter();
    if (!probe.can_change) {
        print_message("only root can become somebody else\n");
        skip();
    }
    parent = getpid();
    expect(&sets, 0);
    assert_int_equal(prctl(PR_SET_PDEATHSIG, SIGTERM), 0);
    expect(&loses, 0);
    assert_int_equal(prctl(PR_SET_PDEATHSIG, 0), 0);
}

/* ---- places ------------------------------------------------------------------------ */

static int look_around(void)
{
    struct stat root;

    /* fstat() of an empty path is all that is left of stat(). */
    return stat("/etc", &root) == -1 && mkdir("/x", 0700) == -1 ? 0 : 1;
}

static bool says(const char *text, const char *what)
{
    if (strstr(text, what) != NULL)
        return true;
    print_message("no \"%s\" in \"%s\"\n", what, text);
    return false;
}

static char *shared_text(void)
{
    char *text =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    assert_ptr_not_equal(text, MAP_FAILED);
    return text;
}

static void what_it_says_is_what_the_kernel_says(void **state)
{
    char *text = shared_text(), landlock[32];
    struct trial plugin = { .kind = SANDBOX_PLUGIN, .fn = look_around, .text = text };

    (void)state;
    need_filter();
    expect(&plugin, 0);
    snprintf(landlock, sizeof(landlock), "landlock=%d ", probe.landlock);
    assert_true(says(text, " caps=none "));
    assert_true(says(text, " nnp=yes seccomp=allow "));
    assert_true(probe.landlock == 0 || says(text, landlock));
    assert_true(says(text, "needs=none"));
    if (probe.can_change)
        assert_true(says(text, "uid=54321 gid=54321 groups=none caps=none bounds=none "));
    assert_true(says(text, probe.has_root ? " root=empty " : " root=real "));
    assert_true(says(text, probe.has_net ? " net=own " : " net=shared "));
    plugin.needs = USHER_NEEDS_PASSWD | USHER_NEEDS_CONNECT;
    plugin.fn = open_file;
    expect(&plugin, 0);
    assert_true(says(text, " root=real net=shared needs=passwd,connect"));
    assert_null(strstr(text, "RELAXED"));
    munmap(text, 4096);
}

static int tell_zone(void)
{
    time_t winter = 1768478400; /* 2026-01-15 12:00:00 UTC */
    struct tm parts;

    if (localtime_r(&winter, &parts) == NULL || parts.tm_hour != 13)
        return 1;
    if (localtime(&winter)->tm_hour != 13) /* the one that looks at the file again */
        return 2;
    return 0;
}

static void the_zone_is_loaded_before_the_doors_close(void **state)
{
    struct trial trial = { .kind = SANDBOX_PLUGIN, .fn = tell_zone };

    (void)state;
    if (access("/usr/share/zoneinfo/Europe/Berlin", R_OK) == -1)
        skip();
    assert_int_equal(setenv("TZ", "Europe/Berlin", 1), 0);
    expect(&trial, 0);
    assert_int_equal(unsetenv("TZ"), 0);
}

static int unwind(void)
{
    void *frames[8];

    return backtrace(frames, 8) > 1 ? 0 : 1;
}

static void libgcc_is_loaded_before_the_doors_close(void **state)
{
    struct trial trial = { .kind = SANDBOX_PLUGIN, .fn = unwind };

    (void)state;
    expect(&trial, 0);
}

static int write_core_or_file(void)
{
    struct rlimit core, file;

    if (getrlimit(RLIMIT_CORE, &core) == -1 || getrlimit(RLIMIT_FSIZE, &file) == -1)
        return 1;
    return core.rlim_max == 0 && file.rlim_max == 0 ? 0 : 2;
}

static void limits_are_hard_where_no_child_has_its_own(void **state)
{
    struct trial trial = { .kind = SANDBOX_PLUGIN, .fn = write_core_or_file };
    struct trial forks = { .kind = SANDBOX_PLUGIN,
                           .has_children = true,
                           .fn = write_core_or_file };
    struct rlimit core;

    (void)state;
    need_filter();
    assert_int_equal(getrlimit(RLIMIT_CORE, &core), 0);
    expect(&trial, 0);
    if (core.rlim_max != 0)
        expect(&forks, 2);
}

/* ---- the late chroot --------------------------------------------------------------- */

static void the_empty_root_can_never_be_filled(void **state)
{
    (void)state;
    if (!probe.has_root) {
        print_message("no right to change the root directory\n");
        skip();
    }
    assert_int_equal(mkdirat(probe.empty_root, "x", 0700), -1);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(openat(probe.empty_root, "x", O_CREAT | O_WRONLY, 0600), -1);
    assert_int_equal(errno, ENOENT);
}

static int helper_dies_with_us(void)
{
    struct cred cred = { .uid = SOMEBODY, .gid = SOMEBODY };
    struct jail jail = JAIL_EMPTY;
    struct err err = ERR_EMPTY;
    char line[64], path[64];
    FILE *status;
    static const char *const facts[] = { "CapPrm:\t0000000000040000\n",
                                         "CapEff:\t0000000000040000\n",
                                         "CapInh:\t0000000000000000\n",
                                         "CapBnd:\t0000000000000000\n",
                                         "NoNewPrivs:\t1\n" };
    size_t found = 0;

    if (jail_start(&jail, probe.empty_root, &cred, &err) == -1)
        return 1;
    snprintf(path, sizeof(path), "/proc/%d/status", (int)jail.pid);
    status = fopen(path, "re");
    while (status != NULL && fgets(line, sizeof(line), status) != NULL)
        for (size_t i = 0; i < ARRAY_LEN(facts); i++)
            found += strcmp(line, facts[i]) == 0;
    if (status != NULL)
        fclose(status);
    jail_close(&jail); /* returns only when it has ended, without a word from us */
    if (found != ARRAY_LEN(facts) || access("/etc", F_OK) == -1)
        return 2;
    if (jail_start(&jail, probe.empty_root, &cred, &err) == -1 ||
        kill(jail.pid, SIGKILL) == -1)
        return 3;
    return jail_enter(&jail, &err) == -1 && access("/etc", F_OK) == 0 ? 0 : 4;
}

static void the_helper_has_one_capability_and_no_life_of_its_own(void **state)
{
    int status;
    pid_t pid;

    (void)state;
    if (!probe.has_root)
        skip();
    pid = fork();
    if (pid == 0)
        _exit(helper_dies_with_us());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static char state_of(pid_t pid)
{
    char path[64], text[512] = "";
    const char *end;
    int fd;

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd == -1 || read(fd, text, sizeof(text) - 1) < 1)
        fail_msg("%s: %s", path, strerror(errno));
    close(fd);
    end = strrchr(text, ')');
    return end != NULL ? end[2] : '?';
}

static void wait_for_state(pid_t pid, char state)
{
    for (int i = 0; i < 10000 && state_of(pid) != state; i++)
        usleep(1000);
    assert_int_equal(state_of(pid), state);
}

/* Its helper stands still until somebody who is told lets it go on. */
static int enter_slowly(int tell)
{
    struct cred cred = { .uid = SOMEBODY, .gid = SOMEBODY };
    struct jail jail = JAIL_EMPTY;
    struct err err = ERR_EMPTY;

    if (jail_start(&jail, probe.empty_root, &cred, &err) == -1 ||
        kill(jail.pid, SIGSTOP) == -1)
        return 1;
    if (write(tell, &jail.pid, sizeof(jail.pid)) != sizeof(jail.pid))
        return 2;
    close(tell);
    return jail_enter(&jail, &err) == -1 ? 3 : 0;
}

static void a_pause_while_it_waits_for_the_helper_is_no_end_of_it(void **state)
{
    int pipe_fds[2], status;
    pid_t pid, helper;

    (void)state;
    if (!probe.has_root)
        skip();
    assert_int_equal(pipe(pipe_fds), 0);
    pid = fork();
    if (pid == 0)
        _exit(enter_slowly(pipe_fds[1]));
    close(pipe_fds[1]);
    assert_int_equal(read(pipe_fds[0], &helper, sizeof(helper)), sizeof(helper));
    close(pipe_fds[0]);
    wait_for_state(helper, 'T');
    wait_for_state(pid, 'S');
    assert_int_equal(kill(pid, SIGSTOP), 0);
    assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
    assert_true(WIFSTOPPED(status));
    assert_int_equal(kill(pid, SIGCONT), 0);
    wait_for_state(pid, 'S');
    assert_int_equal(kill(helper, SIGCONT), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

/* ---- the master -------------------------------------------------------------------- */

static int keep_two(void)
{
    static const unsigned kept[] = { CAP_SETUID, CAP_KILL };
    struct err err = ERR_EMPTY;

    if (cred_keep(kept, 2, &err) == -1)
        return 1;
    if (!cred_has(CAP_SETUID) || !cred_has(CAP_KILL) || cred_has(CAP_SYS_ADMIN) ||
        cred_has(CAP_SYS_CHROOT))
        return 2;
    return prctl(PR_CAPBSET_READ, CAP_SYS_CHROOT, 0, 0, 0) == 1 ? 0 : 3;
}

static void the_master_keeps_what_it_lists(void **state)
{
    int status;
    pid_t pid;

    (void)state;
    if (!probe.can_change)
        skip();
    pid = fork();
    if (pid == 0)
        _exit(keep_two());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static int probe_as_somebody(void)
{
    struct probe own = PROBE_EMPTY;
    struct err err = ERR_EMPTY;

    if (probe.can_change && (setresgid(SOMEBODY, SOMEBODY, SOMEBODY) == -1 ||
                             setresuid(SOMEBODY, SOMEBODY, SOMEBODY) == -1))
        return 1;
    errno = 0; /* nothing has failed before */
    if (probe_open(&own, &err) == -1)
        return 2;
    return !own.has_net && own.why[PROBE_NET] == EPERM && !own.has_root ? 0 : 3;
}

static void an_ordinary_user_lacks_places_and_goes_on(void **state)
{
    int status;
    pid_t pid = fork();

    (void)state;
    if (pid == 0)
        _exit(probe_as_somebody());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

/* What the witness counts. */
static void each_kind_has_its_number_of_filters(void **state)
{
    struct probe rich = { .has_seccomp = true }, poor = PROBE_EMPTY;

    (void)state;
    assert_int_equal(sandbox_filters(&rich, false, false), 2);
    assert_int_equal(sandbox_filters(&rich, true, false), 1);
    assert_int_equal(sandbox_filters(&rich, true, true), 0);
    assert_int_equal(sandbox_filters(&poor, false, false), 0);
    assert_int_equal(sandbox_filters(&poor, true, false), 0);
}

static void what_is_lacking_is_listed(void **state)
{
    static const char *const names[PROBE_PARTS] = { "no_new_privs", "seccomp", "Landlock",
                                                    "network-namespaces", "chroot" };
    struct probe poor = PROBE_EMPTY, rich = { 7, true, true, true, true, true, 3, { 0 } };
    char text[160];

    (void)state;
    assert_null(probe_lack(&poor, PROBE_NET)); /* an ordinary user has it nowhere */
    assert_null(probe_lack(&poor, PROBE_ROOT));
    poor.can_change = true;
    for (enum probe_part part = 0; part < PROBE_PARTS; part++) {
        assert_string_equal(probe_lack(&poor, part), names[part]);
        assert_null(probe_lack(&rich, part));
    }
    assert_string_equal(probe_print(&rich, text, sizeof(text)),
                        "landlock=7 seccomp=yes nnp=yes net=yes root=yes ids=yes");
}

static int open_probe(void **state)
{
    struct err err = ERR_EMPTY;

    (void)state;
    return probe_open(&probe, &err);
}

static int close_probe(void **state)
{
    (void)state;
    probe_close(&probe);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_need_adds_its_calls_and_no_more),
        cmocka_unit_test(a_forking_plugin_signals_nobody_else),
        cmocka_unit_test(hostile_calls_end_a_plugin_and_fail_in_a_program),
        cmocka_unit_test(the_fence_holds_while_plugins_open),
        cmocka_unit_test(no_process_hides_behind_another_while_plugins_open),
        cmocka_unit_test(who_serves_gets_no_orphans),
        cmocka_unit_test(programs_of_other_kinds_go_on_and_may_no_more),
        cmocka_unit_test(who_calls_by_other_numbers_ends_whole),
        cmocka_unit_test(programs_go_on_as_ever),
        cmocka_unit_test(the_reader_reads_asks_and_starts_a_poorer_catalogue),
        cmocka_unit_test(the_parent_death_signal_is_set_after_the_ids),
        cmocka_unit_test(what_it_says_is_what_the_kernel_says),
        cmocka_unit_test(the_zone_is_loaded_before_the_doors_close),
        cmocka_unit_test(libgcc_is_loaded_before_the_doors_close),
        cmocka_unit_test(limits_are_hard_where_no_child_has_its_own),
        cmocka_unit_test(the_empty_root_can_never_be_filled),
        cmocka_unit_test(the_helper_has_one_capability_and_no_life_of_its_own),
        cmocka_unit_test(a_pause_while_it_waits_for_the_helper_is_no_end_of_it),
        cmocka_unit_test(the_master_keeps_what_it_lists),
        cmocka_unit_test(an_ordinary_user_lacks_places_and_goes_on),
        cmocka_unit_test(each_kind_has_its_number_of_filters),
        cmocka_unit_test(what_is_lacking_is_listed),
    };

    return cmocka_run_group_tests(tests, open_probe, close_probe);
}
