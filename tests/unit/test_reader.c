/*
 * What the reader does between the bytes and the plan is conf's affair and tested there:
 * here check_build() is replaced by one that behaves as each test wants, in the reader's
 * process.
 */
#include "master/reader.h"
#include "master/reader_result.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/descriptors.h"

#include "base/fd.h"
#include "base/mem.h"
#include "base/opt.h"
#include "conf/check.h"
#include "conf/keys.h"
#include "loop/sig.h"

/* ---- what the reader runs --------------------------------------------------------- */

static struct plan *(*behaviour)(struct mistakes *mistakes);
static const char *services_dir;

char *check_services_dir(const struct source *source, const struct check_input *input)
{
    (void)source;
    (void)input;
    return services_dir != NULL ? mem_text(services_dir) : NULL;
}

struct plan *check_build(const struct check_input *input, const struct source *source,
                         struct mistakes *mistakes)
{
    (void)input;
    (void)source;
    return behaviour(mistakes);
}

static struct plan *good(struct mistakes *mistakes)
{
    struct plan *plan = mem_new(sizeof(*plan));
    struct err err = ERR_EMPTY;

    (void)mistakes;
    plan->config = mem_text("/etc/usher/usher.conf");
    if (opt_preset(keys_global, &plan->globals, &err) == -1)
        mistake_add(mistakes, "test", 0, "%s", err.text);
    plan->globals.worker_count = 1;
    return plan;
}

static struct plan *good_but_unwise(struct mistakes *mistakes)
{
    mistake_warn(mistakes, "usher.conf", 7, "unwise");
    return good(mistakes);
}

static struct plan *wrong_twice(struct mistakes *mistakes)
{
    mistake_add(mistakes, "usher.conf", 3, "port: 70000 is above 65535");
    mistake_add(mistakes, "usher.conf", 4, "\x1b[31mred");
    return NULL;
}

static struct plan *out_of_memory(struct mistakes *mistakes)
{
    mistake_add(mistakes, "usher.conf", 3,
                "plugin: the catalogue: poll: Cannot allocate memory");
    mistakes->is_system = true;
    return NULL;
}

static struct plan *wrong_and_a_plan(struct mistakes *mistakes)
{
    mistake_add(mistakes, "usher.conf", 3, "no");
    return good(mistakes);
}

static struct plan *silent(struct mistakes *mistakes)
{
    (void)mistakes;
    return NULL;
}

static struct plan *killed(struct mistakes *mistakes)
{
    (void)mistakes;
    abort();
    return NULL;
}

static struct plan *ended(struct mistakes *mistakes)
{
    (void)mistakes;
    _exit(0);
}

static struct plan *failed(struct mistakes *mistakes)
{
    (void)mistakes;
    _exit(5);
}

static struct plan *hanging(struct mistakes *mistakes)
{
    (void)mistakes;
    while (pause() == -1)
        ;
    return NULL;
}

/* The result's pipe is the only descriptor above 2. */
static int result_pipe(void)
{
    struct stat at;

    for (int fd = 3; fd < 1024; fd++)
        if (fstat(fd, &at) == 0 && S_ISFIFO(at.st_mode))
            return fd;
    return -1;
}

static struct plan *writing(const char *text)
{
    fd_write_all(result_pipe(), text, strlen(text));
    _exit(0);
}

static struct plan *babbling(struct mistakes *mistakes)
{
    (void)mistakes;
    return writing("Hello!\nend\n");
}

static struct plan *half_a_plan(struct mistakes *mistakes)
{
    (void)mistakes;
    return writing("plan\nservice name=x\nend\n");
}

static struct plan *mistakes_and_more(struct mistakes *mistakes)
{
    (void)mistakes;
    return writing("mistake text=no\nplan\nend\n");
}

static struct plan *cut_off(struct mistakes *mistakes)
{
    (void)mistakes;
    return writing("mistake text=a\nmistake text=b\nen");
}

static struct plan *endless(struct mistakes *mistakes)
{
    static const char line[] = "mistake text=x\n";
    char lines[256 * (sizeof(line) - 1)]; /* a line at a time may take too long */

    (void)mistakes;
    for (size_t i = 0; i < sizeof(lines); i += sizeof(line) - 1)
        memcpy(lines + i, line, sizeof(line) - 1);
    for (;;)
        if (fd_write_all(result_pipe(), lines, sizeof(lines)) == -1)
            _exit(6);
}

static struct plan *telling(struct mistakes *mistakes)
{
    size_t count = 0;

    for (int fd = 0; fd < 1024; fd++)
        count += fcntl(fd, F_GETFD) != -1;
    mistake_add(mistakes, "me", 0, "%s fds=%zu nnp=%d session=%s",
                geteuid() == 0 ? "root" : "user", count,
                prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0),
                getsid(0) == getpid() ? "own" : "shared");
    return NULL;
}

static struct plan *wrong_often(struct mistakes *mistakes)
{
    for (unsigned i = 0; i < 5000; i++)
        *MEM_PUSH(mistakes->at, mistakes->count) = mem_text("again");
    return NULL;
}

/* ---- tests ------------------------------------------------------------------------ */

struct place {
    char dir[64], file[96];
};

static struct place place;

static int make_place(void **state)
{
    int fd;

    (void)state;
    /* Root's table must lie where nobody else may write, its parents included. */
    snprintf(place.dir, sizeof(place.dir), "%s/usher-reader-XXXXXX",
             geteuid() == 0 ? "/run" : "/tmp");
    if (mkdtemp(place.dir) == NULL)
        return -1;
    snprintf(place.file, sizeof(place.file), "%s/usher.conf", place.dir);
    fd = open(place.file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    fd_close(&fd);
    return 0;
}

static int remove_place(void **state)
{
    (void)state;
    unlink(place.file);
    return rmdir(place.dir);
}

static struct plan *read_now(struct plan *(*how)(struct mistakes *),
                             struct mistakes *mistakes)
{
    struct reader_input input = {.config = place.file,
                                 .timeout_ms = how == hanging ? 300 : 0};

    behaviour = how;
    *mistakes = (struct mistakes){0};
    return reader_run_now(&input, mistakes);
}

static void a_plan_comes_through(void **state)
{
    struct mistakes mistakes;
    struct plan *plan = read_now(good, &mistakes);

    (void)state;
    if (plan == NULL)
        fail_msg("%s", mistakes.at[0]);
    assert_int_equal(mistakes.count, 0);
    assert_string_equal(plan->config, "/etc/usher/usher.conf");
    assert_int_equal(plan->service_count, 0);
    plan_free(&plan);
    mistakes_free(&mistakes);
}

static void warnings_come_beside_a_plan(void **state)
{
    struct mistakes mistakes;
    struct plan *plan = read_now(good_but_unwise, &mistakes);

    (void)state;
    assert_non_null(plan);
    assert_int_equal(mistakes.count, 0);
    assert_int_equal(mistakes.warning_count, 1);
    assert_string_equal(mistakes.warnings[0], "usher.conf:7: unwise");
    plan_free(&plan);
    mistakes_free(&mistakes);
}

static void all_mistakes_come_printable(void **state)
{
    struct mistakes mistakes;

    (void)state;
    assert_null(read_now(wrong_twice, &mistakes));
    assert_int_equal(mistakes.count, 2);
    assert_string_equal(mistakes.at[0], "usher.conf:3: port: 70000 is above 65535");
    assert_string_equal(mistakes.at[1], "usher.conf:4: \\x1b[31mred");
    assert_false(mistakes.is_system);
    mistakes_free(&mistakes);
    assert_null(read_now(wrong_and_a_plan, &mistakes));
    assert_int_equal(mistakes.count, 1);
    mistakes_free(&mistakes);
    assert_null(read_now(wrong_often, &mistakes));
    assert_int_equal(mistakes.count, READER_REMARKS_MAX + 1);
    assert_string_equal(mistakes.at[READER_REMARKS_MAX], "and 4000 more");
    mistakes_free(&mistakes);
}

static void a_bad_end_is_one_mistake(void **state)
{
    static const struct {
        struct plan *(*how)(struct mistakes *mistakes);
        const char *want;
    } ends[] = {
        {killed, "the reader ended: signal=6 (Aborted)"},
        {failed, "the reader ended: exit=5"},
        {ended, "the reader: what it printed was cut off"},
        {cut_off, "the reader: what it printed was cut off"},
        {silent, "the reader: it printed nothing"},
        {babbling, "the reader: "},
        {half_a_plan, "the reader: "},
        {mistakes_and_more, "the reader: it printed mistakes and a plan"},
        {hanging, "the reader took longer than 300 ms"},
        {endless, "the reader printed more than 8388608 bytes"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        struct mistakes mistakes;

        assert_null(read_now(ends[i].how, &mistakes));
        assert_int_equal(mistakes.count, 1);
        assert_true(mistakes.is_system);
        if (strncmp(mistakes.at[0], ends[i].want, strlen(ends[i].want)) != 0)
            fail_msg("want \"%s\", got \"%s\"", ends[i].want, mistakes.at[0]);
        mistakes_free(&mistakes);
    }
}

static void what_the_system_refused_is_not_the_tables_fault(void **state)
{
    struct mistakes mistakes;

    (void)state;
    assert_null(read_now(out_of_memory, &mistakes));
    assert_int_equal(mistakes.count, 1);
    assert_non_null(strstr(mistakes.at[0], ": Cannot allocate memory"));
    assert_true(mistakes.is_system);
    mistakes_free(&mistakes);
}

static void it_holds_nothing_and_is_nobody(void **state)
{
    struct mistakes mistakes;

    (void)state;
    assert_null(read_now(telling, &mistakes));
    assert_int_equal(mistakes.count, 1);
    assert_string_equal(mistakes.at[0], "me: user fds=4 nnp=1 session=own");
    mistakes_free(&mistakes);
}

static void a_missing_table_is_a_mistake(void **state)
{
    struct mistakes mistakes;

    (void)state;
    unlink(place.file);
    assert_null(read_now(good, &mistakes));
    assert_int_equal(mistakes.count, 1);
    assert_non_null(strstr(mistakes.at[0], "usher.conf: "));
    mistakes_free(&mistakes);
}

/* A folder in the place of a file is what root cannot read either. */
static void a_file_that_cannot_be_read_hides_nothing(void **state)
{
    char rows[96], file[128];
    struct mistakes mistakes;

    (void)state;
    snprintf(rows, sizeof(rows), "%s/rows", place.dir);
    snprintf(file, sizeof(file), "%s/a.conf", rows);
    assert_int_equal(mkdir(rows, 0700), 0);
    assert_int_equal(mkdir(file, 0700), 0);
    services_dir = rows;
    assert_null(read_now(wrong_twice, &mistakes));
    services_dir = NULL;
    assert_int_equal(rmdir(file), 0);
    assert_int_equal(rmdir(rows), 0);
    assert_int_equal(mistakes.count, 3);
    assert_string_equal(mistakes.at[0], "rows/a.conf: is a directory");
    assert_string_equal(mistakes.at[1], "usher.conf:3: port: 70000 is above 65535");
    mistakes_free(&mistakes);
}

/* ---- in a loop -------------------------------------------------------------------- */

struct seen {
    struct loop loop;
    struct sig sig;
    int calls;
    bool has_plan;
};

static void count_call(struct plan *plan, const struct mistakes *mistakes, void *context)
{
    struct seen *seen = context;

    (void)mistakes;
    seen->calls++;
    seen->has_plan = plan != NULL;
    plan_free(&plan);
    sig_close(&seen->sig, &seen->loop); /* the loop ends when nothing is left to watch */
}

static void collect(const struct signalfd_siginfo *info, void *context)
{
    struct seen *seen = context;

    (void)info;
    reap_collect();
    if (seen->calls == -1)
        sig_close(&seen->sig, &seen->loop);
}

static void open_seen(struct seen *seen)
{
    static const int signals[] = { SIGCHLD, 0 };
    struct err err = ERR_EMPTY;

    memset(seen, 0, sizeof(*seen));
    assert_int_equal(loop_open(&seen->loop, LOOP_AUTO, &err), 0);
    assert_int_equal(sig_open(&seen->sig, &seen->loop, signals, collect, seen, &err), 0);
}

static void done_is_called_once_from_the_loop(void **state)
{
    struct reader_input input = { .config = place.file };
    struct err err = ERR_EMPTY;
    struct seen seen;

    (void)state;
    behaviour = good;
    open_seen(&seen);
    assert_non_null(reader_start(&input, &seen.loop, count_call, &seen, &err));
    assert_int_equal(seen.calls, 0);
    assert_int_equal(loop_run(&seen.loop, &err), 0);
    assert_int_equal(seen.calls, 1);
    assert_true(seen.has_plan);
    loop_close(&seen.loop);
}

static void a_cancelled_one_says_nothing(void **state)
{
    struct reader_input input = { .config = place.file };
    struct err err = ERR_EMPTY;
    struct reader *reader;
    struct seen seen;

    (void)state;
    behaviour = hanging;
    open_seen(&seen);
    reader = reader_start(&input, &seen.loop, count_call, &seen, &err);
    assert_non_null(reader);
    reader_cancel(&reader);
    assert_null(reader);
    reader_cancel(&reader);
    seen.calls = -1;
    assert_int_equal(loop_run(&seen.loop, &err), 0);
    assert_int_equal(seen.calls, -1);
    loop_close(&seen.loop);
}

/* Killed, and not to be waited for, as long as the other end of hold is open: its tracer
 * has the first word. 0: it is so; or why it cannot be had. */
static int trace(pid_t pid, int hold)
{
    int result = ptrace(PTRACE_SEIZE, pid, NULL, NULL) == -1 ? errno : 0;

    if (write(hold, &result, sizeof(result)) != sizeof(result) || result != 0)
        return 1;
    (void)!read(hold, &result, 1);
    return 0;
}

static pid_t only_child(void)
{
    char path[64], text[32] = "";
    int fd;

    snprintf(path, sizeof(path), "/proc/self/task/%ld/children", (long)getpid());
    fd = open(path, O_RDONLY | O_CLOEXEC);
    (void)!read(fd, text, sizeof(text) - 1);
    fd_close(&fd);
    return (pid_t)atoi(text);
}

static void who_does_not_end_when_killed_is_left_behind(void **state)
{
    struct reader_input input = { .config = place.file, .timeout_ms = 300 };
    struct err err = ERR_EMPTY;
    struct seen seen;
    int hold[2], why = 0;
    pid_t pid, tracer;

    (void)state;
    behaviour = hanging;
    open_seen(&seen);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, hold), 0);
    assert_non_null(reader_start(&input, &seen.loop, count_call, &seen, &err));
    pid = only_child();
    assert_int_not_equal(pid, 0);
    tracer = fork();
    if (tracer == 0) {
        fd_close(&hold[0]);
        _exit(trace(pid, hold[1]));
    }
    fd_close(&hold[1]);
    assert_int_equal(read(hold[0], &why, sizeof(why)), sizeof(why));
    alarm(30);
    assert_int_equal(loop_run(&seen.loop, &err), 0);
    alarm(0);
    fd_close(&hold[0]);
    loop_close(&seen.loop);
    while (waitpid(-1, NULL, 0) != -1)
        continue;
    assert_int_equal(seen.calls, 1);
    assert_false(seen.has_plan);
    if (why != 0)
        skip();
}

/* ---- what is left ----------------------------------------------------------------- */

static void nothing_is_left_behind(void **state)
{
    no_descriptor_is_left(state);
    assert_int_equal(reap_count(), 0);
    assert_int_equal(waitpid(-1, NULL, 0), -1);
    assert_int_equal(errno, ECHILD);
}

#define WITH_PLACE(test) cmocka_unit_test_setup_teardown(test, make_place, remove_place)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_PLACE(a_plan_comes_through),
        WITH_PLACE(warnings_come_beside_a_plan),
        WITH_PLACE(all_mistakes_come_printable),
        WITH_PLACE(a_bad_end_is_one_mistake),
        WITH_PLACE(what_the_system_refused_is_not_the_tables_fault),
        WITH_PLACE(it_holds_nothing_and_is_nobody),
        WITH_PLACE(a_missing_table_is_a_mistake),
        WITH_PLACE(a_file_that_cannot_be_read_hides_nothing),
        WITH_PLACE(done_is_called_once_from_the_loop),
        WITH_PLACE(a_cancelled_one_says_nothing),
        WITH_PLACE(who_does_not_end_when_killed_is_left_behind),
        cmocka_unit_test(nothing_is_left_behind),
    };

    return cmocka_run_group_tests(tests, descriptors_at_start, NULL);
}
