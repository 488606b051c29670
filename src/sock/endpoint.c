#include "sock/endpoint.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

#define PORT_MAX      65535
#define UNIX_PATH_MAX 107 /* sun_path, less its NUL */

#define DIGITS "0123456789"
#define LOWER  "abcdefghijklmnopqrstuvwxyz"
#define UPPER  "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

static const struct scheme {
    const char *name;
    enum endpoint_kind kind;
    int family;
} schemes[] = {
    {"tcp", ENDPOINT_TCP, AF_UNSPEC},
    {"tcp4", ENDPOINT_TCP, AF_INET},
    {"tcp6", ENDPOINT_TCP, AF_INET6},
    {"udp", ENDPOINT_UDP, AF_UNSPEC},
    {"udp4", ENDPOINT_UDP, AF_INET},
    {"udp6", ENDPOINT_UDP, AF_INET6},
    {"unix", ENDPOINT_UNIX, AF_UNIX},
    {"unix-dgram", ENDPOINT_UNIX_DGRAM, AF_UNIX},
    {"unix-seqpacket", ENDPOINT_UNIX_SEQPACKET, AF_UNIX},
    {"fd", ENDPOINT_FD, AF_UNSPEC},
};

/* Keeps count bytes of text if they fit. */
static int keep(char *out, size_t room, const char *text, size_t count)
{
    if (count >= room)
        return -1;
    memcpy(out, text, count);
    out[count] = '\0';
    return 0;
}

static const struct scheme *find_scheme(const char *text, size_t length)
{
    for (size_t i = 0; i < ARRAY_LEN(schemes); i++)
        if (strlen(schemes[i].name) == length &&
            memcmp(schemes[i].name, text, length) == 0)
            return &schemes[i];
    return NULL;
}

static int refuse_scheme(const char *text, struct err *err)
{
    char names[128];
    struct str list;

    str_init(&list, names, sizeof names);
    for (size_t i = 0; i < ARRAY_LEN(schemes); i++)
        str_add(&list, "%s%s", i == 0 ? "" : ", ", schemes[i].name);
    return err_set(err, "%s: the protocol is none of %s", text, names);
}

/* A number is a port, everything else a service's name; nothing is both. */
static int check_port(const char *port, struct err *err)
{
    int64_t number;

    if (port[strspn(port, DIGITS)] == '\0') {
        if (port[0] == '0' && port[1] != '\0')
            return err_set(err, "%s: a port has no leading zeros", port);
        if (str_to_int(port, 0, PORT_MAX, &number) == -1)
            return err_set(err, "%s is above %d", port, PORT_MAX);
        return 0;
    }
    if (port[strspn(port, LOWER DIGITS "-")] != '\0' || port[0] == '-')
        return err_set(err, "\"%s\" is neither a port nor the name of one", port);
    return 0;
}

static int split_port(const char *text, const char *colon, struct endpoint_spec *out,
                      struct err *err)
{
    if (colon == NULL || colon[1] == '\0')
        return err_set(err, "%s: the port is missing", text);
    if (keep(out->port, sizeof out->port, colon + 1, strlen(colon + 1)) == -1)
        return err_set(err, "%s: the port is too long", text);
    return check_port(out->port, err);
}

/* "::1", "fe80::1%eth0". */
static bool is_ipv6(const char *host)
{
    char plain[INET6_ADDRSTRLEN];
    struct in6_addr address;
    const char *scope = strchr(host, '%');
    size_t length = scope == NULL ? strlen(host) : (size_t)(scope - host);

    if (scope != NULL && (scope[1] == '\0' || strlen(scope + 1) >= IF_NAMESIZE ||
                          scope[1 + strspn(scope + 1, LOWER UPPER DIGITS "._-")] != '\0'))
        return false;
    return keep(plain, sizeof plain, host, length) == 0 &&
           inet_pton(AF_INET6, plain, &address) == 1;
}

static int check_ipv6(const char *text, const struct endpoint_spec *spec, struct err *err)
{
    if (!is_ipv6(spec->host))
        return err_set(err, "%s: \"%s\" is not an IPv6 address", text, spec->host);
    if (spec->family == AF_INET)
        return err_set(err, "%s: an IPv6 address, and the protocol says IPv4", text);
    return 0;
}

/* Labels of letters, digits, "-" and "_" between single dots. */
static bool is_name(const char *host)
{
    if (host[strspn(host, LOWER UPPER DIGITS "._-")] != '\0')
        return false;
    return host[0] != '.' && host[0] != '-' && strstr(host, "..") == NULL;
}

/* Digits and dots alone are an address or a mistake: "127.1" is not guessed at. */
static int check_host(const char *text, const struct endpoint_spec *spec, struct err *err)
{
    const char *host = spec->host;
    struct in_addr address;

    if (host[0] == '\0' || strcmp(host, "*") == 0)
        return 0;
    if (host[strspn(host, DIGITS ".")] != '\0') {
        if (is_name(host))
            return 0;
        return err_set(err, "%s: \"%s\" is neither an address nor a name", text, host);
    }
    if (inet_pton(AF_INET, host, &address) != 1)
        return err_set(err, "%s: \"%s\" is not an IPv4 address", text, host);
    if (spec->family == AF_INET6)
        return err_set(err, "%s: an IPv4 address, and the protocol says IPv6", text);
    return 0;
}

static int split_bracket(const char *text, const char *rest, struct endpoint_spec *out,
                         struct err *err)
{
    const char *end = strchr(rest, ']');

    if (end == NULL || (end[1] != ':' && end[1] != '\0'))
        return err_set(err, "%s: an IPv6 address is written [ADDRESS]:PORT", text);
    if (keep(out->host, sizeof out->host, rest + 1, (size_t)(end - rest - 1)) == -1)
        return err_set(err, "%s: the address is too long", text);
    if (check_ipv6(text, out, err) == -1)
        return -1;
    return split_port(text, end[1] == ':' ? end + 1 : NULL, out, err);
}

static int split_inet(const char *text, const char *rest, struct endpoint_spec *out,
                      struct err *err)
{
    const char *colon = strchr(rest, ':');
    size_t length = colon == NULL ? strlen(rest) : (size_t)(colon - rest);

    if (rest[0] == '[')
        return split_bracket(text, rest, out, err);
    if (colon != NULL && strchr(colon + 1, ':') != NULL)
        return err_set(err, "%s: an IPv6 address is written [ADDRESS]:PORT", text);
    if (keep(out->host, sizeof out->host, rest, length) == -1)
        return err_set(err, "%s: the name is too long", text);
    if (check_host(text, out, err) == -1)
        return -1;
    return split_port(text, colon, out, err);
}

static int split_unix(const char *text, const char *path, struct endpoint_spec *out,
                      struct err *err)
{
    size_t length = strlen(path), shown = path[0] == '@' ? length - 1 : length;

    if (path[0] != '/' && path[0] != '@')
        return err_set(err, "%s: neither an absolute path nor @NAME", text);
    if (path[1] == '\0')
        return err_set(err, "%s: the name is missing", text);
    if (shown > UNIX_PATH_MAX)
        return err_set(err, "%s: %zu bytes of path are above %d", text, shown,
                       UNIX_PATH_MAX);
    return keep(out->host, sizeof out->host, path, length);
}

static int split_fd(const char *text, const char *name, struct endpoint_spec *out,
                    struct err *err)
{
    if (name[0] == '\0')
        return err_set(err, "%s: the name is missing", text);
    if (name[strspn(name, LOWER UPPER DIGITS "._-")] != '\0')
        return err_set(err, "%s: a name has letters, digits, \".\", \"_\" and \"-\"",
                       text);
    if (keep(out->host, sizeof out->host, name, strlen(name)) == -1)
        return err_set(err, "%s: the name is too long", text);
    return 0;
}

/* Nothing that would garble a log or a listing. */
static bool is_clean(const char *text)
{
    for (; *text != '\0'; text++)
        if (iscntrl((unsigned char)*text))
            return false;
    return true;
}

int endpoint_split(const char *text, struct endpoint_spec *out, struct err *err)
{
    const char *mark = strstr(text, "://");
    const struct scheme *scheme;

    memset(out, 0, sizeof *out);
    if (!is_clean(text))
        return err_set(err, "an endpoint has no control characters");
    if (mark == NULL)
        return err_set(err, "%s: an endpoint is written PROTOCOL://...", text);
    scheme = find_scheme(text, (size_t)(mark - text));
    if (scheme == NULL)
        return refuse_scheme(text, err);
    out->kind = scheme->kind;
    out->family = scheme->family;
    if (out->kind == ENDPOINT_FD)
        return split_fd(text, mark + 3, out, err);
    if (out->family == AF_UNIX)
        return split_unix(text, mark + 3, out, err);
    return split_inet(text, mark + 3, out, err);
}

bool endpoint_is_stream(enum endpoint_kind kind)
{
    return kind == ENDPOINT_TCP || kind == ENDPOINT_UNIX ||
           kind == ENDPOINT_UNIX_SEQPACKET;
}

/* The first scheme of a kind is its name. */
const char *endpoint_kind_name(enum endpoint_kind kind)
{
    for (size_t i = 0; i < ARRAY_LEN(schemes); i++)
        if (schemes[i].kind == kind)
            return schemes[i].name;
    return "unknown";
}

int endpoint_kind_parse(const char *name, enum endpoint_kind *out)
{
    const struct scheme *scheme = find_scheme(name, strlen(name));

    if (scheme == NULL || strcmp(endpoint_kind_name(scheme->kind), name) != 0)
        return -1;
    *out = scheme->kind;
    return 0;
}

bool endpoint_equal(const struct endpoint *a, const struct endpoint *b)
{
    if (a->kind != b->kind)
        return false;
    if (a->kind != ENDPOINT_FD)
        return addr_equal(&a->addr, &b->addr);
    return a->name != NULL && b->name != NULL && strcmp(a->name, b->name) == 0;
}

char *endpoint_print(const struct endpoint *endpoint, char *out, size_t room)
{
    char address[ADDR_TEXT] = "";
    const char *rest = address;

    if (endpoint->kind == ENDPOINT_FD)
        rest = endpoint->name != NULL ? endpoint->name : "";
    else
        addr_print(&endpoint->addr, address, sizeof address);
    if (str_starts(rest, "unix:"))
        rest += strlen("unix:");
    snprintf(out, room, "%s://%s", endpoint_kind_name(endpoint->kind), rest);
    return out;
}

void endpoint_free(struct endpoint *endpoint)
{
    mem_free(&endpoint->text);
    mem_free(&endpoint->name);
}
