/*
 * The system's name look-ups, as far as fuzz targets need them: a few names that are
 * always the same, and nobody is asked over a network. Linked in front of the C
 * library's.
 */
#include <errno.h>
#include <grp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pwd.h>
#include <string.h>

static char root[] = "root", nobody[] = "nobody", star[] = "x", place[] = "/",
            shell[] = "/bin/sh";
static char echo[] = "echo", finger[] = "finger", tcp[] = "tcp", udp[] = "udp";
static char *none[] = { NULL };

static struct passwd users[] = {
    {root, star, 0, 0, root, place, shell},
    {nobody, star, 65534, 65534, nobody, place, shell},
};
static struct group groups[] = {
    {root, star, 0, none},
    {nobody, star, 65534, none},
};
static struct servent ports[] = {
    {echo, none, 7 << 8, tcp},
    {echo, none, 7 << 8, udp},
    {finger, none, 79 << 8, tcp},
};

struct passwd *getpwnam(const char *name)
{
    for (size_t i = 0; i < sizeof(users) / sizeof(users[0]); i++)
        if (strcmp(users[i].pw_name, name) == 0)
            return &users[i];
    return NULL;
}

struct passwd *getpwuid(uid_t uid)
{
    for (size_t i = 0; i < sizeof(users) / sizeof(users[0]); i++)
        if (users[i].pw_uid == uid)
            return &users[i];
    return NULL;
}

struct group *getgrnam(const char *name)
{
    for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
        if (strcmp(groups[i].gr_name, name) == 0)
            return &groups[i];
    return NULL;
}

struct servent *getservbyname(const char *name, const char *proto)
{
    for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++)
        if (strcmp(ports[i].s_name, name) == 0 && strcmp(ports[i].s_proto, proto) == 0)
            return &ports[i];
    return NULL;
}

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **found)
{
    static struct sockaddr_in6 six = {.sin6_family = AF_INET6,
                                      .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    static struct sockaddr_in four = { .sin_family = AF_INET };
    static struct addrinfo second = { .ai_family = AF_INET6, .ai_addrlen = sizeof(six) };
    static struct addrinfo first = { .ai_family = AF_INET, .ai_addrlen = sizeof(four) };

    (void)service;
    if (strcmp(name, "localhost") != 0)
        return EAI_NONAME;
    four.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    first.ai_addr = (struct sockaddr *)&four;
    second.ai_addr = (struct sockaddr *)&six;
    first.ai_next = hints->ai_family == AF_UNSPEC ? &second : NULL;
    *found = hints->ai_family == AF_INET6 ? &second : &first;
    return 0;
}

void freeaddrinfo(struct addrinfo *found)
{
    (void)found;
}
