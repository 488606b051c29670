/*
 * Preloaded (LD_PRELOAD), it lets the wall clock jump ten times a second, an hour or ten
 * years to and fro. The monotonic clock is left alone. Unlike faketime it needs no file
 * while it runs, which a sandbox would refuse, and shortens no wait.
 */
#include <dlfcn.h>
#include <stdint.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

#define HOUR 3600
#define TEN_YEARS (10 * 365 * 24 * HOUR)
#define STEP_NS 100000000

typedef int get_fn(clockid_t clock, struct timespec *now);

/* Not a cast: C has none from a pointer to data to one to a function. */
static get_fn *real(void)
{
    static get_fn *found;
    void *symbol;

    if (found == NULL) {
        symbol = dlsym(RTLD_NEXT, "clock_gettime");
        memcpy(&found, &symbol, sizeof(found));
    }
    return found;
}

static time_t jump(void)
{
    static const time_t jumps[] = {
        0, HOUR, -HOUR, TEN_YEARS, 0, -TEN_YEARS, HOUR, -HOUR
    };
    struct timespec now;

    real()(CLOCK_MONOTONIC, &now);
    return jumps[(now.tv_sec * 10 + now.tv_nsec / STEP_NS) % 8];
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int result = real()(clock, now);

    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += jump();
    return result;
}

time_t time(time_t *out)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    if (out != NULL)
        *out = now.tv_sec;
    return now.tv_sec;
}

int gettimeofday(struct timeval *restrict out, void *restrict zone)
{
    struct timespec now;

    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    out->tv_sec = now.tv_sec;
    out->tv_usec = (suseconds_t)(now.tv_nsec / 1000);
    return 0;
}
