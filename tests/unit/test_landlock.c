/* What Landlock alone refuses: nothing else is closed in these children, so that each
 * right that is left out shows. What the kernel at hand is too old for is left out. */
#include "proc/landlock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"

/* A folder with "file", "empty/" and nothing else, and sockets that listen. */
static struct world {
    char folder[32];
    int abstract, tcp;
    struct sockaddr_un abstract_name;
    struct sockaddr_in tcp_name;
    pid_t sibling;
} w;

/* ---- what a child tries: errno, or 0 ----------------------------------------------- */

static int code_of(long result)
{
    return result == -1 ? errno : 0;
}

static int try_execute(void)
{
    char *const argv[] = { (char[]){ "true" }, NULL };

    return code_of(execv("/bin/true", argv));
}

static int try_read(void)
{
    return code_of(open("file", O_RDONLY | O_CLOEXEC));
}

static int try_list(void)
{
    return code_of(open("empty", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

static int try_write(void)
{
    return code_of(open("file", O_WRONLY | O_CLOEXEC));
}

static int try_fill(void)
{
    return code_of(open("/dev/null", O_RDWR | O_CLOEXEC));
}

static int try_truncate(void)
{
    return code_of(truncate("file", 0));
}

static int try_make_file(void)
{
    return code_of(open("new", O_RDONLY | O_CREAT | O_CLOEXEC, 0600));
}

static int try_make_folder(void)
{
    return code_of(mkdir("new", 0700));
}

static int try_make_fifo(void)
{
    return code_of(mkfifo("new", 0600));
}

static int try_make_socket(void)
{
    return code_of(mknod("new", S_IFSOCK | 0600, 0));
}

static int try_make_link(void)
{
    return code_of(symlink("file", "new"));
}

static int try_move(void)
{
    return code_of(rename("file", "empty/file")) != 0 ? EACCES : 0; /* or EXDEV */
}

static int try_remove_file(void)
{
    return code_of(unlink("file"));
}

static int try_remove_folder(void)
{
    return code_of(rmdir("empty"));
}

/* No terminal: the kernel would say so. */
static int try_device(void)
{
    struct termios unused;
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    return fd == -1 ? 90 : code_of(ioctl(fd, TCGETS, &unused));
}

static int open_socket(int family)
{
    return socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static int try_bind(void)
{
    struct sockaddr_in at = { .sin_family = AF_INET,
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

    return code_of(bind(open_socket(AF_INET), (struct sockaddr *)&at, sizeof(at)));
}

static int try_connect(void)
{
    return code_of(connect(open_socket(AF_INET), (struct sockaddr *)&w.tcp_name,
                           sizeof(w.tcp_name)));
}

static int try_abstract(void)
{
    return code_of(connect(open_socket(AF_UNIX), (struct sockaddr *)&w.abstract_name,
                           offsetof(struct sockaddr_un, sun_path) + 16));
}

static int try_signal(void)
{
    return code_of(kill(w.sibling, 0));
}

/* ---- the world --------------------------------------------------------------------- */

static int listen_at(int family, void *name, socklen_t length)
{
    int fd = open_socket(family);

    assert_int_not_equal(fd, -1);
    assert_int_equal(bind(fd, name, length), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, name, &length), 0);
    return fd;
}

static int open_world(void **state)
{
    int fd;

    (void)state;
    snprintf(w.folder, sizeof(w.folder), "/tmp/usher-landlock-XXXXXX");
    if (mkdtemp(w.folder) == NULL || chdir(w.folder) == -1 || mkdir("empty", 0700) == -1)
        return -1;
    fd = open("file", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    close(fd);
    w.abstract_name.sun_family = AF_UNIX;
    snprintf(w.abstract_name.sun_path + 1, 16, "usher-ll-%06d", (int)getpid());
    w.abstract = listen_at(AF_UNIX, &w.abstract_name,
                           offsetof(struct sockaddr_un, sun_path) + 16);
    w.tcp_name = (struct sockaddr_in){ .sin_family = AF_INET,
                                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    w.tcp = listen_at(AF_INET, &w.tcp_name, sizeof(w.tcp_name));
    w.sibling = fork();
    if (w.sibling == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            pause();
    }
    return w.sibling == -1 ? -1 : 0;
}

static int close_world(void **state)
{
    (void)state;
    kill(w.sibling, SIGKILL);
    waitpid(w.sibling, NULL, 0);
    close(w.abstract);
    close(w.tcp);
    unlink("file");
    unlink("new");
    rmdir("new");
    rmdir("empty");
    return chdir("/") == -1 ? -1 : rmdir(w.folder);
}

/* ---- tests ------------------------------------------------------------------------- */

struct deed {
    const char *name;
    int (*fn)(void);
    int abi; /* from which on it can be refused */
    int code;
};

static int live(const struct landlock_rights *rights, const struct deed *deed)
{
    struct err err = ERR_EMPTY;

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1 ||
        landlock_close(landlock_abi(), rights, &err) == -1)
        return 91;
    return deed->fn();
}

static void expect(const struct landlock_rights *rights, const struct deed *deed)
{
    int status;
    pid_t pid;

    if (landlock_abi() < deed->abi) {
        print_message("%s: the kernel's Landlock is too old\n", deed->name);
        return;
    }
    pid = fork();
    assert_int_not_equal(pid, -1);
    if (pid == 0)
        _exit(live(rights, deed));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != deed->code)
        fail_msg("%s: status %#x, wanted errno %d", deed->name, (unsigned)status,
                 deed->code);
}

static void expect_all(const struct landlock_rights *rights, const struct deed *deeds,
                       size_t count)
{
    if (landlock_abi() < 1) {
        print_message("the kernel has no Landlock\n");
        skip();
    }
    for (size_t i = 0; i < count; i++)
        expect(rights, &deeds[i]);
}

static void nothing_is_left(void **state)
{
    static const struct landlock_rights none = { .may_read = false };
    static const struct deed deeds[] = {
        { "read", try_read, 1, EACCES },         { "list", try_list, 1, EACCES },
        { "write", try_write, 1, EACCES },       { "fill", try_fill, 1, EACCES },
        { "connect", try_connect, 4, EACCES },   { "bind", try_bind, 4, EACCES },
        { "abstract", try_abstract, 6, EPERM },  { "signal", try_signal, 6, EPERM },
    };

    (void)state;
    expect_all(&none, deeds, ARRAY_LEN(deeds));
}

static void who_reads_changes_nothing(void **state)
{
    static const struct landlock_rights reads = { .may_read = true };
    static const struct deed deeds[] = {
        { "read", try_read, 1, 0 },
        { "list", try_list, 1, 0 },
        { "execute", try_execute, 1, EACCES },
        { "write", try_write, 1, EACCES },
        { "fill", try_fill, 1, EACCES },
        { "make a file", try_make_file, 1, EACCES },
        { "make a folder", try_make_folder, 1, EACCES },
        { "make a FIFO", try_make_fifo, 1, EACCES },
        { "make a socket", try_make_socket, 1, EACCES },
        { "make a link", try_make_link, 1, EACCES },
        { "move", try_move, 1, EACCES },
        { "remove a file", try_remove_file, 1, EACCES },
        { "remove a folder", try_remove_folder, 1, EACCES },
        { "truncate", try_truncate, 3, EACCES },
        { "use a device", try_device, 5, EACCES },
    };

    (void)state;
    expect_all(&reads, deeds, ARRAY_LEN(deeds));
}

static void each_right_opens_its_own_door(void **state)
{
    static const struct landlock_rights fills = { .may_fill = true },
                                        connects = { .may_connect = true },
                                        abstracts = { .may_abstract = true };
    static const struct deed with_fill[] = { { "fill", try_fill, 1, 0 },
                                             { "read", try_read, 1, EACCES },
                                             { "write", try_write, 1, EACCES } };
    static const struct deed with_connect[] = { { "connect", try_connect, 4, 0 },
                                                { "bind", try_bind, 4, EACCES },
                                                { "abstract", try_abstract, 6, EPERM } };
    static const struct deed with_abstract[] = { { "abstract", try_abstract, 6, 0 },
                                                 { "connect", try_connect, 4, EACCES },
                                                 { "signal", try_signal, 6, EPERM } };

    (void)state;
    expect_all(&fills, with_fill, ARRAY_LEN(with_fill));
    expect_all(&connects, with_connect, ARRAY_LEN(with_connect));
    expect_all(&abstracts, with_abstract, ARRAY_LEN(with_abstract));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_left),
        cmocka_unit_test(who_reads_changes_nothing),
        cmocka_unit_test(each_right_opens_its_own_door),
    };

    return cmocka_run_group_tests(tests, open_world, close_world);
}
