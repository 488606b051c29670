#include "sock/bind.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"

/* <linux/un.h>, which has it, cannot be included together with <sys/un.h>. */
#ifndef SIOCUNIXFILE
#define SIOCUNIXFILE SIOCPROTOPRIVATE
#endif

/* ---- options --------------------------------------------------------------------------
 */

/* What the result of a failed step says: "bind [::]:7: Permission denied". */
static int fail_step(const char *step, const struct endpoint *endpoint, struct err *err)
{
    int why = errno;
    char text[ADDR_TEXT];

    addr_print(&endpoint->addr, text, sizeof text);
    errno = why;
    return err_sys(err, "%s %s", step, text);
}

static int set_int(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof value);
}

static int set_buffers(int fd, const struct bind_options *options)
{
    if (options->receive_buffer > 0 &&
        set_int(fd, SOL_SOCKET, SO_RCVBUF, options->receive_buffer) == -1)
        return -1;
    if (options->send_buffer > 0 &&
        set_int(fd, SOL_SOCKET, SO_SNDBUF, options->send_buffer) == -1)
        return -1;
    return 0;
}

/* Accepted sockets inherit these from their listener: no call per connection. */
static int set_tcp(int fd, const struct bind_options *options)
{
    if (set_int(fd, SOL_SOCKET, SO_KEEPALIVE, options->keepalive) == -1 ||
        set_int(fd, IPPROTO_TCP, TCP_NODELAY, options->nodelay) == -1)
        return -1;
    return set_int(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, options->defer_accept_sec);
}

/* Each datagram tells the address it was sent to, so that its answer can leave from
 * there. */
static int set_udp(int fd, int family)
{
    if (family == AF_INET6)
        return set_int(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
    return set_int(fd, IPPROTO_IP, IP_PKTINFO, 1);
}

/* Changing an interface back takes a privilege: not asked for where nothing changes. */
static int set_interface(int fd, const char *wanted)
{
    char now[IFNAMSIZ] = "";
    socklen_t length = sizeof now;

    if (wanted == NULL)
        wanted = "";
    if (getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, now, &length) == 0 &&
        strncmp(now, wanted, sizeof now) == 0)
        return 0;
    return setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, wanted,
                      (socklen_t)strlen(wanted) + 1);
}

static int set_options(int fd, const struct endpoint *endpoint,
                       const struct bind_options *options, struct err *err)
{
    int family = endpoint->addr.storage.ss_family;

    if (set_buffers(fd, options) == -1)
        return fail_step("set the buffers of", endpoint, err);
    if (family == AF_UNIX)
        return 0;
    if (set_interface(fd, options->interface) == -1)
        return fail_step("set the interface of", endpoint, err);
    if (endpoint->kind == ENDPOINT_TCP && set_tcp(fd, options) == -1)
        return fail_step("set options of", endpoint, err);
    if (endpoint->kind == ENDPOINT_UDP && set_udp(fd, family) == -1)
        return fail_step("set options of", endpoint, err);
    return 0;
}

/* What only means something before bind(). UDP gets no SO_REUSEADDR: two sockets could
 * then have one port, and the later one the datagrams. */
static int set_early(int fd, const struct endpoint *endpoint,
                     const struct bind_options *options)
{
    int family = endpoint->addr.storage.ss_family;

    if (options->beside && bind_beside(fd, true) == -1)
        return -1;
    if (endpoint->kind == ENDPOINT_TCP && set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1) == -1)
        return -1;
    if (family == AF_INET6 && set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1) == -1)
        return -1;
    if (!options->freebind || family == AF_UNIX)
        return 0;
    return family == AF_INET6 ? set_int(fd, IPPROTO_IPV6, IPV6_FREEBIND, 1)
                              : set_int(fd, IPPROTO_IP, IP_FREEBIND, 1);
}

/* ---- UNIX paths -----------------------------------------------------------------------
 */

static const char *path_of(const struct endpoint *endpoint)
{
    const struct sockaddr_un *un = (const void *)&endpoint->addr.storage;

    if (un->sun_family != AF_UNIX || un->sun_path[0] == '\0')
        return NULL;
    return un->sun_path;
}

static int type_of(enum endpoint_kind kind)
{
    switch (kind) {
    case ENDPOINT_TCP:
    case ENDPOINT_UNIX:
        return SOCK_STREAM;
    case ENDPOINT_UNIX_SEQPACKET:
        return SOCK_SEQPACKET;
    case ENDPOINT_UDP:
    case ENDPOINT_UNIX_DGRAM:
        break;
    case ENDPOINT_FD:
        return -1;
    }
    return SOCK_DGRAM;
}

/* Only "connection refused" says that nobody is behind a socket file; a full queue or
 * another type of socket is somebody. */
static bool nobody_answers(const struct endpoint *endpoint)
{
    int fd = socket(AF_UNIX, type_of(endpoint->kind) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool is_dead;

    if (fd == -1)
        return false;
    is_dead = connect(fd, (const struct sockaddr *)&endpoint->addr.storage,
                      endpoint->addr.length) == -1 &&
              errno == ECONNREFUSED;
    fd_close(&fd);
    return is_dead;
}

static bool is_ours(const struct stat *file, const struct bind_options *options)
{
    return file->st_uid == geteuid() ||
           (options->socket_uid != (uid_t)-1 && file->st_uid == options->socket_uid);
}

/* Why the file that stands at the path must stay, or NULL. */
static const char *keep_file(const struct stat *file, const struct endpoint *endpoint,
                             const struct bind_options *options)
{
    if (!S_ISSOCK(file->st_mode))
        return "something that is not a socket is there";
    if (!is_ours(file, options))
        return "a socket of another user is there";
    if (!nobody_answers(endpoint))
        return "Address already in use";
    return NULL;
}

/*
 * F10: removes a socket file that was left behind, and nothing else. The folder is opened
 * once, so that its name cannot come to mean another one between looking and removing.
 */
static int clear_path(const struct endpoint *endpoint, const struct bind_options *options,
                      struct err *err)
{
    char folder[sizeof(struct sockaddr_un)], name[sizeof(struct sockaddr_un)];
    const char *path = path_of(endpoint), *why = NULL;
    struct stat file;
    int at, result = 0;

    str_copy(folder, sizeof folder, path);
    str_copy(name, sizeof name, path);
    at = open(dirname(folder), O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (at == -1)
        return fail_step("bind", endpoint, err);
    if (fstatat(at, basename(name), &file, AT_SYMLINK_NOFOLLOW) == 0) {
        why = keep_file(&file, endpoint, options);
        if (why == NULL)
            result = unlinkat(at, basename(name), 0);
    } else if (errno != ENOENT) {
        result = -1;
    }
    if (result == -1)
        fail_step("bind", endpoint, err);
    fd_close(&at);
    if (why == NULL)
        return result;
    err_set(err, "bind unix:%s: %s", path, why);
    if (err != NULL)
        err->code = EADDRINUSE;
    return -1;
}

/* F11: the file appears with its final mode. The one place where the umask changes. */
static int bind_with_mode(int fd, const struct endpoint *endpoint, unsigned mode)
{
    mode_t old = umask(0777 & ~(mode_t)mode);
    int result =
        bind(fd, (const struct sockaddr *)&endpoint->addr.storage, endpoint->addr.length);

    umask(old);
    return result;
}

/* Gives the file away; by descriptor, so that whoever owns the folder cannot swap it. */
static int set_owner(const struct endpoint *endpoint, const struct bind_options *options)
{
    struct stat file;
    int fd, result = -1;

    if (options->socket_uid == (uid_t)-1 && options->socket_gid == (gid_t)-1)
        return 0;
    fd = open(path_of(endpoint), O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd == -1)
        return -1;
    if (fstat(fd, &file) == 0 && S_ISSOCK(file.st_mode) && file.st_uid == geteuid())
        result =
            fchownat(fd, "", options->socket_uid, options->socket_gid, AT_EMPTY_PATH);
    fd_close(&fd);
    return result;
}

static int bind_path(int fd, const struct endpoint *endpoint,
                     const struct bind_options *options, struct err *err)
{
    if (clear_path(endpoint, options, err) == -1)
        return -1;
    if (bind_with_mode(fd, endpoint, options->socket_mode) == -1)
        return fail_step("bind", endpoint, err);
    if (set_owner(endpoint, options) == 0)
        return 0;
    fail_step("set the owner of", endpoint, err);
    unlink(path_of(endpoint));
    return -1;
}

/* ---- opening --------------------------------------------------------------------------
 */

static int read_addr(int fd, struct usher_address *out)
{
    out->length = sizeof out->storage;
    memset(&out->storage, 0, sizeof out->storage);
    return getsockname(fd, (struct sockaddr *)&out->storage, &out->length);
}

static int bind_inet(int fd, struct endpoint *endpoint, struct err *err)
{
    struct usher_address drawn;

    if (bind(fd, (const struct sockaddr *)&endpoint->addr.storage,
             endpoint->addr.length) == -1)
        return fail_step("bind", endpoint, err);
    if (addr_port(&endpoint->addr) != 0 || endpoint->addr.storage.ss_family == AF_UNIX)
        return 0;
    if (read_addr(fd, &drawn) == -1)
        return fail_step("learn the port of", endpoint, err);
    endpoint->addr = drawn;
    return 0;
}

static int set_up(int fd, struct endpoint *endpoint, const struct bind_options *options,
                  struct err *err)
{
    if (set_early(fd, endpoint, options) == -1)
        return fail_step("set options of", endpoint, err);
    if (set_options(fd, endpoint, options, err) == -1)
        return -1;
    if (path_of(endpoint) != NULL)
        return bind_path(fd, endpoint, options, err);
    return bind_inet(fd, endpoint, err);
}

int bind_open(struct endpoint *endpoint, const struct bind_options *options, int *fd_out,
              struct err *err)
{
    int type = type_of(endpoint->kind) | SOCK_CLOEXEC | SOCK_NONBLOCK;
    int fd;

    *fd_out = -1;
    if (endpoint->kind == ENDPOINT_FD)
        return err_set(err, "fd://%s: only the service manager opens this",
                       endpoint->name);
    fd = socket(endpoint->addr.storage.ss_family, type, 0);
    if (fd == -1)
        return fail_step("open", endpoint, err);
    if (set_up(fd, endpoint, options, err) == -1) {
        fd_close(&fd);
        return -1;
    }
    if (endpoint_is_stream(endpoint->kind) && listen(fd, options->backlog) == -1) {
        fail_step("listen on", endpoint, err);
        bind_unlink(fd, endpoint);
        fd_close(&fd);
        return -1;
    }
    if (options->beside)
        (void)bind_beside(fd, false);
    *fd_out = fd;
    return 0;
}

static bool is_for_all(const struct usher_address *addr)
{
    const struct sockaddr_in *in4 = (const struct sockaddr_in *)&addr->storage;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&addr->storage;

    return addr->storage.ss_family == AF_INET ? in4->sin_addr.s_addr == htonl(INADDR_ANY)
                                              : IN6_IS_ADDR_UNSPECIFIED(&in6->sin6_addr);
}

bool bind_overlaps(const struct endpoint *a, const struct endpoint *b)
{
    return a->kind == b->kind && (a->kind == ENDPOINT_TCP || a->kind == ENDPOINT_UDP)
           && a->addr.storage.ss_family == b->addr.storage.ss_family
           && addr_port(&a->addr) == addr_port(&b->addr)
           && is_for_all(&a->addr) != is_for_all(&b->addr);
}

int bind_beside(int fd, bool on)
{
    return set_int(fd, SOL_SOCKET, SO_REUSEPORT, on);
}

int bind_apply(int fd, const struct endpoint *endpoint,
               const struct bind_options *options, struct err *err)
{
    if (set_options(fd, endpoint, options, err) == -1)
        return -1;
    if (endpoint_is_stream(endpoint->kind) && listen(fd, options->backlog) == -1)
        return fail_step("listen on", endpoint, err);
    return 0;
}

/* ---- giving up, taking over -----------------------------------------------------------
 */

/* The kernel knows which file a socket is bound to, and tells those with CAP_NET_ADMIN.
 * Others have to believe the socket's name. */
static bool is_bound_to(int fd, const struct stat *file, const struct endpoint *endpoint)
{
    struct usher_address name;
    struct stat bound;
    int at = ioctl(fd, SIOCUNIXFILE);
    bool is_same;

    if (at == -1)
        return errno != ENOENT && read_addr(fd, &name) == 0 &&
               addr_equal(&name, &endpoint->addr);
    is_same = fstat(at, &bound) == 0 && bound.st_dev == file->st_dev &&
              bound.st_ino == file->st_ino;
    fd_close(&at);
    return is_same;
}

void bind_unlink(int fd, const struct endpoint *endpoint)
{
    const char *path = path_of(endpoint);
    struct stat file;

    if (path == NULL || lstat(path, &file) == -1 || !S_ISSOCK(file.st_mode))
        return;
    if (is_bound_to(fd, &file, endpoint))
        unlink(path);
}

static int get_int(int fd, int name)
{
    int value = -1;
    socklen_t length = sizeof value;

    return getsockopt(fd, SOL_SOCKET, name, &value, &length) == -1 ? -1 : value;
}

/* The kind of a socket, or -1. */
static int find_kind(int family, int type, int protocol)
{
    static const struct {
        int family, type, protocol;
        enum endpoint_kind kind;
    } kinds[] = {
        {AF_INET, SOCK_STREAM, IPPROTO_TCP, ENDPOINT_TCP},
        {AF_INET6, SOCK_STREAM, IPPROTO_TCP, ENDPOINT_TCP},
        {AF_INET, SOCK_DGRAM, IPPROTO_UDP, ENDPOINT_UDP},
        {AF_INET6, SOCK_DGRAM, IPPROTO_UDP, ENDPOINT_UDP},
        {AF_UNIX, SOCK_STREAM, 0, ENDPOINT_UNIX},
        {AF_UNIX, SOCK_DGRAM, 0, ENDPOINT_UNIX_DGRAM},
        {AF_UNIX, SOCK_SEQPACKET, 0, ENDPOINT_UNIX_SEQPACKET},
    };

    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (kinds[i].family == family && kinds[i].type == type &&
            kinds[i].protocol == protocol)
            return (int)kinds[i].kind;
    return -1;
}

int bind_inspect(int fd, struct endpoint *out, struct err *err)
{
    int kind;

    if (get_int(fd, SO_TYPE) == -1)
        return err_sys(err, "descriptor %d", fd);
    kind =
        find_kind(get_int(fd, SO_DOMAIN), get_int(fd, SO_TYPE), get_int(fd, SO_PROTOCOL));
    if (kind == -1)
        return err_set(err, "descriptor %d: a kind of socket that is not served", fd);
    if (endpoint_is_stream((enum endpoint_kind)kind) && get_int(fd, SO_ACCEPTCONN) != 1)
        return err_set(err, "descriptor %d: does not listen", fd);
    if (read_addr(fd, &out->addr) == -1)
        return err_sys(err, "descriptor %d", fd);
    out->kind = (enum endpoint_kind)kind;
    return 0;
}
