#include "proc/witness.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"

#define STATUS_TEXT 8192

/* Behind "\nNAME:", or "". */
static const char *find(const char *status, const char *name)
{
    char start[32];
    const char *at;

    snprintf(start, sizeof(start), "\n%s:", name);
    at = strstr(status, start);
    return at == NULL ? "" : at + strlen(start);
}

/* Real, effective, saved, and that of the file system. */
static bool has_id(const char *status, const char *name, unsigned long wanted)
{
    char *at = (char *)(uintptr_t)find(status, name), *end;

    for (int i = 0; i < 4; i++, at = end)
        if (strtoul(at, &end, 10) != wanted || end == at)
            return false;
    return true;
}

static bool has_capabilities(const char *status)
{
    static const char *const sets[] = { "CapInh", "CapPrm", "CapEff", "CapAmb" };

    for (size_t i = 0; i < ARRAY_LEN(sets); i++)
        if (strtoull(find(status, sets[i]), NULL, 16) != 0)
            return true;
    return false;
}

static bool has_mode(const char *status, const char *name, unsigned long wanted)
{
    return strtoul(find(status, name), NULL, 10) == wanted;
}

/* Kernels before 5.10 say whether there are any, and not how many. */
static bool has_filters(const char *status, const char *own, unsigned wanted)
{
    const char *count = find(status, "Seccomp_filters");

    if (*count == '\0' && wanted > 0)
        return has_mode(status, "Seccomp", 2);
    return strtoul(count, NULL, 10) >=
           strtoul(find(own, "Seccomp_filters"), NULL, 10) + wanted;
}

static const char *compare(const char *status, const char *own,
                           const struct witness *witness)
{
    if (!has_id(status, "Uid", witness->uid))
        return "its user";
    if (!has_id(status, "Gid", witness->gid))
        return "its group";
    if (witness->is_poor && has_capabilities(status))
        return "its capabilities";
    if (witness->is_final && !has_mode(status, "NoNewPrivs", 1))
        return "its no_new_privs";
    if (!has_filters(status, own, witness->filters))
        return "its filter";
    return NULL;
}

/* false: nothing is shown. */
static bool read_status(const char *process, char status[STATUS_TEXT])
{
    char path[40];
    ssize_t got;
    int fd;

    snprintf(path, sizeof(path), "/proc/%s/status", process);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    got = fd == -1 ? -1 : read(fd, status, STATUS_TEXT - 1);
    fd_close(&fd);
    status[got > 0 ? got : 0] = '\0';
    return got > 0;
}

int witness_check(pid_t pid, const struct witness *witness, struct err *err)
{
    char process[24], status[STATUS_TEXT], own[STATUS_TEXT];
    const char *what;

    snprintf(process, sizeof(process), "%ld", (long)pid);
    /* no reason not to serve */
    if (!read_status(process, status) || !read_status("self", own))
        return 0;
    what = compare(status, own, witness);
    return what == NULL
               ? 0
               : err_set(err, "it said ready, and %s is not what it must be", what);
}
