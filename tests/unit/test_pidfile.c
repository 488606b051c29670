#include "master/pidfile.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/mem.h"

static char folder[] = "/tmp/test_pidfileXXXXXX";
static char path[64];

static int make_folder(void **state)
{
    (void)state;
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(path, sizeof(path), "%s/pid", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

static void write_file(const char *text)
{
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void assert_content(const char *want)
{
    char text[64] = "";
    FILE *file = fopen(path, "re");

    assert_non_null(file);
    assert_true(fread(text, 1, sizeof(text) - 1, file) > 0);
    fclose(file);
    assert_string_equal(text, want);
}

static void f8_it_holds_our_pid_and_goes_when_closed(void **state)
{
    struct pidfile file = PIDFILE_EMPTY;
    struct err err = ERR_EMPTY;
    char want[24];

    (void)state;
    snprintf(want, sizeof(want), "%ld\n", (long)getpid());
    write_file("12345678901234567890 of a daemon that is dead\n");
    assert_int_equal(pidfile_open(&file, path, &err), 0);
    assert_content(want);
    assert_true(fcntl(file.fd, F_GETFD) & FD_CLOEXEC);
    pidfile_close(&file);
    assert_int_equal(access(path, F_OK), -1);
    pidfile_close(&file);
}

/* flock() belongs to the open file: a second one is another usherd even in one
 * process. */
static void the_second_one_is_refused_and_changes_nothing(void **state)
{
    struct pidfile first = PIDFILE_EMPTY, second = PIDFILE_EMPTY;
    struct err err = ERR_EMPTY;
    char want[128], content[24];

    (void)state;
    snprintf(want, sizeof(want), "%s: locked, another usherd runs", path);
    snprintf(content, sizeof(content), "%ld\n", (long)getpid());
    assert_int_equal(pidfile_open(&first, path, &err), 0);
    assert_int_equal(pidfile_open(&second, path, &err), -1);
    assert_string_equal(err.text, want);
    pidfile_close(&second);
    assert_content(content);
    pidfile_close(&first);
}

static void make_link(void)
{
    assert_int_equal(symlink("/dev/null", path), 0);
}

static void make_fifo(void)
{
    assert_int_equal(mkfifo(path, 0600), 0);
}

static void make_directory(void)
{
    assert_int_equal(mkdir(path, 0700), 0);
}

static const struct {
    void (*make)(void);
    const char *want; /* how the message ends */
} wrong[] = {
    { make_link, "Too many levels of symbolic links" },
    { make_fifo, "No such device or address" },
    { make_directory, "Is a directory" },
};

static void f9_what_is_no_file_stays_as_it_is(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        struct pidfile file = PIDFILE_EMPTY;
        struct err err = ERR_EMPTY;
        struct stat st;

        wrong[i].make();
        assert_int_equal(pidfile_open(&file, path, &err), -1);
        assert_non_null(strstr(err.text, wrong[i].want));
        pidfile_close(&file);
        assert_int_equal(lstat(path, &st), 0);
        assert_int_equal(remove(path), 0);
    }
}

static void a_fifo_that_somebody_reads_is_refused_too(void **state)
{
    struct pidfile file = PIDFILE_EMPTY;
    struct err err = ERR_EMPTY;
    int reader;

    (void)state;
    make_fifo();
    reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    assert_int_not_equal(reader, -1);
    assert_int_equal(pidfile_open(&file, path, &err), -1);
    assert_non_null(strstr(err.text, "is not a regular file"));
    fd_close(&reader);
    assert_int_equal(unlink(path), 0);
}

/* In a child, which may fill no file: as on a disk that is full. */
static void what_cannot_be_written_is_not_left_behind(void **state)
{
    int status;
    pid_t pid = fork();

    (void)state;
    assert_int_not_equal(pid, -1);
    if (pid == 0) {
        struct rlimit none = { 0, 0 };
        struct pidfile file = PIDFILE_EMPTY;
        struct err err = ERR_EMPTY;

        signal(SIGXFSZ, SIG_IGN);
        if (setrlimit(RLIMIT_FSIZE, &none) == -1)
            _exit(1);
        _exit(pidfile_open(&file, path, &err) == -1 && file.fd == -1 ? 0 : 2);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(access(path, F_OK), -1);
}

static void it_leaves_what_another_made_in_its_place(void **state)
{
    struct pidfile file = PIDFILE_EMPTY, other = PIDFILE_EMPTY;
    struct err err = ERR_EMPTY;

    (void)state;
    assert_int_equal(pidfile_open(&file, path, &err), 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(pidfile_open(&other, path, &err), 0);
    pidfile_close(&file);
    assert_int_equal(access(path, F_OK), 0);
    pidfile_close(&other);
    assert_int_equal(access(path, F_OK), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(f8_it_holds_our_pid_and_goes_when_closed),
        cmocka_unit_test(the_second_one_is_refused_and_changes_nothing),
        cmocka_unit_test(f9_what_is_no_file_stays_as_it_is),
        cmocka_unit_test(a_fifo_that_somebody_reads_is_refused_too),
        cmocka_unit_test(what_cannot_be_written_is_not_left_behind),
        cmocka_unit_test(it_leaves_what_another_made_in_its_place),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
