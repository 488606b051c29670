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

static const char *compare(const char *status, const struct witness *witness)
{
    if (!has_id(status, "Uid", witness->uid))
        return "its user";
    if (!has_id(status, "Gid", witness->gid))
        return "its group";
    if (witness->is_poor && has_capabilities(status))
        return "its capabilities";
    if (witness->is_final && !has_mode(status, "NoNewPrivs", 1))
        return "its no_new_privs";
    if (witness->is_filtered && !has_mode(status, "Seccomp", 2))
        return "its filter";
    return NULL;
}

int witness_check(pid_t pid, const struct witness *witness, struct err *err)
{
    char path[40], status[STATUS_TEXT];
    const char *what;
    ssize_t got;
    int fd;

    snprintf(path, sizeof(path), "/proc/%ld/status", (long)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    got = fd == -1 ? -1 : read(fd, status, sizeof(status) - 1);
    fd_close(&fd);
    if (got <= 0)
        return 0;
    status[got] = '\0';
    what = compare(status, witness);
    return what == NULL ? 0 : err_set(err, "it said ready, and %s is not what it must be", what);
}
