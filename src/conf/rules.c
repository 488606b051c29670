#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/mem.h"
#include "base/opt.h"
#include "conf/checking.h"
#include "conf/keys.h"
#include "conf/safe.h"
#include "conf/value.h"

/* ---- which keys go with which rows ----------------------------------------------- */

/* What a row is. */
enum {
    IS_PROGRAM = 1,
    IS_PLUGIN = 2,
    IS_CHILD = 4,   /* runs in children that can have limits */
    IS_VISIBLE = 8, /* the host sees its bytes */
    IS_UDP_PLUGIN = 16,
    IS_FILE = 32, /* a UNIX socket that is a file */
    IS_TCP = 64,
    IS_INET = 128,
    IS_STREAM = 256,
    IS_NOT_WAIT = 512,
    IS_BYTES = 1024,    /* its connections are streams of bytes */
    IS_NOT_SENDER = 2048, /* hands no connection over itself */
    IS_JUDGING = 4096     /* somebody may be denied */
};

#define UNENFORCED                                                                       \
    "is not for wait rows: they take their callers themselves, nobody could enforce it"
#define NOT_FILE "is for UNIX endpoints with a path only"
#define UNPROVED                                                                         \
    "is for endpoints with connections only: a datagram's source is not proved, use rate"

static const struct rule {
    const char *key;
    unsigned needs;
    const char *why;
} rules[] = {
    { "argv0", IS_PROGRAM, "is for programs (exec) only" },
    { "wait", IS_PROGRAM, "is for programs (exec) only" },
    { "env", IS_PROGRAM, "is for programs (exec) only" },
    { "pass_env", IS_PROGRAM, "is for programs (exec) only" },
    { "env_style", IS_PROGRAM, "is for programs (exec) only" },
    { "stderr", IS_PROGRAM, "is for programs (exec) only" },
    { "privileges", IS_PROGRAM, "is for programs (exec) only" },
    { "root", IS_PROGRAM,
      "is for programs (exec) only: a plugin has an empty root directory" },
    { "mode", IS_PLUGIN, "is for plugins only" },
    { "first_byte_timeout", IS_VISIBLE,
      "is for plugins with callbacks only: nobody could see it here" },
    { "idle_timeout", IS_VISIBLE,
      "is for plugins with callbacks only: nobody could see it here" },
    { "limits.nofile", IS_CHILD, "is for programs and mode \"fork\" only" },
    { "limits.as", IS_CHILD, "is for programs and mode \"fork\" only" },
    { "limits.cpu", IS_CHILD, "is for programs and mode \"fork\" only" },
    { "limits.core", IS_CHILD, "is for programs and mode \"fork\" only" },
    { "limits.fsize", IS_CHILD, "is for programs and mode \"fork\" only" },
    { "limits.nproc", IS_CHILD, "is for programs and mode \"fork\" only" },
    { "limits.memlock", IS_CHILD, "is for programs and mode \"fork\" only" },
    { "limits.stack", IS_CHILD, "is for programs and mode \"fork\" only" },
    { "limits.data", IS_CHILD, "is for programs and mode \"fork\" only" },
    { "reply_from_low_ports", IS_UDP_PLUGIN, "is for plugins on a UDP endpoint only" },
    { "amplify", IS_UDP_PLUGIN, "is for plugins on a UDP endpoint only" },
    { "socket_mode", IS_FILE, NOT_FILE },
    { "socket_user", IS_FILE, NOT_FILE },
    { "socket_group", IS_FILE, NOT_FILE },
    { "nodelay", IS_TCP, "is for TCP endpoints only" },
    { "keepalive", IS_TCP, "is for TCP endpoints only" },
    { "defer_accept", IS_TCP, "is for TCP endpoints only" },
    { "freebind", IS_INET, "is for TCP and UDP endpoints only" },
    { "interface", IS_INET, "is for TCP and UDP endpoints only" },
    { "backlog", IS_STREAM, "is for endpoints with connections only" },
    { "log_connections", IS_NOT_WAIT,
      "is not for wait rows: nobody sees their connections" },
    { "allow", IS_NOT_WAIT, UNENFORCED },
    { "deny", IS_NOT_WAIT, UNENFORCED },
    { "max_per_source", IS_NOT_WAIT, UNENFORCED },
    { "max_per_source", IS_STREAM, UNPROVED },
    { "rate", IS_NOT_WAIT, UNENFORCED },
    { "rate_per_source", IS_NOT_WAIT, UNENFORCED },
    { "rate_per_source", IS_STREAM, UNPROVED },
    { "on_limit", IS_NOT_WAIT, UNENFORCED },
    { "on_limit", IS_STREAM, "is for endpoints with connections only" },
    { "max_load", IS_NOT_WAIT, UNENFORCED },
    { "hours", IS_NOT_WAIT, UNENFORCED },
    { "banner", IS_NOT_WAIT, UNENFORCED },
    { "banner", IS_STREAM, "is for endpoints with connections only" },
    { "banner_denied", IS_NOT_WAIT, UNENFORCED },
    { "banner_denied", IS_STREAM, "is for endpoints with connections only" },
    { "banner_denied", IS_JUDGING,
      "is for rows with allow, deny or hours: nobody is denied here" },
    { "banner_busy", IS_NOT_WAIT, UNENFORCED },
    { "banner_busy", IS_STREAM, "is for endpoints with connections only" },
    { "tcpmux", IS_STREAM, "is for endpoints with connections only" },
    { "tcpmux", IS_BYTES, "is not for packets (unix-seqpacket)" },
    { "tcpmux", IS_NOT_WAIT, "is not for wait rows: they take their callers themselves" },
    { "tcpmux", IS_NOT_SENDER, "is not for the service that hands its callers over" },
};

/* Not a path that was refused, which is no address. */
static bool is_abstract(const struct usher_address *addr)
{
    return addr->length > 0
           && ((const struct sockaddr_un *)&addr->storage)->sun_path[0] == '\0';
}

/* A listener that is passed in may be anything; so may endpoints that are mistakes. */
static unsigned endpoint_facts(const struct plan_service *service)
{
    unsigned facts = 0;
    bool has_packets = false;

    if (service->endpoint_count == 0)
        return IS_UDP_PLUGIN | IS_FILE | IS_TCP | IS_INET | IS_STREAM | IS_BYTES;
    for (size_t i = 0; i < service->endpoint_count; i++) {
        enum endpoint_kind kind = service->endpoints[i].kind;

        if (kind == ENDPOINT_FD)
            facts |= IS_UDP_PLUGIN | IS_TCP | IS_INET | IS_STREAM;
        else if (kind == ENDPOINT_TCP)
            facts |= IS_TCP | IS_INET | IS_STREAM;
        else if (kind == ENDPOINT_UDP)
            facts |= IS_UDP_PLUGIN | IS_INET;
        else
            facts |= (is_abstract(&service->endpoints[i].addr) ? 0u : IS_FILE)
                     | (kind == ENDPOINT_UNIX_DGRAM ? 0u : IS_STREAM);
        has_packets = has_packets || kind == ENDPOINT_UNIX_SEQPACKET;
    }
    return facts | (has_packets ? 0 : IS_BYTES);
}

/* Where nobody could be told either, another mistake says so already. */
static bool is_judging(const struct plan_service *service, unsigned facts)
{
    return service->allow.count + service->deny.count + service->hours.count > 0 ||
           service->wait || (facts & IS_STREAM) == 0;
}

static unsigned facts_of(const struct plan_service *service)
{
    bool is_program = service->exec.count > 0, is_plugin = service->plugin != NULL;
    bool is_fork = service->mode == PLAN_FORK;
    unsigned facts = endpoint_facts(service);

    if (!is_plugin)
        facts &= ~(unsigned)IS_UDP_PLUGIN;
    return facts | (is_program ? IS_PROGRAM : 0) | (is_plugin ? IS_PLUGIN : 0)
           | (is_program || is_fork ? IS_CHILD : 0)
           | (is_plugin && !service->is_blocking ? IS_VISIBLE : 0)
           | (service->wait ? 0 : IS_NOT_WAIT)
           | (is_judging(service, facts) ? IS_JUDGING : 0)
           | (plan_hands_over(service) ? 0 : IS_NOT_SENDER);
}

/* What somebody may rely on where the defaults say it. */
static bool is_protection(const char *key)
{
    return strcmp(key, "allow") == 0 || strcmp(key, "deny") == 0
           || strcmp(key, "hours") == 0;
}

/* Nobody shall believe in a protection that is not there. */
static void warn_of_default(struct row_check *row, const struct usher_option *key)
{
    unsigned line;
    const char *file = row_place(row, key->key, (size_t)-1, &line);

    if (is_protection(key->key) && row->service->enabled
        && !opt_is_preset(key, row->service))
        mistake_warn(row->all->mistakes, file, line,
                     "%s: does not hold for service %s, a wait row, which takes its "
                     "callers itself",
                     key->key, row->service->name);
}

/* The row's own keys are refused; those of defaults just do not apply. */
static void check_keys(struct row_check *row)
{
    unsigned facts = facts_of(row->service);

    for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
        const struct usher_option *key = opt_find(keys_service, rules[i].key);

        if ((facts & rules[i].needs) != 0)
            continue;
        if (row_says(row, rules[i].key)) {
            row_mistake(row, rules[i].key, "%s", rules[i].why);
            continue;
        }
        warn_of_default(row, key);
        value_reset(key, row->service);
    }
    if ((facts & IS_VISIBLE) == 0)
        row->service->first_byte_timeout = row->service->idle_timeout = -1;
    if (row_says(row, "options") && row->service->plugin == NULL)
        row_mistake(row, "options", "is for plugins only");
}

/* ---- what runs where ------------------------------------------------------------- */

static bool is_datagram(enum endpoint_kind kind)
{
    return kind == ENDPOINT_UDP || kind == ENDPOINT_UNIX_DGRAM;
}

/* What may block has a child of its own, and what answers from its worker's loop has
 * none. */
static void check_mode(struct row_check *row, unsigned shapes)
{
    const struct plan_service *service = row->service;
    bool is_fork = service->mode == PLAN_FORK;

    if (!is_fork && service->is_blocking && (shapes & USHER_STREAM) != 0)
        row_mistake(row, "plugin", "%s blocks while it serves: it needs mode = \"fork\"",
                    service->plugin);
    else if (!is_fork && (service->needs & USHER_NEEDS_PASSWD) != 0)
        row_mistake(row, "plugin", "%s looks people up: it needs mode = \"fork\"",
                    service->plugin);
    if (is_fork && (shapes & USHER_STREAM) != 0 &&
        (service->needs & USHER_NEEDS_STREAM_LOOP) != 0)
        row_mistake(row, "mode",
                    "plugin %s serves connections in mode = \"dispatch\" only",
                    service->plugin);
    if (is_fork && (shapes & USHER_DATAGRAM) != 0 &&
        (service->needs & USHER_NEEDS_DATAGRAM_LOOP) != 0)
        row_mistake(row, "mode", "plugin %s serves datagrams in mode = \"dispatch\" only",
                    service->plugin);
}

static void check_shape(struct row_check *row, const struct endpoint *endpoint)
{
    const struct plan_service *service = row->service;
    unsigned needed = is_datagram(endpoint->kind) ? USHER_DATAGRAM : USHER_STREAM;

    if (endpoint->kind == ENDPOINT_FD)
        return;
    if (service->exec.count > 0 && is_datagram(endpoint->kind) && !service->wait)
        row_mistake_at(row, "listen", endpoint->group,
                       "%s: a program on a datagram endpoint needs wait = true",
                       endpoint->text);
    if (row->descriptor != NULL && (row->descriptor->shapes & needed) == 0)
        row_mistake_at(row, "listen", endpoint->group, "%s: plugin %s serves %s only",
                       endpoint->text, service->plugin,
                       needed == USHER_STREAM ? "datagrams" : "connections");
}

/* Bytes stay in the socket until they are used, which only TCP can wait for; and the ways
 * to the other services are the worker's. */
static void check_sender(struct row_check *row)
{
    const struct plan_service *service = row->service;

    if (!plan_hands_over(service))
        return;
    if (service->mode == PLAN_FORK)
        row_mistake(row, "mode",
                    "plugin %s hands its callers over: it needs mode = \"dispatch\"",
                    service->plugin);
    for (size_t i = 0; i < service->endpoint_count; i++)
        if (service->endpoints[i].kind != ENDPOINT_TCP)
            row_mistake_at(row, "listen", service->endpoints[i].group,
                           "%s: plugin %s hands its callers over: it serves TCP only",
                           service->endpoints[i].text, service->plugin);
}

static void check_shapes(struct row_check *row)
{
    const struct plan_service *service = row->service;
    unsigned shapes = 0;

    check_sender(row);
    for (size_t i = 0; i < service->endpoint_count; i++) {
        const struct endpoint *endpoint = &service->endpoints[i];

        check_shape(row, endpoint);
        if (endpoint->kind != ENDPOINT_FD)
            shapes |= is_datagram(endpoint->kind) ? USHER_DATAGRAM : USHER_STREAM;
    }
    if (service->plugin != NULL)
        check_mode(row, shapes);
}

/* Who may write there, or anywhere on the way, may give the program other libraries, and
 * root another password file. What we may not look at the worker will find out. */
static const char *find_fault(const char *root, char *at, size_t room)
{
    const char *fault = NULL;
    struct stat st;

    errno = 0;
    for (size_t i = 1; fault == NULL && i <= strlen(root); i++) {
        if (root[i] != '/' && root[i] != '\0')
            continue;
        snprintf(at, room, "%.*s", (int)i, root);
        if (stat(at, &st) == -1)
            return errno == EACCES ? NULL : strerror(errno);
        fault = S_ISDIR(st.st_mode) ? safe_fault(&st) : "is not a directory";
    }
    return fault;
}

static void check_root(struct row_check *row)
{
    const char *root = row->service->root, *fault;
    char at[PATH_MAX];

    if (root == NULL || row->service->exec.count == 0)
        return;
    if (root[0] != '/' || strlen(root) >= sizeof(at)) {
        row_mistake(row, "root", "\"%s\" is not an absolute path", root);
        return;
    }
    fault = find_fault(root, at, sizeof(at));
    if (fault != NULL && (row->service->enabled || errno != ENOENT))
        row_mistake(row, "root", "%s: %s", at, fault);
}

static void check_directory(struct row_check *row)
{
    const char *directory = row->service->directory;
    struct stat st;

    if (directory[0] != '/')
        row_mistake(row, "directory", "\"%s\" is not an absolute path", directory);
    else if (checking_stat(row, directory, &st) == -1) {
        if (errno != EACCES && row->service->enabled)
            row_mistake(row, "directory", "%s: %s", directory, strerror(errno));
    } else if (!S_ISDIR(st.st_mode)) {
        row_mistake(row, "directory", "%s is not a directory", directory);
    }
}

static void check_pool(struct row_check *row)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789_-";
    const char *pool = row->service->pool;

    if (pool != NULL && strspn(pool, letters) != strlen(pool))
        row_mistake(row, "pool", "\"%s\" is not a plain word", pool);
}

/* ---- limits ---------------------------------------------------------------------- */

/* What sizes may be elsewhere; the system has no such buffer. */
static void check_buffer(struct row_check *row, const char *key, uint64_t size)
{
    if (size == USHER_SIZE_UNLIMITED)
        row_mistake(row, key, "\"unlimited\" is above 1G");
}

static void fill_limits(struct plan_service *service)
{
    const struct plan_limit all[] = {
        { RLIMIT_NOFILE, service->limits_nofile },
        { RLIMIT_AS, service->limits_as },
        { RLIMIT_CPU, service->limits_cpu },
        { RLIMIT_CORE, service->limits_core },
        { RLIMIT_FSIZE, service->limits_fsize },
        { RLIMIT_NPROC, service->limits_nproc },
        { RLIMIT_MEMLOCK, service->limits_memlock },
        { RLIMIT_STACK, service->limits_stack },
        { RLIMIT_DATA, service->limits_data },
    };

    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        if (all[i].value != USHER_SIZE_NONE)
            *MEM_PUSH(service->limits, service->limit_count) = all[i];
}

/* ---- warnings -------------------------------------------------------------------- */

static void warn_of_amplifier(struct row_check *row)
{
    const struct plan_service *service = row->service;
    char text[ADDR_TEXT + 32];
    unsigned line;
    const char *file = row_place(row, "amplify", (size_t)-1, &line);

    for (size_t i = 0;
         service->enabled && service->amplify && i < service->endpoint_count; i++)
        if (plan_is_udp(service, i) && !addr_is_loopback(&service->endpoints[i].addr)) {
            mistake_warn(row->all->mistakes, file, line,
                         "amplify: %s of service %s can be reached from outside: forged "
                         "requests could flood others with its replies",
                         endpoint_print(&service->endpoints[i], text, sizeof(text)),
                         service->name);
            return;
        }
}

void rules_check(struct row_check *row)
{
    const struct plan_service *service = row->service;

    if (service->plugin != NULL && service->exec.count > 0)
        row_mistake(row, "exec",
                    "the row has a plugin too; exactly one of the two can run");
    if (!row_says(row, "plugin") && !row_says(row, "exec"))
        row_mistake(row, NULL, "has neither plugin nor exec");
    else if (row_says(row, "exec") && service->exec.count == 0
             && table_find(row->row, "exec")->value_count == 0)
        row_mistake(row, "exec", "is empty");
    if (!row_says(row, "listen"))
        row_mistake(row, NULL, "has no listen");
    else if (table_find(row->row, "listen")->kind == TABLE_LIST
             && table_find(row->row, "listen")->value_count == 0)
        row_mistake(row, "listen", "is empty");
    /* What goes with what hangs on defaults, too: mode, wait. */
    if (!row->all->is_main_bad) {
        check_keys(row);
        check_shapes(row);
    }
    check_root(row);
    check_directory(row);
    check_pool(row);
    check_buffer(row, "receive_buffer", service->receive_buffer);
    check_buffer(row, "send_buffer", service->send_buffer);
    fill_limits(row->service);
    warn_of_amplifier(row);
}

/* ---- names ----------------------------------------------------------------------- */

/* tcpmux does not tell capitals from small letters, and has a word of its own. */
static void check_offer(const struct row_check *row, size_t number)
{
    const struct plan *plan = row->all->plan;

    if (strcasecmp(row->service->name, "help") == 0)
        row_mistake(row, "tcpmux",
                    "a caller who asks for \"%s\" gets the list of services",
                    row->service->name);
    for (size_t i = 0; i < number; i++)
        if (plan_is_offered(&plan->services[i])
            && strcasecmp(plan->services[i].name, row->service->name) == 0)
            row_mistake(row, "tcpmux", "service %s has the same name, but for capitals",
                        plan->services[i].name);
}

void rules_check_all(struct checking *all)
{
    for (size_t i = 0; i < all->plan->service_count; i++) {
        struct row_check row = { all, &all->table.rows[i], &all->plan->services[i],
                                 NULL };

        if (plan_is_offered(row.service))
            check_offer(&row, i);
    }
}
