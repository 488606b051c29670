#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "path.h"
#include "types.h"

/* A FIFO or a device must not hold us up: it is refused once it is known as one. */
#define FLAGS (O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)

/* Where the kernel has no openat2(): segment by segment, and no link at all is
 * followed. */
static int open_by_segments(int root, const char *path)
{
    int folder = root, fd = -1;

    for (;;) {
        size_t length = strcspn(path, "/");
        int flags = path[length] == '/' ? O_PATH | O_DIRECTORY | O_CLOEXEC : FLAGS;
        char name[HTTP_PATH_MAX];

        if (length >= sizeof(name) || (length == 2 && path[0] == '.' && path[1] == '.'))
            fd = -1, errno = ENOENT; /* ".." would leave the folder */
        else {
            memcpy(name, path, length);
            name[length] = '\0';
            fd = openat(folder, length > 0 ? name : ".", flags | O_NOFOLLOW);
        }
        if (folder != root)
            close(folder);
        if (fd == -1 || path[length] == '\0')
            return fd;
        folder = fd;
        path += length + 1;
    }
}

/* Links are followed as long as they stay below the folder. */
static int open_beneath(int root, const char *path)
{
    struct open_how how = { .flags = FLAGS,
                            .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS };
    int fd =
        (int)syscall(SYS_openat2, root, path[0] != '\0' ? path : ".", &how, sizeof(how));

    if (fd == -1 && (errno == ENOSYS || errno == EPERM))
        return open_by_segments(root, path);
    return fd;
}

static enum file_result explain(int code)
{
    switch (code) {
    case EACCES:
    case EPERM:
    case ENXIO: /* a socket */
    case ENODEV:
        return FILE_DENIED;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case EAGAIN:
        return FILE_BUSY;
    default:
        return FILE_MISSING;
    }
}

/* A file of the future changes now: a client must not hear of a time that is not there
 * yet (RFC 9110, 8.8.2.1). */
static time_t until_now(time_t at)
{
    time_t now = time(NULL);

    return at < now ? at : now;
}

static enum file_result look(int fd, const char *name, struct file *out)
{
    struct stat st;

    if (fstat(fd, &st) == -1 || (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)))
        return FILE_DENIED;
    if (S_ISDIR(st.st_mode))
        return FILE_IS_FOLDER;
    out->fd = fd;
    out->size = (uint64_t)st.st_size;
    out->changed = until_now(st.st_mtim.tv_sec);
    out->type = http_type(name);
    return FILE_FOUND;
}

static enum file_result open_one(int root, const char *path, struct file *out)
{
    int fd = open_beneath(root, path);
    enum file_result result;

    if (fd == -1)
        return explain(errno);
    result = look(fd, path, out);
    if (result != FILE_FOUND)
        close(fd);
    return result;
}

enum file_result file_open(int root, const char *path, const char *index,
                           struct file *out)
{
    size_t length = strlen(path);
    char whole[2 * HTTP_PATH_MAX];
    enum file_result result;

    if (length > 0 && path[length - 1] != '/')
        return open_one(root, path, out);
    if (snprintf(whole, sizeof(whole), "%s%s", path, index) >= (int)sizeof(whole))
        return FILE_MISSING;
    result = open_one(root, whole, out);
    if (result == FILE_IS_FOLDER)
        return FILE_DENIED;
    /* The folder is there, but nothing speaks for it; nobody gets a list of what it
     * holds. */
    if (result == FILE_MISSING && open_one(root, path, out) == FILE_IS_FOLDER)
        return FILE_DENIED;
    return result;
}
