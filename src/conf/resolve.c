#include "conf/resolve.h"

#include <errno.h>
#include <grp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pwd.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

#define PORT_MAX 65535

/* ---- hosts ----------------------------------------------------------------------- */

static void set_any(struct usher_address *out, int family)
{
    struct sockaddr_in v4 = { .sin_family = AF_INET };
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };

    memset(out, 0, sizeof(*out));
    if (family == AF_INET)
        memcpy(&out->storage, &v4, sizeof(v4));
    else
        memcpy(&out->storage, &v6, sizeof(v6));
    out->length = family == AF_INET ? sizeof(v4) : sizeof(v6);
}

static int any_hosts(int family, struct usher_address *out)
{
    int count = 0;

    if (family != AF_INET6)
        set_any(&out[count++], AF_INET);
    if (family != AF_INET)
        set_any(&out[count++], AF_INET6);
    return count;
}

static bool is_known(const struct usher_address *known, int count,
                     const struct usher_address *addr)
{
    for (int i = 0; i < count; i++)
        if (addr_equal(&known[i], addr))
            return true;
    return false;
}

static int named_hosts(const char *host, int family, struct usher_address *out,
                       struct err *err)
{
    struct addrinfo hints = { .ai_family = family, .ai_socktype = SOCK_STREAM },
                    *found = NULL;
    int result = getaddrinfo(host, NULL, &hints, &found), count = 0;

    if (result != 0)
        return err_set(err, "the name \"%s\" cannot be resolved: %s", host,
                       gai_strerror(result));
    for (struct addrinfo *at = found; at != NULL && count < RESOLVE_HOSTS;
         at = at->ai_next) {
        struct usher_address addr = { 0 };

        if (at->ai_addrlen > sizeof(addr.storage))
            continue;
        memcpy(&addr.storage, at->ai_addr, at->ai_addrlen);
        addr.length = at->ai_addrlen;
        addr_normalize(&addr);
        if (!is_known(out, count, &addr))
            out[count++] = addr;
    }
    freeaddrinfo(found);
    return count > 0 ? count : err_set(err, "the name \"%s\" has no address", host);
}

/* Digits, dots, colons, brackets: meant as an address, and never asked for as a name. */
static bool looks_numeric(const char *host)
{
    return strchr(host, ':') != NULL || host[0] == '['
           || strspn(host, "0123456789.") == strlen(host);
}

int resolve_host(const char *host, int family, struct usher_address *out, struct err *err)
{
    struct err numeric = ERR_EMPTY;

    if (strcmp(host, "*") == 0)
        return any_hosts(family, out);
    if (addr_parse_host(host, out, &numeric) == -1) {
        if (looks_numeric(host))
            return err_set(err, "%s", numeric.text);
        return named_hosts(host, family, out, err);
    }
    addr_normalize(out);
    if (family != AF_UNSPEC && out->storage.ss_family != family)
        return err_set(err, "%s is not IPv%d", host, family == AF_INET ? 4 : 6);
    return 1;
}

/* ---- ports ----------------------------------------------------------------------- */

int resolve_port(const char *port, const char *protocol, unsigned *out, struct err *err)
{
    struct servent *entry;
    int64_t number;

    if (port[0] != '\0' && strspn(port, "0123456789") == strlen(port)) {
        if (str_to_int(port, 0, INT64_MAX, &number) == -1)
            return err_set(err, "\"%s\" is not a port", port);
        if (number > PORT_MAX)
            return err_set(err, "%s is above 65535", port);
        *out = (unsigned)number;
        return 0;
    }
    entry = port[0] != '\0' ? getservbyname(port, protocol) : NULL;
    if (entry == NULL)
        return err_set(err, "the port \"%s\" is not in the services file%s%s", port,
                       protocol != NULL ? " for " : "", protocol != NULL ? protocol : "");
    *out = ntohs((uint16_t)entry->s_port);
    return 0;
}

int resolve_address(const char *text, struct usher_address *out, struct err *err)
{
    struct usher_address found[RESOLVE_HOSTS];
    const char *colon = strrchr(text, ':');
    char host[256];
    struct str copy;
    unsigned port;

    if (colon == NULL || colon == text || colon[1] == '\0')
        return err_set(err, "\"%s\" is not HOST:PORT", text);
    str_init(&copy, host, sizeof(host));
    str_add_bytes(&copy, text, (size_t)(colon - text));
    if (copy.is_cut)
        return err_set(err, "the host is too long");
    if (resolve_port(colon + 1, NULL, &port, err) == -1
        || resolve_host(host, AF_UNSPEC, found, err) == -1)
        return -1;
    *out = found[0];
    addr_set_port(out, port);
    return 0;
}

/* ---- users and groups ------------------------------------------------------------ */

static bool to_id(const char *text, int64_t *out)
{
    return str_to_int(text, 0, (int64_t)UINT32_MAX - 1, out) == 0;
}

/* After a look-up that found nothing: getpwnam(3) lists what systems leave in errno when
 * there is nothing to be found. */
static int not_found(const char *kind, const char *name, struct err *err)
{
    switch (errno) {
    case 0:
    case ENOENT:
    case ESRCH:
    case EBADF:
    case EPERM:
        return err_set(err, "there is no %s \"%s\"", kind, name);
    default:
        return err_sys(err, "the %s \"%s\" cannot be looked up", kind, name);
    }
}

int resolve_user(const char *user, uid_t *uid_out, gid_t *gid_out, struct err *err)
{
    struct passwd *entry;
    int64_t id;

    errno = 0;
    entry = getpwnam(user);
    if (entry == NULL && to_id(user, &id)) {
        *uid_out = (uid_t)id;
        entry = getpwuid(*uid_out);
        *gid_out = entry != NULL ? entry->pw_gid : (gid_t)-1;
        return 0;
    }
    if (entry == NULL)
        return not_found("user", user, err);
    *uid_out = entry->pw_uid;
    *gid_out = entry->pw_gid;
    return 0;
}

char *resolve_user_name(uid_t uid)
{
    struct passwd *entry = getpwuid(uid);

    return entry != NULL ? mem_text(entry->pw_name)
                         : mem_print("%lu", (unsigned long)uid);
}

int resolve_group(const char *group, gid_t *gid_out, struct err *err)
{
    struct group *entry;
    int64_t id;

    errno = 0;
    entry = getgrnam(group);
    if (entry == NULL && to_id(group, &id)) {
        *gid_out = (gid_t)id;
        return 0;
    }
    if (entry == NULL)
        return not_found("group", group, err);
    *gid_out = entry->gr_gid;
    return 0;
}
