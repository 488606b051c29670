#include "plug/catalogue.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"

#if defined(__SANITIZE_ADDRESS__)
#define WITH_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_SANITIZER 1
#endif
#endif
#ifndef WITH_SANITIZER
#define WITH_SANITIZER 0
#endif

/* `above` is what the hard limit leaves over the soft one: a process that goes beyond the
 * soft limit of processor time gets SIGXCPU, whose name then says why it ended. */
static int set_limit(int resource, rlim_t soft, rlim_t above, struct err *err)
{
    struct rlimit limit;

    if (prlimit(0, (enum __rlimit_resource)resource, NULL, &limit) == -1)
        return err_sys(err, "getrlimit");
    if (limit.rlim_max == RLIM_INFINITY || limit.rlim_max > soft + above)
        limit.rlim_max = soft + above;
    limit.rlim_cur = limit.rlim_max < soft ? limit.rlim_max : soft;
    return prlimit(0, (enum __rlimit_resource)resource, &limit, NULL) == -1
               ? err_sys(err, "setrlimit")
               : 0;
}

/* Bytes mapped now, or 0 where /proc does not say: an absolute limit would count
 * valgrind's or a large parent's as ours. */
static uint64_t mapped_now(void)
{
    char text[64] = "";
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    ssize_t got = fd != -1 ? read(fd, text, sizeof(text) - 1) : -1;
    int64_t pages = 0;

    fd_close(&fd);
    text[got > 0 ? strcspn(text, " ") : 0] = '\0';
    /* No page is larger than 64k, so the product fits. */
    if (str_to_int(text, 0, INT64_MAX / 65536, &pages) == -1)
        return 0;
    return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static int limit_memory(uint64_t memory, struct err *err)
{
    uint64_t now = mapped_now();

    return now != 0 ? set_limit(RLIMIT_AS, now + memory, 0, err) : 0;
}

static int silence(struct err *err)
{
    for (int fd = 0; fd < (WITH_SANITIZER ? 2 : 3); fd++)
        close(fd);
    return fd_fill_standard(err);
}

int catalogue_bound_self(unsigned cpu_sec, uint64_t memory, struct err *err)
{
    sigset_t none;

    sigemptyset(&none);
    if (sigprocmask(SIG_SETMASK, &none, NULL) == -1)
        return err_sys(err, "sigprocmask");
    if (silence(err) == -1 || set_limit(RLIMIT_CORE, 0, 0, err) == -1 ||
        set_limit(RLIMIT_CPU, cpu_sec, 1, err) == -1)
        return -1;
    return WITH_SANITIZER ? 0 : limit_memory(memory, err);
}
