/* What is opened for the table, and what is refused in which words. */
#include "conf/safe.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"

static char folder[] = "/tmp/usher-safe-XXXXXX";

static void make_socket(const char *path)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    strncpy(addr.sun_path, path, sizeof(addr.sun_path) - 1);
    assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    close(fd);
}

/* All of what the cases name, in the folder, which is the current one. */
static int make_all(void **state)
{
    int fd;

    (void)state;
    if (mkdtemp(folder) == NULL || chdir(folder) == -1)
        return -1;
    fd = open("file", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    close(fd);
    make_socket("socket");
    return mkfifo("fifo", 0600) | mkdir("inner", 0700) | mkdir("shared", 0700) |
           chmod("shared", 0777) | symlink("file", "link") |
           symlink("../file", "inner/up") | symlink("loop", "loop") |
           symlink("/", "top") | symlink("inner", "far") | symlink("nowhere", "broken");
}

static int remove_all(void **state)
{
    static const char *const names[] = {"file",     "socket", "fifo",  "link",
                                        "inner/up", "loop",   "top",   "far",
                                        "broken",   "inner",  "shared"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        remove(names[i]);
    return chdir("/") | rmdir(folder);
}

static const struct {
    const char *path;
    mode_t kind;
    const char *want; /* "" when it is opened */
} cases[] = {
    {"file", S_IFREG, ""},
    {"./file", S_IFREG, ""},
    {"inner/../file", S_IFREG, ""},
    {"inner//up", S_IFREG, ""},
    {"link", S_IFREG, ""},
    {"far/up", S_IFREG, ""},
    {"top/dev/null", S_IFREG, "is a device"},
    {"inner", S_IFDIR, ""},
    {"inner/", S_IFDIR, ""},
    {"inner/.", S_IFDIR, ""},
    {".", S_IFDIR, ""},
    {"/", S_IFDIR, ""},
    {"far", S_IFDIR, ""},
    {"file", S_IFDIR, "is not a directory"},
    {"inner", S_IFREG, "is a directory"},
    {"fifo", S_IFREG, "is a FIFO"},
    {"socket", S_IFREG, "is a socket"},
    {"/dev/null", S_IFREG, "is a device"},
    {"missing", S_IFREG, "cannot be opened: No such file or directory"},
    {"missing/file", S_IFREG, "cannot be opened: No such file or directory"},
    {"broken", S_IFREG, "cannot be opened: No such file or directory"},
    {"file/more", S_IFREG, "cannot be opened: Not a directory"},
    {"loop", S_IFREG, "cannot be opened: Too many levels of symbolic links"},
};

/* fd -1: it must be so in these words. */
static void compare(size_t i, int fd, const struct err *err)
{
    struct stat st;

    if ((fd == -1) != (cases[i].want[0] != '\0') || strcmp(err->text, cases[i].want) != 0)
        fail_msg("%s: \"%s\", not \"%s\"", cases[i].path, err->text, cases[i].want);
    if (fd == -1)
        return;
    assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_mode & S_IFMT, cases[i].kind);
    close(fd);
}

static void only_what_was_asked_for_is_opened(void **state)
{
    (void)state;
    for (size_t strict = 0; strict < 2; strict++)
        for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
            struct err err = ERR_EMPTY;

            compare(i, safe_open(cases[i].path, cases[i].kind, strict == 1, &err), &err);
        }
}

static void a_path_that_is_too_long_is_refused(void **state)
{
    static const size_t lengths[] = {PATH_MAX + 8, PATH_MAX - 8};
    char path[PATH_MAX + 16];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++)
        for (size_t strict = 0; strict < 2; strict++) {
            struct err err = ERR_EMPTY;

            memset(path, '/', sizeof(path));
            memcpy(path, "./", 2);
            path[lengths[i]] = '\0';
            if (strict == 0 && i == 1)
                continue; /* for the system it is just a long way to write "." */
            assert_int_equal(safe_open(path, S_IFREG, strict == 1, &err), -1);
            assert_string_equal(err.text, "cannot be opened: File name too long");
        }
}

static void root_goes_through_its_own_folders_alone(void **state)
{
    struct err err = ERR_EMPTY;

    (void)state;
    if (geteuid() != 0)
        skip();
    assert_int_equal(safe_open("shared/file", S_IFREG, true, &err), -1);
    assert_non_null(strstr(err.text, "/shared may be written by others"));
    assert_int_equal(safe_open("shared", S_IFDIR, true, &err), -1);
    assert_non_null(strstr(err.text, "may be written by others"));
    assert_int_equal(lchown("link", 4242, 4242), 0);
    assert_int_equal(safe_open("link", S_IFREG, true, &err), -1);
    assert_non_null(strstr(err.text, "link does not belong to root"));
    assert_int_equal(chown("file", 4242, 4242), 0);
    assert_int_equal(safe_open("file", S_IFREG, true, &err), -1);
    assert_non_null(strstr(err.text, "does not belong to root"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_was_asked_for_is_opened),
        cmocka_unit_test(a_path_that_is_too_long_is_refused),
        cmocka_unit_test(root_goes_through_its_own_folders_alone),
    };

    return cmocka_run_group_tests(tests, make_all, remove_all);
}
