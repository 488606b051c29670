/* Descriptors: one owner, close-on-exec, and nothing left behind. */
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/descriptors.h"

#include "base/mem.h"

#define FDS 256 /* the tests stay below */

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) != -1;
}

static int open_null(void)
{
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

    assert_true(fd > 2);
    return fd;
}

/* The exit code of a child that does this: 0 good, else the place that was wrong. */
static int in_child(int (*does)(void))
{
    int status;
    pid_t child = fork();

    assert_int_not_equal(child, -1);
    if (child == 0)
        _exit(does());
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void closing_leaves_minus_one_and_errno(void **state)
{
    int fd = open_null(), number = fd;

    (void)state;
    errno = EPIPE;
    fd_close(&fd);
    assert_int_equal(fd, -1);
    assert_false(is_open(number));
    errno = EPIPE;
    fd_close(&fd);
    assert_int_equal(fd, -1);
    fd = 200; /* not open: errno stays all the same */
    fd_close(&fd);
    assert_int_equal(errno, EPIPE);
}

static void nonblocking_is_turned_on_and_off(void **state)
{
    int fd = open_null();

    (void)state;
    assert_int_equal(fd_set_nonblock(fd, true), 0);
    assert_true((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
    assert_int_equal(fd_set_nonblock(fd, true), 0);
    assert_int_equal(fd_set_nonblock(fd, false), 0);
    assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
    assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDWR);
    fd_close(&fd);
    assert_int_equal(fd_set_nonblock(-1, true), -1);
    assert_int_equal(errno, EBADF);
}

static int fill_holes(void)
{
    static const unsigned char holes[] = { 0, 1, 2, 3, 4, 5, 6, 7 };

    for (size_t i = 0; i < sizeof holes; i++) {
        int before;

        for (int fd = 0; fd <= 2; fd++)
            if ((holes[i] & (1 << fd)) != 0)
                close(fd);
        before = is_open(3);
        if (fd_fill_standard(NULL) != 0 || is_open(3) != before)
            return 1;
        for (int fd = 0; fd <= 2; fd++)
            if (fcntl(fd, F_GETFD) != 0)
                return 2 + fd; /* open, and inherited */
    }
    return 0;
}

static void missing_standard_descriptors_are_filled(void **state)
{
    (void)state;
    assert_int_equal(in_child(fill_holes), 0);
}

static bool is_among(int fd, const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (fds[i] == fd)
            return true;
    return false;
}

static int close_some(int *keep, size_t count)
{
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

    for (int fd = 3; fd < 40; fd++)
        if (fd != null && dup2(null, fd) == -1)
            return 1;
    if (fd_close_all_but(keep, count, NULL) != 0)
        return 2;
    for (int fd = 0; fd < FDS; fd++)
        if (is_open(fd) != (fd <= 2 || is_among(fd, keep, count)))
            return 3;
    for (size_t i = 1; i < count; i++)
        if (keep[i - 1] > keep[i])
            return 4;
    return 0;
}

static int close_all(void)
{
    return close_some(NULL, 0);
}

static int close_but_unsorted(void)
{
    int keep[] = { 20, 3, 39, 5, 4 };

    return close_some(keep, ARRAY_LEN(keep));
}

static int close_but_odd(void)
{
    int keep[] = { 7, -1, 7, 1, 0, 7, 3, 2 };
    int result = close_some(keep, ARRAY_LEN(keep));

    return result;
}

static int close_but_last(void)
{
    int keep[] = { 39 };

    return close_some(keep, ARRAY_LEN(keep));
}

static void everything_but_the_kept_is_closed(void **state)
{
    (void)state;
    assert_int_equal(in_child(close_all), 0);
    assert_int_equal(in_child(close_but_unsorted), 0);
    assert_int_equal(in_child(close_but_odd), 0);
    assert_int_equal(in_child(close_but_last), 0);
}

static void a_pair_is_ready_for_the_loop(void **state)
{
    struct err err = ERR_EMPTY;
    int pair[2];

    (void)state;
    assert_int_equal(fd_pair(pair, &err), 0);
    for (int i = 0; i < 2; i++) {
        int type = 0;
        socklen_t length = sizeof type;

        assert_int_equal(fcntl(pair[i], F_GETFD), FD_CLOEXEC);
        assert_true((fcntl(pair[i], F_GETFL) & O_NONBLOCK) != 0);
        assert_int_equal(getsockopt(pair[i], SOL_SOCKET, SO_TYPE, &type, &length), 0);
        assert_int_equal(type, SOCK_SEQPACKET);
    }
    fd_close(&pair[0]);
    fd_close(&pair[1]);
}

static int pair_without_room(void)
{
    struct err err = ERR_EMPTY;
    int pair[2];

    while (open("/dev/null", O_RDONLY | O_CLOEXEC) != -1)
        ;
    if (fd_pair(pair, &err) != -1 || pair[0] != -1 || pair[1] != -1)
        return 1;
    if (strcmp(err.text, "socketpair: Too many open files") != 0 || err.code != EMFILE)
        return 2;
    return fd_fill_standard(&err) == 0 ? 0 : 3;
}

static void a_full_table_is_an_error(void **state)
{
    (void)state;
    assert_int_equal(in_child(pair_without_room), 0);
}

/* More than a socket takes at once, through a non-blocking one, so that waiting is
 * seen. */
static void writing_goes_on_until_all_is_written(void **state)
{
    enum { ALL = 1 << 20 };
    char *bytes = mem_new(ALL);
    int pair[2], status;
    size_t got = 0;
    pid_t child;

    (void)state;
    for (size_t i = 0; i < ALL; i++)
        bytes[i] = (char)(i * 7 % 251);
    assert_int_equal(
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
    child = fork();
    assert_int_not_equal(child, -1);
    if (child == 0)
        _exit(fd_write_all(pair[1], bytes, ALL) == 0 ? 0 : 1);
    fd_close(&pair[1]);
    assert_int_equal(fd_set_nonblock(pair[0], false), 0);
    for (;;) {
        char some[4096];
        ssize_t count = read(pair[0], some, sizeof some);

        assert_int_not_equal(count, -1);
        if (count == 0)
            break;
        assert_memory_equal(some, bytes + got, (size_t)count);
        got += (size_t)count;
    }
    assert_int_equal(got, ALL);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    fd_close(&pair[0]);
    mem_free(&bytes);
}

static void writing_reaches_a_file_or_fails(void **state)
{
    int fd = memfd_create("test", MFD_CLOEXEC);
    char back[8] = "";

    (void)state;
    assert_int_equal(fd_write_all(fd, "abc", 3), 0);
    assert_int_equal(fd_write_all(fd, "", 0), 0);
    assert_int_equal(pread(fd, back, sizeof back, 0), 3);
    assert_string_equal(back, "abc");
    fd_close(&fd);
    fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    assert_int_equal(fd_write_all(fd, "abc", 3), -1);
    assert_int_equal(errno, ENOSPC);
    fd_close(&fd);
    assert_int_equal(fd_write_all(-1, "abc", 3), -1);
    assert_int_equal(errno, EBADF);
}

#define COUNTED(name) cmocka_unit_test_setup_teardown(name, descriptors_at_start,        \
                                                              descriptors_at_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        COUNTED(closing_leaves_minus_one_and_errno),
        COUNTED(nonblocking_is_turned_on_and_off),
        COUNTED(missing_standard_descriptors_are_filled),
        COUNTED(everything_but_the_kept_is_closed),
        COUNTED(a_pair_is_ready_for_the_loop),
        COUNTED(writing_goes_on_until_all_is_written),
        COUNTED(writing_reaches_a_file_or_fails),
        COUNTED(a_full_table_is_an_error), /* last: may be left out */
    };
    size_t count = ARRAY_LEN(tests);

    if (!descriptors_have_a_limit()) {
        print_message("# left out: the limit of descriptors is not kept here\n");
        count--;
    }
    return _cmocka_run_group_tests("tests", tests, count, NULL, NULL);
}
