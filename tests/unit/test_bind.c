#include "sock/bind.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/descriptors.h"

#include "base/addr.h"
#include "base/fd.h"
#include "base/mem.h"

static char folder[] = "/tmp/test_bindXXXXXX";

static const struct bind_options plain = {
    .backlog = 16, .socket_mode = 0660, .socket_uid = (uid_t)-1, .socket_gid = (gid_t)-1};

static struct endpoint make(enum endpoint_kind kind, const char *address)
{
    struct endpoint endpoint = { .kind = kind };
    struct err err = ERR_EMPTY;
    int result = kind == ENDPOINT_TCP || kind == ENDPOINT_UDP
                     ? addr_parse(address, &endpoint.addr, &err)
                     : addr_parse_unix(address, &endpoint.addr, &err);

    if (result == -1)
        fail_msg("%s", err.text);
    return endpoint;
}

static char *in_folder(const char *name, char *out, size_t room)
{
    snprintf(out, room, "%s/%s", folder, name);
    return out;
}

static int open_it(struct endpoint *endpoint, const struct bind_options *options)
{
    struct err err = ERR_EMPTY;
    int fd;

    if (bind_open(endpoint, options, &fd, &err) == -1)
        fail_msg("%s", err.text);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    return fd;
}

static int connect_to(const struct endpoint *endpoint, int type)
{
    int fd = socket(endpoint->addr.storage.ss_family, type | SOCK_CLOEXEC, 0);

    assert_int_not_equal(fd, -1);
    if (connect(fd, (const struct sockaddr *)&endpoint->addr.storage,
                endpoint->addr.length) == -1)
        fd_close(&fd);
    return fd;
}

static int get_int(int fd, int level, int name)
{
    int value = -1;
    socklen_t length = sizeof value;

    assert_int_equal(getsockopt(fd, level, name, &value, &length), 0);
    return value;
}

static bool has_ipv6(void)
{
    struct endpoint endpoint = make(ENDPOINT_TCP, "[::1]:0");
    int fd = -1;

    if (bind_open(&endpoint, &plain, &fd, NULL) == -1)
        print_message("no IPv6 here\n");
    close(fd);
    return fd != -1;
}

static void every_kind_opens_and_is_recognised(void **state)
{
    static const struct {
        enum endpoint_kind kind;
        const char *address;
    } cases[] = {
        {ENDPOINT_TCP, "127.0.0.1:0"},       {ENDPOINT_TCP, "[::1]:0"},
        {ENDPOINT_UDP, "127.0.0.1:0"},       {ENDPOINT_UDP, "[::1]:0"},
        {ENDPOINT_UNIX, "stream"},           {ENDPOINT_UNIX, "@test_bind"},
        {ENDPOINT_UNIX_DGRAM, "dgram"},      {ENDPOINT_UNIX_DGRAM, "@test_bind"},
        {ENDPOINT_UNIX_SEQPACKET, "packet"}, {ENDPOINT_UNIX_SEQPACKET, "@test_bind"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        bool is_path = cases[i].kind >= ENDPOINT_UNIX && cases[i].address[0] != '@';
        char path[64];
        struct endpoint endpoint, seen = { .kind = ENDPOINT_FD };
        struct err err = ERR_EMPTY;
        int fd;

        if (cases[i].address[0] == '[' && !has_ipv6())
            continue;
        endpoint =
            make(cases[i].kind, is_path ? in_folder(cases[i].address, path, sizeof path)
                                        : cases[i].address);
        fd = open_it(&endpoint, &plain);
        assert_int_equal(bind_inspect(fd, &seen, &err), 0);
        assert_true(endpoint_equal(&seen, &endpoint));
        assert_true(cases[i].kind >= ENDPOINT_UNIX || addr_port(&endpoint.addr) != 0);
        assert_int_equal(get_int(fd, SOL_SOCKET, SO_ACCEPTCONN),
                         endpoint_is_stream(cases[i].kind));
        assert_int_equal(bind_apply(fd, &endpoint, &plain, &err), 0);
        bind_unlink(fd, &endpoint);
        if (is_path)
            assert_int_equal(access(path, F_OK), -1);
        close(fd);
    }
}

static void options_reach_accepted_sockets(void **state)
{
    struct bind_options options = plain;
    struct endpoint endpoint = make(ENDPOINT_TCP, "127.0.0.1:0");
    struct err err = ERR_EMPTY;
    int fd, client, accepted;

    (void)state;
    options.nodelay = options.keepalive = true;
    options.receive_buffer = options.send_buffer = 40000;
    fd = open_it(&endpoint, &options);
    for (int on = 1; on >= 0; on--) {
        client = connect_to(&endpoint, SOCK_STREAM);
        accepted = accept(fd, NULL, NULL);
        assert_int_not_equal(accepted, -1);
        assert_int_equal(get_int(accepted, IPPROTO_TCP, TCP_NODELAY), on);
        assert_int_equal(get_int(accepted, SOL_SOCKET, SO_KEEPALIVE), on);
        assert_int_equal(get_int(accepted, SOL_SOCKET, SO_RCVBUF), 80000);
        assert_int_equal(get_int(accepted, SOL_SOCKET, SO_SNDBUF), 80000);
        close(client);
        close(accepted);
        /* A reload that switches them off. */
        assert_int_equal(bind_apply(fd, &endpoint, &plain, &err), 0);
    }
    options.defer_accept_sec = 3;
    assert_int_equal(bind_apply(fd, &endpoint, &options, &err), 0);
    assert_true(get_int(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT) >= 3);
    close(fd);
}

static void an_ipv6_listener_leaves_ipv4_alone(void **state)
{
    struct endpoint six = make(ENDPOINT_TCP, "[::]:0"),
                    four = make(ENDPOINT_TCP, "0.0.0.0:0");
    int fd6, fd4 = -1;

    (void)state;
    if (!has_ipv6())
        skip();
    /* Somebody else may have the port there, but not each time. */
    for (int tries = 0; tries < 20 && fd4 == -1; tries++) {
        addr_set_port(&six.addr, 0);
        fd6 = open_it(&six, &plain);
        addr_set_port(&four.addr, addr_port(&six.addr));
        if (bind_open(&four, &plain, &fd4, NULL) == -1)
            fd4 = -1;
        close(fd6);
    }
    assert_int_not_equal(fd4, -1);
    close(fd4);
}

static void udp_listeners_ask_for_the_target(void **state)
{
    struct endpoint four = make(ENDPOINT_UDP, "0.0.0.0:0"),
                    six = make(ENDPOINT_UDP, "[::]:0");
    int fd = open_it(&four, &plain);

    (void)state;
    assert_int_equal(get_int(fd, IPPROTO_IP, IP_PKTINFO), 1);
    assert_int_equal(get_int(fd, SOL_SOCKET, SO_REUSEADDR), 0);
    close(fd);
    if (!has_ipv6())
        return;
    fd = open_it(&six, &plain);
    assert_int_equal(get_int(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO), 1);
    close(fd);
}

static void assert_refused(struct endpoint *endpoint, const struct bind_options *options,
                           int code, const char *text)
{
    struct err err = ERR_EMPTY;
    int fd = 77;

    assert_int_equal(bind_open(endpoint, options, &fd, &err), -1);
    assert_int_equal(fd, -1);
    assert_string_equal(err.text, text);
    assert_int_equal(err.code, code);
}

static void refusals_name_the_address_and_the_reason(void **state)
{
    struct endpoint away = make(ENDPOINT_TCP, "192.0.2.77:7"), again;
    struct endpoint first = make(ENDPOINT_TCP, "127.0.0.1:0");
    struct endpoint deep = make(ENDPOINT_UNIX, "/no/such/folder/x");
    struct bind_options options = plain;
    char want[128];
    int fd = open_it(&first, &plain);

    (void)state;
    again = first;
    snprintf(want, sizeof want, "bind 127.0.0.1:%u: Address already in use",
             addr_port(&first.addr));
    assert_refused(&again, &plain, EADDRINUSE, want);
    close(fd);
    assert_refused(&away, &plain, EADDRNOTAVAIL,
                   "bind 192.0.2.77:7: Cannot assign requested address");
    assert_refused(&deep, &plain, ENOENT,
                   "bind unix:/no/such/folder/x: No such file or directory");
    options.interface = "nosuch0";
    first = make(ENDPOINT_TCP, "127.0.0.1:0");
    assert_refused(&first, &options, ENODEV,
                   "set the interface of 127.0.0.1:0: No such device");
    options.interface = "";
    options.freebind = true;
    addr_set_port(&away.addr, 0);
    fd = open_it(&away, &options);
    close(fd);
}

static void low_ports_are_refused_to_ordinary_users(void **state)
{
    struct endpoint low = make(ENDPOINT_TCP, "127.0.0.1:7");
    int first = 1024, status;
    FILE *limit = fopen("/proc/sys/net/ipv4/ip_unprivileged_port_start", "re");
    pid_t pid;

    (void)state;
    if (limit != NULL) {
        if (fscanf(limit, "%d", &first) != 1)
            first = 1024;
        fclose(limit);
    }
    if (first <= 7)
        skip();
    pid = fork();
    if (pid == 0) {
        struct err err = ERR_EMPTY;
        int fd;

        if (geteuid() == 0 && setresuid(54321, 54321, 54321) == -1)
            _exit(1);
        if (bind_open(&low, &plain, &fd, &err) == 0)
            _exit(2);
        _exit(strcmp(err.text, "bind 127.0.0.1:7: Permission denied") != 0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

/* ---- UNIX paths -----------------------------------------------------------------------
 */

static void a_listener_that_died_is_replaced(void **state)
{
    static const enum endpoint_kind kinds[] = {ENDPOINT_UNIX, ENDPOINT_UNIX_DGRAM,
                                               ENDPOINT_UNIX_SEQPACKET};
    char path[64];

    (void)state;
    in_folder("stale", path, sizeof path);
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        for (size_t j = 0; j < ARRAY_LEN(kinds); j++) {
            struct endpoint old = make(kinds[i], path), new = make(kinds[j], path);
            int fd = open_it(&old, &plain);

            close(fd);
            fd = open_it(&new, &plain);
            bind_unlink(fd, &new);
            close(fd);
            assert_int_equal(access(path, F_OK), -1);
        }
    }
}

static void a_listener_that_lives_is_left_alone(void **state)
{
    static const enum endpoint_kind kinds[] = {ENDPOINT_UNIX, ENDPOINT_UNIX_DGRAM,
                                               ENDPOINT_UNIX_SEQPACKET};
    char path[64], want[128];

    (void)state;
    in_folder("alive", path, sizeof path);
    snprintf(want, sizeof want, "bind unix:%s: Address already in use", path);
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct endpoint alive = make(kinds[i], path);
        int fd = open_it(&alive, &plain);

        for (size_t j = 0; j < ARRAY_LEN(kinds); j++) {
            struct endpoint other = make(kinds[j], path);

            assert_refused(&other, &plain, EADDRINUSE, want);
        }
        bind_unlink(fd, &alive);
        close(fd);
    }
}

static void f10_nothing_but_a_socket_is_ever_removed(void **state)
{
    char path[64], target[64], want[128];
    struct endpoint endpoint;
    struct stat before, after;

    (void)state;
    in_folder("file", path, sizeof path);
    in_folder("target", target, sizeof target);
    endpoint = make(ENDPOINT_UNIX, path);
    snprintf(want, sizeof want, "bind unix:%s: something that is not a socket is there",
             path);
    for (int i = 0; i < 4; i++) {
        if (i == 0)
            close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
        else if (i == 1)
            mkdir(path, 0700);
        else if (i == 2)
            mkfifo(path, 0600);
        else
            assert_int_equal(symlink(target, path), 0);
        assert_int_equal(lstat(path, &before), 0);
        assert_refused(&endpoint, &plain, EADDRINUSE, want);
        assert_int_equal(lstat(path, &after), 0);
        assert_int_equal(before.st_ino, after.st_ino);
        assert_int_equal(remove(path), 0);
    }
    assert_int_equal(access(target, F_OK), -1);
}

static void f10_a_socket_of_another_user_is_left_alone(void **state)
{
    char path[64], want[128];
    struct endpoint endpoint;
    struct bind_options options = plain;
    struct stat file;
    int fd;

    (void)state;
    if (geteuid() != 0) {
        print_message("only root can give files away\n");
        skip();
    }
    in_folder("theirs", path, sizeof path);
    endpoint = make(ENDPOINT_UNIX, path);
    options.socket_uid = 54321;
    options.socket_gid = 54322;
    fd = open_it(&endpoint, &options);
    close(fd);
    assert_int_equal(lstat(path, &file), 0);
    assert_int_equal(file.st_uid, 54321);
    assert_int_equal(file.st_gid, 54322);
    snprintf(want, sizeof want, "bind unix:%s: a socket of another user is there", path);
    assert_refused(&endpoint, &plain, EADDRINUSE, want);
    fd = open_it(&endpoint, &options); /* it was made for that user by us */
    bind_unlink(fd, &endpoint);
    close(fd);
    assert_int_equal(access(path, F_OK), -1);
}

static void a_path_that_means_another_socket_now_stays(void **state)
{
    char path[64];
    struct endpoint old, new;
    int old_fd, new_fd;

    (void)state;
    in_folder("moved", path, sizeof path);
    old = make(ENDPOINT_UNIX, path);
    new = old;
    old_fd = open_it(&old, &plain);
    assert_int_equal(unlink(path), 0);
    bind_unlink(old_fd, &old); /* nothing there */
    new_fd = open_it(&new, &plain);
    if (geteuid() == 0) /* others cannot ask which file a socket has */
        bind_unlink(old_fd, &old);
    assert_int_equal(access(path, F_OK), 0);
    bind_unlink(new_fd, &new);
    assert_int_equal(access(path, F_OK), -1);
    close(old_fd);
    close(new_fd);
}

static void modes_are_exact_whatever_the_umask(void **state)
{
    static const mode_t modes[] = { 0600, 0660, 0666, 0622, 0777, 0 };
    char path[64];

    (void)state;
    in_folder("mode", path, sizeof path);
    for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
        struct bind_options options = plain;
        struct endpoint endpoint = make(ENDPOINT_UNIX, path);
        mode_t old = umask(i % 2 == 0 ? 0077 : 0);
        struct stat file;
        int fd;

        options.socket_mode = modes[i];
        fd = open_it(&endpoint, &options);
        assert_int_equal(umask(old), i % 2 == 0 ? 0077 : 0);
        assert_int_equal(lstat(path, &file), 0);
        assert_int_equal(file.st_mode & 07777, modes[i]);
        bind_unlink(fd, &endpoint);
        close(fd);
    }
}

/* Looks at the path all the time; ends with 1 when it was ever wider than 0600. */
static int watch_mode(const char *path, int stop)
{
    char byte;

    fcntl(stop, F_SETFL, O_NONBLOCK);
    while (read(stop, &byte, 1) == -1 && errno == EAGAIN) {
        struct stat file;

        if (lstat(path, &file) == 0 && (file.st_mode & 0177) != 0)
            return 1;
    }
    return 0;
}

static void f11_the_path_never_shows_a_wider_mode(void **state)
{
    struct bind_options options = plain;
    char path[64];
    int stop[2], status;
    pid_t pid;

    (void)state;
    in_folder("storm", path, sizeof path);
    options.socket_mode = 0600;
    assert_int_equal(pipe2(stop, O_CLOEXEC), 0);
    pid = fork();
    if (pid == 0) {
        close(stop[1]);
        _exit(watch_mode(path, stop[0]));
    }
    for (int i = 0; i < 2000; i++) {
        struct endpoint endpoint = make(ENDPOINT_UNIX, path);
        int fd = open_it(&endpoint, &options);

        bind_unlink(fd, &endpoint);
        close(fd);
    }
    close(stop[0]);
    close(stop[1]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void what_cannot_serve_is_refused(void **state)
{
    struct endpoint seen;
    int fds[3];
    static const char *const want[] = {
        "descriptor %d: does not listen", "descriptor %d: Socket operation on non-socket",
        "descriptor %d: a kind of socket that is not served"};

    (void)state;
    fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    fds[1] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    fds[2] = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0);
    for (int i = 0; i < 3; i++) {
        struct err err = ERR_EMPTY;
        char text[10];

        assert_int_equal(bind_inspect(fds[i], &seen, &err), -1);
        snprintf(text, sizeof text, "%d", fds[i]);
        assert_non_null(strstr(err.text, strchr(want[i], '%') + 2));
        close(fds[i]);
    }
}

static int make_folder(void **state)
{
    descriptors_at_start(state);
    return mkdtemp(folder) == NULL;
}

static int nothing_is_left(void **state)
{
    return rmdir(folder) == -1 ? -1 : descriptors_at_end(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_opens_and_is_recognised),
        cmocka_unit_test(options_reach_accepted_sockets),
        cmocka_unit_test(an_ipv6_listener_leaves_ipv4_alone),
        cmocka_unit_test(udp_listeners_ask_for_the_target),
        cmocka_unit_test(refusals_name_the_address_and_the_reason),
        cmocka_unit_test(low_ports_are_refused_to_ordinary_users),
        cmocka_unit_test(a_listener_that_died_is_replaced),
        cmocka_unit_test(a_listener_that_lives_is_left_alone),
        cmocka_unit_test(f10_nothing_but_a_socket_is_ever_removed),
        cmocka_unit_test(f10_a_socket_of_another_user_is_left_alone),
        cmocka_unit_test(a_path_that_means_another_socket_now_stays),
        cmocka_unit_test(modes_are_exact_whatever_the_umask),
        cmocka_unit_test(f11_the_path_never_shows_a_wider_mode),
        cmocka_unit_test(what_cannot_serve_is_refused),
    };

    return cmocka_run_group_tests(tests, make_folder, nothing_is_left);
}
