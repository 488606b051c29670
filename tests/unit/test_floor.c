#include "flow/floor.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/mem.h"

#define FIRST 3
#define MOST 40

/* Numbers are a process's own: each test has one, with nothing but its standard
 * streams. */
static void in_child(int (*fn)(void))
{
    int status;
    pid_t pid = fork();

    assert_int_not_equal(pid, -1);
    if (pid == 0) {
        struct err err = ERR_EMPTY;

        _exit(fd_close_all_but(NULL, 0, &err) == -1 ? 99 : fn());
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* A file of its own under that number. */
static ino_t place(int number)
{
    char path[] = "/tmp/usher-floor-XXXXXX";
    int fd = mkostemp(path, O_CLOEXEC);
    struct stat st = { 0 };

    unlink(path);
    fstat(fd, &st);
    if (fd != number) {
        dup3(fd, number, O_CLOEXEC);
        close(fd);
    }
    return st.st_ino;
}

static ino_t file_of(int fd)
{
    struct stat st = { 0 };

    return fstat(fd, &st) == 0 ? st.st_ino : 0;
}

struct layout {
    int numbers[8]; /* 0: the end; -1: none */
    int floor;
};

static const struct layout *layout;

/* Each holder's file is still his, at the numbers from 3 up, close-on-exec, and nothing
 * else is open. */
static int check_layout(void)
{
    int held[8] = { 0 }, *holders[8] = { 0 }, open_count = 0;
    ino_t files[8] = { 0 };
    struct err err = ERR_EMPTY;
    size_t count = 0;

    for (; layout->numbers[count] != 0; count++) {
        held[count] = layout->numbers[count];
        holders[count] = &held[count];
        if (held[count] != -1 && file_of(held[count]) == 0)
            place(held[count]);
    }
    for (size_t i = 0; i < count; i++)
        files[i] = file_of(held[i]);
    if (floor_make(holders, count, &err) != layout->floor)
        return 1;
    for (size_t i = 0; i < count; i++)
        if (file_of(held[i]) != files[i] || held[i] >= layout->floor)
            return 2;
    for (int fd = FIRST; fd < MOST; fd++)
        if (fcntl(fd, F_GETFD) != -1) {
            open_count++;
            if ((fcntl(fd, F_GETFD) & FD_CLOEXEC) == 0)
                return 3;
        }
    return open_count == layout->floor - FIRST ? 0 : 4;
}

static void every_layout_is_gathered(void **state)
{
    static const struct layout layouts[] = {
        { { 3, 4, 5 }, 6 },           { { 5, 4, 3 }, 6 },       { { 30 }, 4 },
        { { 4, 3, 30, 20 }, 7 },      { { 30, 3, 4 }, 6 },      { { -1, 9, -1, 7 }, 5 },
        { { 8, 8, 6, 8 }, 5 },        { { 3, 3, 4, 4 }, 5 },    { { 4, 4, 3 }, 5 },
        { { -1, -1 }, 3 },            { { 6, 5, 4, 3, 10, 11, 12 }, 10 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(layouts); i++) {
        layout = &layouts[i];
        in_child(check_layout);
    }
}

static int fill(void)
{
    int fd;

    place(3);
    place(6);
    floor_fill(10);
    for (fd = FIRST; fd < 10; fd++)
        if ((fcntl(fd, F_GETFD) & FD_CLOEXEC) == 0)
            return 1;
    fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return fd == 10 ? 0 : 2;
}

static void a_closed_number_below_the_floor_is_not_given_again(void **state)
{
    (void)state;
    in_child(fill);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_layout_is_gathered),
        cmocka_unit_test(a_closed_number_below_the_floor_is_not_given_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
