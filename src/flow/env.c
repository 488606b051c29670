#include "flow/env.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/addr.h"
#include "base/mem.h"

#define PLACE_ROOM 80 /* any address without a port, any number */
#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* Takes the entry over; one of the same name before it goes. */
static void put(struct env *env, char *entry)
{
    size_t name = strcspn(entry, "=") + 1;

    for (size_t i = 0; i < env->count; i++)
        if (strncmp(env->at[i], entry, name) == 0) {
            mem_free(&env->at[i]);
            env->at[i] = entry;
            return;
        }
    env->at = mem_grow(env->at, env->count + 2, sizeof(*env->at));
    env->at[env->count++] = entry;
    env->at[env->count] = NULL;
}

static void put_value(struct env *env, const char *prefix, const char *name,
                      const char *value)
{
    put(env, mem_print("%s%s=%s", prefix, name, value));
}

/* "NAME=" and room behind it. */
static void put_place(struct env *env, const char *prefix, const char *name,
                      enum env_place place)
{
    size_t length = strlen(prefix) + strlen(name) + 1;
    char *entry = mem_new(length + PLACE_ROOM);

    snprintf(entry, length + 1, "%s%s=", prefix, name);
    env->places[place] = entry + length;
    put(env, entry);
}

static void pass(struct env *env, const char *name, const char *otherwise)
{
    const char *value = getenv(name);

    if (value == NULL)
        value = otherwise;
    if (value != NULL)
        put_value(env, "", name, value);
}

static void put_row(struct env *env, const struct plan_service *service)
{
    pass(env, "PATH", DEFAULT_PATH);
    pass(env, "LANG", NULL);
    pass(env, "TZ", NULL);
    for (size_t i = 0; i < service->pass_env.count; i++)
        pass(env, service->pass_env.at[i], NULL);
    for (size_t i = 0; i < service->env.count; i++)
        put(env, mem_text(service->env.at[i]));
}

static void put_local(struct env *env, const char *prefix,
                      const struct endpoint *endpoint, bool has_peer)
{
    char text[ADDR_TEXT];

    if (addr_is_any(&endpoint->addr) && has_peer)
        put_place(env, prefix, "LOCALIP", ENV_LOCAL_IP);
    else
        put_value(env, prefix, "LOCALIP",
                  addr_print_host(&endpoint->addr, text, sizeof(text)));
    snprintf(text, sizeof(text), "%u", addr_port(&endpoint->addr));
    put_value(env, prefix, "LOCALPORT", text);
}

static void put_ucspi_unix(struct env *env, const struct endpoint *endpoint,
                           bool has_peer)
{
    char text[ADDR_TEXT];

    addr_print(&endpoint->addr, text, sizeof(text));
    put(env, mem_text("PROTO=UNIX"));
    if (strncmp(text, "unix:", 5) == 0)
        put_value(env, "", "UNIXLOCALPATH", text + 5);
    if (!has_peer)
        return;
    put_place(env, "UNIX", "REMOTEEUID", ENV_REMOTE_UID);
    put_place(env, "UNIX", "REMOTEEGID", ENV_REMOTE_GID);
    put_place(env, "UNIX", "REMOTEPID", ENV_REMOTE_PID);
}

static bool is_unix(const struct endpoint *endpoint)
{
    return endpoint->addr.storage.ss_family == AF_UNIX;
}

static void put_ucspi(struct env *env, const struct endpoint *endpoint, bool has_peer)
{
    const char *prefix = endpoint->kind == ENDPOINT_UDP ? "UDP" : "TCP";

    if (is_unix(endpoint)) {
        put_ucspi_unix(env, endpoint, has_peer);
        return;
    }
    put_value(env, "", "PROTO", prefix);
    put_local(env, prefix, endpoint, has_peer);
    if (!has_peer)
        return;
    put_place(env, prefix, "REMOTEIP", ENV_REMOTE_IP);
    put_place(env, prefix, "REMOTEPORT", ENV_REMOTE_PORT);
}

/* "echo:echo": a name per descriptor; what was passed in keeps the name it came with. */
static char *listen_names(const struct plan_service *service, size_t fds)
{
    char *names = mem_text("");

    for (size_t i = 0; i < fds; i++) {
        const struct endpoint *endpoint =
            i < service->endpoint_count ? &service->endpoints[i] : NULL;
        const char *name = endpoint != NULL && endpoint->name != NULL ? endpoint->name
                                                                      : service->name;
        char *longer = mem_print("%s%s%s", names, i > 0 ? ":" : "", name);

        mem_free(&names);
        names = longer;
    }
    return names;
}

static void put_systemd(struct env *env, const struct plan_service *service,
                        const struct endpoint *endpoint, size_t fds)
{
    char count[24], *names;

    if (!service->wait) {
        if (is_unix(endpoint))
            return;
        put_place(env, "", "REMOTE_ADDR", ENV_REMOTE_IP);
        put_place(env, "", "REMOTE_PORT", ENV_REMOTE_PORT);
        return;
    }
    snprintf(count, sizeof(count), "%zu", fds);
    put_value(env, "", "LISTEN_FDS", count);
    put_place(env, "", "LISTEN_PID", ENV_LISTEN_PID);
    names = listen_names(service, fds);
    put_value(env, "", "LISTEN_FDNAMES", names);
    mem_free(&names);
}

void env_init(struct env *env, const struct plan_service *service,
              const struct endpoint *endpoint, size_t fds)
{
    *env = (struct env)ENV_EMPTY;
    put_row(env, service);
    switch ((enum plan_env_style)service->env_style) {
    case PLAN_ENV_UCSPI:
        put_ucspi(env, endpoint, !service->wait);
        break;
    case PLAN_ENV_XINETD:
        if (!service->wait && !is_unix(endpoint))
            put_place(env, "", "REMOTE_HOST", ENV_REMOTE_IP);
        break;
    case PLAN_ENV_SYSTEMD:
        put_systemd(env, service, endpoint, fds);
        break;
    case PLAN_ENV_NONE:
        break;
    }
}

__attribute__((format(printf, 3, 4))) static void fill(struct env *env,
                                                       enum env_place place,
                                                       const char *format, ...)
{
    va_list args;

    if (env->places[place] == NULL)
        return;
    va_start(args, format);
    vsnprintf(env->places[place], PLACE_ROOM, format, args);
    va_end(args);
}

static void patch_local(struct env *env, int fd)
{
    struct usher_address local = { .length = sizeof(local.storage) };

    if (env->places[ENV_LOCAL_IP] == NULL)
        return;
    env->places[ENV_LOCAL_IP][0] = '\0';
    if (getsockname(fd, (struct sockaddr *)&local.storage, &local.length) == -1)
        return;
    addr_normalize(&local);
    addr_print_host(&local, env->places[ENV_LOCAL_IP], PLACE_ROOM);
}

static void patch_unix(struct env *env, int fd)
{
    struct ucred ucred;
    socklen_t length = sizeof(ucred);

    if (env->places[ENV_REMOTE_UID] == NULL)
        return;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &ucred, &length) == -1) {
        fill(env, ENV_REMOTE_UID, "%s", "");
        fill(env, ENV_REMOTE_GID, "%s", "");
        fill(env, ENV_REMOTE_PID, "%s", "");
        return;
    }
    fill(env, ENV_REMOTE_UID, "%u", (unsigned)ucred.uid);
    fill(env, ENV_REMOTE_GID, "%u", (unsigned)ucred.gid);
    fill(env, ENV_REMOTE_PID, "%d", (int)ucred.pid);
}

void env_patch(struct env *env, int fd, const struct peer *peer)
{
    struct usher_address address;

    if (peer->kind == PEER_UNIX) {
        patch_unix(env, fd);
        return;
    }
    patch_local(env, fd);
    peer_get(peer, &address);
    if (env->places[ENV_REMOTE_IP] != NULL)
        addr_print_host(&address, env->places[ENV_REMOTE_IP], PLACE_ROOM);
    fill(env, ENV_REMOTE_PORT, "%u", (unsigned)peer->port);
}

void env_fini(struct env *env)
{
    for (size_t i = 0; i < env->count; i++)
        mem_free(&env->at[i]);
    mem_free(&env->at);
    *env = (struct env)ENV_EMPTY;
}
