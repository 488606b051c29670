#include "base/clock.h"

#include <time.h>

static int64_t faked_ms = -1;

static struct timespec now(void)
{
    struct timespec time;

    /* Cannot fail: the clock exists on every Linux, and the pointer is good. */
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time;
}

int64_t clock_ms(void)
{
    struct timespec time;

    if (faked_ms >= 0)
        return faked_ms;
    time = now();
    return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

int64_t clock_us(void)
{
    struct timespec time;

    if (faked_ms >= 0)
        return faked_ms * 1000;
    time = now();
    return (int64_t)time.tv_sec * 1000000 + time.tv_nsec / 1000;
}

void clock_fake(int64_t ms)
{
    faked_ms = ms;
}
