#include "base/addr.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/str.h"

#define SHOWN 128 /* how much of a bad text a message repeats */

static enum addr_privacy privacy_now = ADDR_FULL;

/* The storage is aligned for all of these. */
static struct sockaddr_in *as_v4(struct usher_address *addr)
{
    return (struct sockaddr_in *)(void *)&addr->storage;
}

static const struct sockaddr_in *v4(const struct usher_address *addr)
{
    return (const struct sockaddr_in *)(const void *)&addr->storage;
}

static struct sockaddr_in6 *as_v6(struct usher_address *addr)
{
    return (struct sockaddr_in6 *)(void *)&addr->storage;
}

static const struct sockaddr_in6 *v6(const struct usher_address *addr)
{
    return (const struct sockaddr_in6 *)(const void *)&addr->storage;
}

static sa_family_t family(const struct usher_address *addr)
{
    return addr->length == 0 ? AF_UNSPEC : addr->storage.ss_family;
}

/* ---- reading --------------------------------------------------------------------------
 */

static int refuse(struct err *err, const char *text, const char *why)
{
    char shown[SHOWN];

    return err_set(err, "\"%s\" %s", log_escape(shown, sizeof shown, text, strlen(text)),
                   why);
}

static void make_v4(struct usher_address *out, struct in_addr host)
{
    memset(out, 0, sizeof *out);
    out->length = sizeof(struct sockaddr_in);
    as_v4(out)->sin_family = AF_INET;
    as_v4(out)->sin_addr = host;
}

static void make_v6(struct usher_address *out, const struct in6_addr *host,
                    uint32_t scope)
{
    memset(out, 0, sizeof *out);
    out->length = sizeof(struct sockaddr_in6);
    as_v6(out)->sin6_family = AF_INET6;
    as_v6(out)->sin6_addr = *host;
    as_v6(out)->sin6_scope_id = scope;
}

/* "eth0" or "2". Asks the kernel for an interface, which resolves nothing. */
static int parse_scope(const char *text, uint32_t *scope_out)
{
    int64_t number;
    unsigned index = if_nametoindex(text);

    if (index == 0 && str_to_int(text, 1, UINT32_MAX, &number) == 0)
        index = (unsigned)number;
    *scope_out = index;
    return index == 0 ? -1 : 0;
}

int addr_parse_host(const char *text, struct usher_address *out, struct err *err)
{
    char host[INET6_ADDRSTRLEN + IF_NAMESIZE + 4];
    size_t length = strlen(text);
    struct in_addr four;
    struct in6_addr six;
    uint32_t scope = 0;
    char *percent;

    if (inet_pton(AF_INET, text, &four) == 1) {
        make_v4(out, four);
        return 0;
    }
    if (length >= 2 && text[0] == '[' && text[length - 1] == ']' && length < sizeof host)
        snprintf(host, sizeof host, "%.*s", (int)(length - 2), text + 1);
    else if (!str_copy(host, sizeof host, text))
        return refuse(err, text, "is not an address");
    percent = strchr(host, '%');
    if (percent != NULL)
        *percent++ = '\0';
    if (inet_pton(AF_INET6, host, &six) != 1)
        return refuse(err, text, "is not an address");
    if (percent != NULL && parse_scope(percent, &scope) == -1)
        return refuse(err, text, "names no interface of this machine");
    make_v6(out, &six, scope);
    addr_normalize(out);
    return 0;
}

int addr_parse(const char *text, struct usher_address *out, struct err *err)
{
    const char *colon = strrchr(text, ':');
    char host[ADDR_TEXT];
    int64_t port;

    if (colon == NULL || colon == text || (size_t)(colon - text) >= sizeof host)
        return refuse(err, text, "is not ADDRESS:PORT");
    snprintf(host, sizeof host, "%.*s", (int)(colon - text), text);
    if (host[0] == '[' && colon[-1] != ']')
        return refuse(err, text, "is not ADDRESS:PORT");
    /* Without its brackets nobody could tell where an IPv6 address ends. */
    if (host[0] != '[' && strchr(host, ':') != NULL)
        return refuse(err, text, "is not ADDRESS:PORT (write [ADDRESS]:PORT)");
    if (str_to_int(colon + 1, 0, 65535, &port) == -1)
        return refuse(err, colon + 1, "is not a port");
    if (addr_parse_host(host, out, err) == -1)
        return -1;
    addr_set_port(out, (unsigned)port);
    return 0;
}

int addr_parse_unix(const char *path, struct usher_address *out, struct err *err)
{
    struct sockaddr_un *un = (struct sockaddr_un *)(void *)&out->storage;
    bool is_abstract = path[0] == '@';
    size_t length = strlen(path);

    if (length < 1 + (size_t)is_abstract)
        return refuse(err, path, "is not a socket's path");
    if (length >= sizeof un->sun_path)
        return err_set(err, "a socket's path of %zu bytes is above %zu", length,
                       sizeof un->sun_path - 1);
    memset(out, 0, sizeof *out);
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, path, length);
    if (is_abstract)
        un->sun_path[0] = '\0';
    else
        length++; /* its NUL counts */
    out->length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    return 0;
}

/* ---- asking ---------------------------------------------------------------------------
 */

void addr_normalize(struct usher_address *addr)
{
    in_port_t port;
    struct in_addr host;

    if (family(addr) != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&v6(addr)->sin6_addr))
        return;
    port = v6(addr)->sin6_port;
    memcpy(&host, &v6(addr)->sin6_addr.s6_addr[12], sizeof host);
    make_v4(addr, host);
    as_v4(addr)->sin_port = port;
}

unsigned addr_port(const struct usher_address *addr)
{
    if (family(addr) == AF_INET)
        return ntohs(v4(addr)->sin_port);
    return family(addr) == AF_INET6 ? ntohs(v6(addr)->sin6_port) : 0;
}

void addr_set_port(struct usher_address *addr, unsigned port)
{
    if (family(addr) == AF_INET)
        as_v4(addr)->sin_port = htons((uint16_t)port);
    else if (family(addr) == AF_INET6)
        as_v6(addr)->sin6_port = htons((uint16_t)port);
}

/* The name of a UNIX address and how long it is: a path ends at its NUL, wherever the
 * length that the kernel gave ends; an abstract name is exactly as long as it says. */
static const char *unix_name(const struct usher_address *addr, size_t *length_out)
{
    const struct sockaddr_un *un =
        (const struct sockaddr_un *)(const void *)&addr->storage;
    size_t start = offsetof(struct sockaddr_un, sun_path);
    size_t length = addr->length > start ? addr->length - start : 0;

    if (length > sizeof un->sun_path)
        length = sizeof un->sun_path;
    if (length > 0 && un->sun_path[0] != '\0')
        length = strnlen(un->sun_path, length);
    *length_out = length;
    return un->sun_path;
}

static bool same_unix_name(const struct usher_address *a, const struct usher_address *b)
{
    size_t length_a, length_b;
    const char *name_a = unix_name(a, &length_a);
    const char *name_b = unix_name(b, &length_b);

    return length_a == length_b && memcmp(name_a, name_b, length_a) == 0;
}

bool addr_same_host(const struct usher_address *a, const struct usher_address *b)
{
    struct usher_address left = *a, right = *b;

    addr_normalize(&left);
    addr_normalize(&right);
    if (family(&left) != family(&right))
        return false;
    if (family(&left) == AF_INET)
        return v4(&left)->sin_addr.s_addr == v4(&right)->sin_addr.s_addr;
    if (family(&left) == AF_INET6)
        return IN6_ARE_ADDR_EQUAL(&v6(&left)->sin6_addr, &v6(&right)->sin6_addr) &&
               v6(&left)->sin6_scope_id == v6(&right)->sin6_scope_id;
    return true; /* UNIX: there is one machine; none: nothing differs */
}

bool addr_equal(const struct usher_address *a, const struct usher_address *b)
{
    if (!addr_same_host(a, b) || addr_port(a) != addr_port(b))
        return false;
    return family(a) != AF_UNIX || same_unix_name(a, b);
}

bool addr_is_any(const struct usher_address *addr)
{
    struct usher_address host = *addr;

    addr_normalize(&host);
    if (family(&host) == AF_INET)
        return v4(&host)->sin_addr.s_addr == htonl(INADDR_ANY);
    return family(&host) == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&v6(&host)->sin6_addr);
}

bool addr_is_loopback(const struct usher_address *addr)
{
    struct usher_address host = *addr;

    addr_normalize(&host);
    if (family(&host) == AF_INET)
        return ntohl(v4(&host)->sin_addr.s_addr) >> 24 == 127;
    if (family(&host) == AF_INET6)
        return IN6_IS_ADDR_LOOPBACK(&v6(&host)->sin6_addr);
    return family(&host) == AF_UNIX;
}

bool addr_is_multicast(const struct usher_address *addr)
{
    struct usher_address host = *addr;

    addr_normalize(&host);
    if (family(&host) == AF_INET) {
        uint32_t number = ntohl(v4(&host)->sin_addr.s_addr);

        return IN_MULTICAST(number) || number == INADDR_BROADCAST;
    }
    return family(&host) == AF_INET6 && IN6_IS_ADDR_MULTICAST(&v6(&host)->sin6_addr);
}

/* ---- printing -------------------------------------------------------------------------
 */

static void add_scope(struct str *text, uint32_t scope)
{
    char name[IF_NAMESIZE];

    if (scope == 0)
        return;
    if (if_indextoname(scope, name) != NULL)
        str_add(text, "%%%s", name);
    else
        str_add(text, "%%%u", scope);
}

static void add_host(struct str *text, const struct usher_address *addr)
{
    char host[INET6_ADDRSTRLEN] = "";

    if (family(addr) == AF_INET) {
        inet_ntop(AF_INET, &v4(addr)->sin_addr, host, sizeof host);
        str_add(text, "%s", host);
    } else {
        inet_ntop(AF_INET6, &v6(addr)->sin6_addr, host, sizeof host);
        str_add(text, "%s", host);
        add_scope(text, v6(addr)->sin6_scope_id);
    }
}

static void add_unix(struct str *text, const struct usher_address *addr)
{
    size_t length;
    const char *name = unix_name(addr, &length);
    char shown[ADDR_TEXT - sizeof "unix:@"];

    str_add(text, "unix");
    if (length == 0)
        return;
    str_add(text, "%s", name[0] == '\0' ? ":@" : ":");
    if (name[0] == '\0') {
        name++;
        length--;
    }
    str_add(text, "%s", log_escape(shown, sizeof shown, name, length));
}

static char *print(const struct usher_address *addr, bool with_port, char *out,
                   size_t room)
{
    struct usher_address shown = *addr;
    struct str text;

    str_init(&text, out, room);
    addr_normalize(&shown);
    if (family(&shown) == AF_INET || family(&shown) == AF_INET6) {
        bool brackets = with_port && family(&shown) == AF_INET6;

        str_add(&text, "%s", brackets ? "[" : "");
        add_host(&text, &shown);
        str_add(&text, "%s", brackets ? "]" : "");
        if (with_port)
            str_add(&text, ":%u", addr_port(&shown));
    } else if (family(&shown) == AF_UNIX || family(&shown) == AF_UNSPEC) {
        add_unix(&text, &shown);
    } else {
        str_add(&text, "family-%u", (unsigned)family(&shown));
    }
    return out;
}

char *addr_print(const struct usher_address *addr, char *out, size_t room)
{
    return print(addr, true, out, room);
}

char *addr_print_host(const struct usher_address *addr, char *out, size_t room)
{
    return print(addr, false, out, room);
}

void addr_set_privacy(enum addr_privacy privacy)
{
    privacy_now = privacy;
}

/* The network only: 24 bits of IPv4, 48 of IPv6; a UNIX path names no person. */
static char *print_prefix(const struct usher_address *addr, char *out, size_t room)
{
    struct usher_address network = *addr;
    char host[ADDR_TEXT];

    addr_normalize(&network);
    if (family(&network) == AF_INET) {
        as_v4(&network)->sin_addr.s_addr &= htonl(0xffffff00u);
        addr_print_host(&network, host, sizeof host);
        snprintf(out, room, "%s/24", host);
        return out;
    }
    if (family(&network) == AF_INET6) {
        memset(&as_v6(&network)->sin6_addr.s6_addr[6], 0, 10);
        as_v6(&network)->sin6_scope_id = 0;
        addr_print_host(&network, host, sizeof host);
        snprintf(out, room, "%s/48", host);
        return out;
    }
    return addr_print(&network, out, room);
}

char *addr_print_log(const struct usher_address *addr, char *out, size_t room)
{
    if (privacy_now == ADDR_FULL)
        return addr_print(addr, out, room);
    if (privacy_now == ADDR_PREFIX)
        return print_prefix(addr, out, room);
    str_copy(out, room, "-");
    return out;
}
