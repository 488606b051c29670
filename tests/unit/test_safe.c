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
    {"inner/./up", S_IFREG, ""},
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
            if ((strict == 0 || geteuid() != 0) && i == 1)
                continue; /* for the system it is just a long way to write "." */
            assert_int_equal(safe_open(path, S_IFREG, strict == 1, &err), -1);
            assert_string_equal(err.text, "cannot be opened: File name too long");
        }
}

/* The longest that the system knows are opened strictly, too. */
static void long_names_and_ways_are_what_they_are(void **state)
{
    char name[NAME_MAX + 3], way[PATH_MAX - 512];

    (void)state;
    memset(name, 'n', sizeof(name));
    memset(way, '/', sizeof(way));
    name[NAME_MAX] = '\0';
    memcpy(way, "inner", 5);
    memcpy(way + sizeof(way) - 3, "up", 3);
    assert_int_equal(rename("file", name), 0);
    assert_int_equal(symlink(name, "file"), 0);
    assert_int_equal(symlink(way, "long"), 0);
    for (size_t strict = 0; strict < 2; strict++) {
        struct err err = ERR_EMPTY;
        int fd = safe_open("long", S_IFREG, strict == 1, &err);

        assert_int_not_equal(fd, -1);
        close(fd);
        name[NAME_MAX] = 'n';
        for (size_t count = NAME_MAX + 1; count < sizeof(name); count++) {
            name[count] = '\0';
            assert_int_equal(safe_open(name, S_IFREG, strict == 1, &err), -1);
            assert_string_equal(err.text, "cannot be opened: File name too long");
            name[count] = 'n';
        }
        name[NAME_MAX] = '\0';
    }
    assert_int_equal(unlink("long") | unlink("file") | rename(name, "file"), 0);
}

/* chain0 is the file, chain1 a link to it, and so on. */
static void root_follows_eight_links(void **state)
{
    struct err err = ERR_EMPTY;
    char name[] = "chain0", last[] = "chain0";
    int fd;

    (void)state;
    if (geteuid() != 0)
        skip();
    assert_int_equal(link("file", name), 0);
    for (int i = 1; i <= 9; i++, last[5]++) {
        name[5]++;
        assert_int_equal(symlink(last, name), 0);
    }
    assert_int_equal(safe_open("chain9", S_IFREG, true, &err), -1);
    assert_string_equal(err.text, "cannot be opened: Too many levels of symbolic links");
    fd = safe_open("chain8", S_IFREG, true, &err);
    assert_int_not_equal(fd, -1);
    close(fd);
    for (name[5] = '0'; name[5] <= '9'; name[5]++)
        assert_int_equal(unlink(name), 0);
}

/* ---- what takes its place between the look and the opening ------------------------- */

static const char *place, *instead; /* the second takes the place of the first */
static int looks_left;

int __real_fstatat(int at, const char *name, struct stat *st, int flags);
int __wrap_fstatat(int at, const char *name, struct stat *st, int flags);

int __wrap_fstatat(int at, const char *name, struct stat *st, int flags)
{
    int result = __real_fstatat(at, name, st, flags);

    if (place != NULL && strcmp(name, place) == 0 && --looks_left == 0)
        assert_int_equal(rename(place, "away") | rename(instead, place), 0);
    return result;
}

static void what_takes_a_files_place_is_not_opened(void **state)
{
    static const struct {
        const char *place, *instead;
        int looks; /* before it does */
        mode_t kind;
        bool is_strict;
        const char *path, *want;
    } swaps[] = {
        {"file", "fifo", 1, S_IFREG, false, "file", "is a FIFO"},
        {"file", "fifo", 1, S_IFREG, true, "file", "is a FIFO"},
        {"file", "fifo", 2, S_IFREG, true, "file", "is a FIFO"},
        {"file", "up", 1, S_IFREG, true, "file", "is a symbolic link"},
        {"file", "up", 2, S_IFREG, true, "file",
         "cannot be opened: Too many levels of symbolic links"},
        {"inner", "far", 1, S_IFREG, true, "inner/up",
         "cannot be opened: Not a directory"},
    };

    (void)state;
    assert_int_equal(rename("inner/up", "up"), 0);
    assert_int_equal(symlink("../file", "inner/up"), 0);
    for (size_t i = 0; i < ARRAY_LEN(swaps); i++) {
        struct err err = ERR_EMPTY;
        int fd;

        if (swaps[i].is_strict && geteuid() != 0)
            continue;
        place = swaps[i].place;
        instead = swaps[i].instead;
        looks_left = swaps[i].looks;
        alarm(60); /* for who opens a FIFO and waits */
        fd = safe_open(swaps[i].path, swaps[i].kind, swaps[i].is_strict, &err);
        alarm(0);
        place = NULL;
        if (looks_left > 0) {
            print_message("this C library looks at files in another way\n");
            break;
        }
        assert_int_equal(rename(swaps[i].place, swaps[i].instead), 0);
        assert_int_equal(rename("away", swaps[i].place), 0);
        assert_int_equal(fd, -1);
        assert_string_equal(err.text, swaps[i].want);
    }
    assert_int_equal(unlink("up"), 0);
}

/* ---- whose it is ------------------------------------------------------------------- */

/* want "": opened; else what is said after the folder's name. */
static void tries(const char *path, const char *want)
{
    struct err err = ERR_EMPTY;
    int fd = safe_open(path, S_IFREG, true, &err);

    if ((fd == -1) != (want[0] != '\0') || strstr(err.text, want) == NULL)
        fail_msg("%s: \"%s\", not \"%s\"", path, err.text, want);
    if (fd != -1)
        close(fd);
}

/* As /tmp: who may write there takes nothing away. */
static void root_passes_a_sticky_folder_of_its_own(void **state)
{
    char said[128], path[96];

    (void)state;
    if (geteuid() != 0)
        skip();
    snprintf(path, sizeof(path), "%s/shared/deep/file", folder);
    snprintf(said, sizeof(said), "the folder %s/shared may be written by others;",
             folder);
    assert_int_equal(mkdir("shared/deep", 0700), 0);
    assert_int_equal(link("file", "shared/file") | link("file", "shared/deep/file"), 0);
    assert_int_equal(symlink(path, "absolute"), 0);
    tries("shared/deep/file", said);
    tries("absolute", said); /* named once, and from the root */
    assert_int_equal(chmod("shared", 01777), 0);
    tries("shared/deep/file", "");
    tries("absolute", "");
    tries("shared/file", said); /* the file's own folder must be root's alone */
    tries("shared//file", said);
    tries("shared/./file", "/shared/. may be written by others;");
    tries("shared/deep/../file", "/shared/deep/.. may be written by others;");
    assert_int_equal(chown("shared", 4242, 4242), 0);
    assert_int_equal(chmod("shared", 01755), 0);
    tries("shared/deep/file", "/shared does not belong to root;");
    assert_int_equal(chown("shared", 0, 0) | chmod("shared", 0777), 0);
    assert_int_equal(unlink("absolute") | unlink("shared/file"), 0);
    assert_int_equal(unlink("shared/deep/file") | rmdir("shared/deep"), 0);
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
        cmocka_unit_test(long_names_and_ways_are_what_they_are),
        cmocka_unit_test(root_follows_eight_links),
        cmocka_unit_test(what_takes_a_files_place_is_not_opened),
        cmocka_unit_test(root_passes_a_sticky_folder_of_its_own),
        cmocka_unit_test(root_goes_through_its_own_folders_alone),
    };

    return cmocka_run_group_tests(tests, make_all, remove_all);
}
