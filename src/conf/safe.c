#include "conf/safe.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"

#define LINKS_MAX 8

const char *safe_fault(const struct stat *st)
{
    if (st->st_uid != 0)
        return "does not belong to root";
    return (st->st_mode & (S_IWGRP | S_IWOTH)) != 0 ? "may be written by others" : NULL;
}

static int check_kind(mode_t mode, mode_t kind, struct err *err)
{
    if ((mode & S_IFMT) == kind)
        return 0;
    if (S_ISDIR(mode))
        return err_set(err, "is a directory");
    if (kind == S_IFDIR)
        return err_set(err, "is not a directory");
    if (S_ISFIFO(mode))
        return err_set(err, "is a FIFO");
    if (S_ISCHR(mode) || S_ISBLK(mode))
        return err_set(err, "is a device");
    if (S_ISLNK(mode))
        return err_set(err, "is a symbolic link");
    return err_set(err, "is a socket");
}

/* Opens name in the folder at, and makes sure that it is the kind that stat() saw: a FIFO
 * that takes its place in between is opened without waiting, and refused. */
static int open_kind(int at, const char *name, mode_t kind, int more_flags,
                     struct err *err)
{
    int flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | more_flags, fd;
    struct stat st;

    if (fstatat(at, name, &st, (more_flags & O_NOFOLLOW) != 0 ? AT_SYMLINK_NOFOLLOW : 0)
        == -1)
        return err_sys(err, "cannot be opened");
    if (check_kind(st.st_mode, kind, err) == -1)
        return -1;
    fd = openat(at, name, flags);
    if (fd == -1)
        return err_sys(err, "cannot be opened");
    if (fstat(fd, &st) == -1 || check_kind(st.st_mode, kind, err) == -1) {
        fd_close(&fd);
        return -1;
    }
    return fd;
}

/* ---- root's way: each folder is looked at ---------------------------------------- */

struct walk {
    int at;              /* the folder we are in */
    char rest[PATH_MAX]; /* what is still to go */
    struct str seen;     /* where we are, for messages */
    char seen_bytes[PATH_MAX];
    unsigned links;
};

static int walk_start(struct walk *walk, struct err *err)
{
    fd_close(&walk->at);
    str_init(&walk->seen, walk->seen_bytes, sizeof(walk->seen_bytes));
    walk->at = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    return walk->at == -1 ? err_sys(err, "cannot be opened") : 0;
}

/* Puts text and a slash before what is still to go. */
static int walk_put(struct walk *walk, const char *text, struct err *err)
{
    char *joined = mem_print("%s/%s", text, walk->rest);
    bool fits = str_copy(walk->rest, sizeof(walk->rest), joined);

    mem_free(&joined);
    if (!fits) {
        errno = ENAMETOOLONG;
        return err_sys(err, "cannot be opened");
    }
    return text[0] == '/' ? walk_start(walk, err) : 0;
}

/* The next name; "" at the end. */
static void walk_name(struct walk *walk, char *name, size_t room)
{
    const char *from = walk->rest + strspn(walk->rest, "/");
    size_t count = strcspn(from, "/");
    struct str out;

    str_init(&out, name, room);
    str_add_bytes(&out, from, count);
    memmove(walk->rest, from + count, strlen(from + count) + 1);
}

static bool is_last(const struct walk *walk)
{
    return walk->rest[strspn(walk->rest, "/")] == '\0';
}

static int walk_link(struct walk *walk, const char *name, struct err *err)
{
    char target[PATH_MAX];
    ssize_t count = readlinkat(walk->at, name, target, sizeof(target) - 1);

    if (count == -1)
        return err_sys(err, "cannot be opened");
    target[count] = '\0';
    if (++walk->links > LINKS_MAX) {
        errno = ELOOP;
        return err_sys(err, "cannot be opened");
    }
    return walk_put(walk, target, err);
}

/* In a sticky folder of root's (/tmp) nobody can put something else in the place of what
 * is root's; the file's own folder must still be root's alone, since new files in it
 * would count. */
static bool is_sticky(const struct walk *walk, const struct stat *st)
{
    const char *rest = walk->rest + strspn(walk->rest, "/");

    return st->st_uid == 0 && (st->st_mode & S_ISVTX) != 0 && strchr(rest, '/') != NULL;
}

static int walk_into(struct walk *walk, const char *name, const struct stat *st,
                     struct err *err)
{
    const char *fault = is_sticky(walk, st) ? NULL : safe_fault(st);
    int fd;

    if (fault != NULL)
        return err_set(
            err, "the folder %s/%s %s; usherd, run by root, reads what is root's alone",
            walk->seen.at, name, fault);
    fd = openat(walk->at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd == -1)
        return err_sys(err, "cannot be opened");
    fd_close(&walk->at);
    walk->at = fd;
    str_add(&walk->seen, "/%s", name);
    return 0;
}

static int walk_last(struct walk *walk, const char *name, mode_t kind, struct err *err)
{
    struct stat st;
    const char *fault;
    int fd = open_kind(walk->at, name, kind, O_NOFOLLOW, err);

    if (fd == -1)
        return -1;
    fault = fstat(fd, &st) == -1 ? "cannot be looked at" : safe_fault(&st);
    if (fault == NULL)
        return fd;
    fd_close(&fd);
    return err_set(err, "%s; usherd, run by root, reads what is root's alone", fault);
}

/* One step: 0 go on, 1 arrived with *fd_out, -1. */
static int walk_step(struct walk *walk, mode_t kind, int *fd_out, struct err *err)
{
    char name[NAME_MAX + 2]; /* what is cut is still too long */
    struct stat st;

    walk_name(walk, name, sizeof(name));
    if (name[0] == '\0')
        str_copy(name, sizeof(name), ".");
    if (fstatat(walk->at, name, &st, AT_SYMLINK_NOFOLLOW) == -1)
        return err_sys(err, "cannot be opened");
    if (S_ISLNK(st.st_mode))
        return st.st_uid == 0 ? walk_link(walk, name, err)
                              : err_set(err, "the link %s/%s does not belong to root",
                                        walk->seen.at, name);
    if (!is_last(walk))
        return walk_into(walk, name, &st, err);
    *fd_out = walk_last(walk, name, kind, err);
    return *fd_out == -1 ? -1 : 1;
}

static int open_strictly(const char *path, mode_t kind, struct err *err)
{
    struct walk walk = { .at = -1 };
    char here[PATH_MAX] = "/";
    int fd = -1, step;

    if (path[0] != '/' && getcwd(here, sizeof(here)) == NULL)
        return err_sys(err, "cannot be opened");
    str_copy(walk.rest, sizeof(walk.rest), path);
    /* What was cut does not fit with more before it. */
    step = walk_put(&walk, here, err);
    while (step == 0)
        step = walk_step(&walk, kind, &fd, err);
    fd_close(&walk.at);
    return step == -1 ? -1 : fd;
}

int safe_open(const char *path, mode_t kind, bool is_strict, struct err *err)
{
    if (is_strict && geteuid() == 0)
        return open_strictly(path, kind, err);
    return open_kind(AT_FDCWD, path, kind, 0, err);
}
