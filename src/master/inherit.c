#include "master/inherit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"

#define LISTEN_FDS_START 3
#define LISTEN_FDS_MAX 4096

static void name_inherited(struct inherit *inherit, const char *names)
{
    for (size_t i = 0; i < inherit->count; i++) {
        size_t length = names == NULL ? 0 : strcspn(names, ":");

        inherit->at[i].name =
            length == 0 ? mem_text("unknown") : mem_bytes(names, length);
        if (names != NULL)
            names += length + (names[length] == ':');
    }
}

/* sd_listen_fds(3): the variables count only when they are meant for this process. */
int inherit_open(struct inherit *inherit, struct err *err)
{
    const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
    int64_t number, whose;

    if (pid != NULL && count != NULL && str_to_int(pid, 1, INT32_MAX, &whose) == 0
        && whose == getpid()) {
        if (str_to_int(count, 0, LISTEN_FDS_MAX, &number) == -1)
            return err_set(err, "LISTEN_FDS: \"%s\" is not a number of descriptors",
                           count);
        for (int fd = LISTEN_FDS_START; fd < LISTEN_FDS_START + (int)number; fd++) {
            if (fcntl(fd, F_SETFD, FD_CLOEXEC) == -1)
                return err_sys(err, "LISTEN_FDS: descriptor %d", fd);
            MEM_PUSH(inherit->at, inherit->count)->fd = fd;
        }
        name_inherited(inherit, getenv("LISTEN_FDNAMES"));
    }
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    return 0;
}

void inherit_close(struct inherit *inherit)
{
    for (size_t i = 0; i < inherit->count; i++) {
        fd_close(&inherit->at[i].fd);
        mem_free(&inherit->at[i].name);
    }
    mem_free(&inherit->at);
    inherit->count = 0;
}

int inherit_find(const struct inherit *inherit, const char *name)
{
    for (size_t i = 0; i < inherit->count; i++)
        if (strcmp(inherit->at[i].name, name) == 0)
            return inherit->at[i].fd;
    return -1;
}
