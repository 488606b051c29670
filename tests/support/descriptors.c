#include "support/descriptors.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "base/fd.h"

#define MOST 1024 /* the tests stay below */

static int at_start;

int descriptors_count(void)
{
    int count = 0;

    for (int fd = 0; fd < MOST; fd++)
        count += fcntl(fd, F_GETFD) != -1;
    return count;
}

int descriptors_at_start(void **state)
{
    (void)state;
    at_start = descriptors_count();
    return 0;
}

int descriptors_at_end(void **state)
{
    (void)state;
    return descriptors_count() == at_start ? 0 : -1;
}

void no_descriptor_is_left(void **state)
{
    (void)state;
    assert_int_equal(descriptors_count(), at_start);
}

bool descriptors_have_a_limit(void)
{
    struct rlimit all, few;
    int probe[2];
    bool is_kept;

    if (getrlimit(RLIMIT_NOFILE, &all) == -1)
        return false;
    few = all;
    few.rlim_cur = 0;
    if (setrlimit(RLIMIT_NOFILE, &few) == -1)
        return false;
    is_kept = fd_pair(probe, NULL) == -1;
    if (!is_kept) {
        fd_close(&probe[0]);
        fd_close(&probe[1]);
    }
    return setrlimit(RLIMIT_NOFILE, &all) == 0 && is_kept;
}
