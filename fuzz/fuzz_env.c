/*
 * A program's environment: the first byte is the style, the kind of listener and what
 * else varies, the lines behind it are items of env and, where they begin with "<", of
 * pass_env. What the table accepts gives an environment of unique names with one "=" each
 * that counts, all of them on the list of what may be there; a peer changes values of its
 * own alone.
 */
#include <stdio.h>
#include <string.h>

#include "base/addr.h"
#include "base/mem.h"
#include "flow/env.h"
#include "fuzz.h"
#include "oracle.h"
#include "tables.h"

#define ITEMS 16

static const char *const styles[] = {"ucspi", "xinetd", "systemd", "none"};
static const char *const listeners[] = {"tcp://127.0.0.1:7", "tcp6://[::]:7",
                                        "unix:///run/x", "unix://@a=b",
                                        "tcp://0.0.0.0:9"};

struct row {
    char *items[ITEMS];
    size_t count;
    bool wait;
    const char *style, *listen;
};

static void add(char **out, const char *text)
{
    char *longer = mem_print("%s%s", *out, text);

    mem_free(out);
    *out = longer;
}

/* Every byte as an escape, so that none of them is the table's. */
static void add_text(char **out, const char *text)
{
    char escape[8];

    for (; *text != '\0'; text++) {
        snprintf(escape, sizeof(escape), "\\x%02x", (unsigned)(unsigned char)*text);
        add(out, escape);
    }
}

static void add_list(char **out, const char *key, const struct row *row, bool is_pass)
{
    const char *comma = "";

    add(out, key);
    add(out, " = [");
    for (size_t i = 0; i < row->count; i++) {
        if ((row->items[i][0] == '<') != is_pass)
            continue;
        add(out, comma);
        add(out, "\"");
        add_text(out, row->items[i] + is_pass);
        add(out, "\"");
        comma = ", ";
    }
    add(out, "]; ");
}

/* As an administrator would have to write it. */
static struct plan *plan_of(const struct row *row)
{
    struct mistakes mistakes = { 0 };
    char *out = mem_text("services: { s: { exec = \"/bin/sh\"; user = \"4242\"; ");
    struct plan *plan;

    add_list(&out, "env", row, false);
    add_list(&out, "pass_env", row, true);
    add(&out, row->wait ? "wait = true; " : "");
    add(&out, "env_style = \"");
    add(&out, row->style);
    add(&out, "\"; listen = \"");
    add(&out, row->listen);
    add(&out, "\"; }; };");
    plan = tables_read(out, strlen(out), &mistakes);
    mistakes_free(&mistakes);
    mem_free(&out);
    return plan;
}

/* ---- what may be there
 * ----------------------------------------------------------------- */

static size_t name_length(const char *entry)
{
    const char *equals = strchr(entry, '=');

    must(equals != NULL && equals != entry);
    return (size_t)(equals - entry);
}

static bool is_name(const char *entry, const char *name)
{
    return strlen(name) == name_length(entry) && strncmp(entry, name, strlen(name)) == 0;
}

static bool is_allowed(const char *entry, const struct plan_service *service)
{
    static const char *const ours[] = {
        "PATH",           "LANG",           "TZ",
        "PROTO",          "TCPLOCALIP",     "TCPLOCALPORT",
        "TCPREMOTEIP",    "TCPREMOTEPORT",  "UNIXLOCALPATH",
        "UNIXREMOTEEUID", "UNIXREMOTEEGID", "UNIXREMOTEPID",
        "REMOTE_HOST",    "REMOTE_ADDR",    "REMOTE_PORT",
        "LISTEN_FDS",     "LISTEN_PID",     "LISTEN_FDNAMES"};

    for (size_t i = 0; i < ARRAY_LEN(ours); i++)
        if (is_name(entry, ours[i]))
            return true;
    for (size_t i = 0; i < service->env.count; i++)
        if (strcmp(service->env.at[i], entry) == 0)
            return true;
    for (size_t i = 0; i < service->pass_env.count; i++)
        if (is_name(entry, service->pass_env.at[i]))
            return true;
    return false;
}

static bool is_identifier(const char *text, size_t count)
{
    return strspn(text,
                  "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") >=
               count &&
           (text[0] < '0' || text[0] > '9');
}

static void look_at(const struct env *env, const struct plan_service *service)
{
    must(env->at[env->count] == NULL);
    for (size_t i = 0; i < env->count; i++) {
        size_t length = name_length(env->at[i]);

        must(is_identifier(env->at[i], length));
        must(is_allowed(env->at[i], service));
        for (size_t j = 0; j < i; j++)
            must(strncmp(env->at[i], env->at[j], length + 1) != 0);
    }
}

/* Every entry that has no place for a peer's value stays as it was. */
static void patch(struct env *env, const struct plan_service *service)
{
    static const char *const peers[] = {"192.0.2.7:4000", "[2001:db8:1:2:3:4:5:6]:65535",
                                        "255.255.255.255:1"};

    for (size_t i = 0; i < ARRAY_LEN(peers); i++) {
        struct usher_address address;
        struct peer peer;
        size_t count = env->count;

        must(addr_parse(peers[i], &address, NULL) == 0);
        peer_set(&peer, &address.storage, address.length);
        env_patch(env, -1, &peer);
        must(env->count == count);
        look_at(env, service);
    }
}

static void build(const struct row *row)
{
    struct plan *plan = plan_of(row);
    struct env env;

    if (plan == NULL)
        return;
    must(plan->service_count == 1);
    for (size_t i = 0; i < plan->services[0].endpoint_count; i++) {
        env_init(&env, &plan->services[0], &plan->services[0].endpoints[i], 2);
        look_at(&env, &plan->services[0]);
        if (!row->wait && strncmp(row->listen, "tcp", 3) == 0)
            patch(&env, &plan->services[0]);
        env_fini(&env);
    }
    plan_free(&plan);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    struct row row = { .count = 0 };
    char *text, *at, *item;

    if (count == 0 || count > 2048)
        return 0;
    row.style = styles[bytes[0] % ARRAY_LEN(styles)];
    row.listen = listeners[bytes[0] / 4 % ARRAY_LEN(listeners)];
    row.wait = bytes[0] >= 128;
    text = at = mem_bytes((const char *)bytes + 1, count - 1);
    while (row.count < ITEMS && *at != '\0' && (item = strsep(&at, "\n")) != NULL) {
        row.items[row.count++] = item;
        if (at == NULL)
            break;
    }
    build(&row);
    mem_free(&text);
    return 0;
}
