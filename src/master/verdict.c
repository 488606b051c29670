#include "master/verdict.h"

#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/mem.h"
#include "flow/explain.h"
#include "master/master.h"

#define SHOWN 128
#define ID_MAX 4294967294 /* the one above is "none" */

/* ---- who asks ---- */

static int read_id(const char *text, size_t length, unsigned *out, struct err *err)
{
    char digits[16];
    int64_t number;

    if (length < sizeof(digits)) {
        memcpy(digits, text, length);
        digits[length] = '\0';
        if (str_to_int(digits, 0, ID_MAX, &number) == 0) {
            *out = (unsigned)number;
            return 0;
        }
    }
    return err_set(
        err, "a caller of a UNIX socket is \"unix\", \"unix:UID\" or \"unix:UID:GID\"");
}

/* rest: "", ":UID" or ":UID:GID" */
static int read_unix(const char *rest, struct explain *question,
                     struct usher_address *peer, struct err *err)
{
    size_t length;

    *peer = (struct usher_address){ .length = sizeof(sa_family_t) };
    peer->storage.ss_family = AF_UNIX;
    if (rest[0] == '\0')
        return 0;
    length = strcspn(rest + 1, ":");
    question->has_ids = true;
    question->gid = (gid_t)-1;
    if (read_id(rest + 1, length, &question->uid, err) == -1)
        return -1;
    rest += 1 + length;
    return rest[0] == '\0' ? 0 : read_id(rest + 1, strlen(rest + 1), &question->gid, err);
}

static int read_address(const char *text, struct usher_address *out, struct err *err)
{
    char shown[SHOWN];

    if (addr_parse_host(text, out, NULL) == -1 && addr_parse(text, out, NULL) == -1)
        return err_set(err, "\"%s\" is not a numeric address",
                       log_escape(shown, sizeof(shown), text, strlen(text)));
    addr_normalize(out);
    return 0;
}

static int read_peer(const char *text, struct explain *question,
                     struct usher_address *peer, struct err *err)
{
    bool is_unix = strcmp(text, "unix") == 0 || str_starts(text, "unix:");

    question->peer = peer;
    return is_unix ? read_unix(text + strlen("unix"), question, peer, err)
                   : read_address(text, peer, err);
}

/* ---- one kind of caller ---- */

static bool is_for(const struct plan_service *service, size_t i,
                   const struct explain *question)
{
    const struct endpoint *endpoint = &service->endpoints[i];
    bool is_unix = question->peer->storage.ss_family == AF_UNIX;
    bool takes_unix = endpoint->kind == ENDPOINT_UNIX ||
                      endpoint->kind == ENDPOINT_UNIX_DGRAM ||
                      endpoint->kind == ENDPOINT_UNIX_SEQPACKET;

    if (endpoint->kind != ENDPOINT_FD && takes_unix != is_unix)
        return false;
    return endpoint_is_stream(endpoint->kind) != question->is_datagram;
}

static bool has_endpoint(const struct explain *question)
{
    for (size_t i = 0; i < question->service->endpoint_count; i++)
        if (is_for(question->service, i, question))
            return true;
    return false;
}

static void add_rule(struct record_out *out, const struct explain *question,
                     const char *key, const char *text)
{
    record_begin(out, "rule");
    record_add(out, "of", question->is_datagram ? "datagrams" : "connections");
    record_add(out, "key", key);
    record_add(out, "text", text);
    record_end(out);
}

/* Lines of "key: text". */
static void add_lines(struct record_out *out, const struct explain *question, char *lines)
{
    char *next;

    for (char *line = lines; *line != '\0'; line = next) {
        char *stop = strchr(line, '\n'), *colon;

        next = stop == NULL ? line + strlen(line) : stop + 1;
        if (stop != NULL)
            *stop = '\0';
        colon = strstr(line, ": ");
        if (colon == NULL)
            continue;
        *colon = '\0';
        add_rule(out, question, line, colon + 2);
    }
}

static int add_kind(const struct master *master, const struct explain *question,
                    struct record_out *out, struct err *err)
{
    struct pools_row_state state;
    char lines[EXPLAIN_TEXT];
    struct str s;

    if (!has_endpoint(question))
        return 0;
    pools_row_state(&master->pools, question->service, &state);
    if (strcmp(state.state, "off") == 0) {
        add_rule(out, question, "state", "off: it does not listen");
        add_rule(out, question, "verdict", "refused (off)");
        return 1;
    }
    str_init(&s, lines, sizeof(lines));
    if (explain(question, &s, err) == -1)
        return -1;
    if (strcmp(state.state, "ready") != 0)
        add_rule(out, question, "state", state.state);
    add_lines(out, question, lines);
    return 1;
}

/* ---- both ---- */

static int add_kinds(const struct master *master, struct explain *question,
                     struct record_out *out, struct err *err)
{
    int streams, datagrams;

    question->is_datagram = false;
    streams = add_kind(master, question, out, err);
    question->is_datagram = true;
    datagrams = streams == -1 ? -1 : add_kind(master, question, out, err);
    if (streams == -1 || datagrams == -1)
        return -1;
    if (streams + datagrams == 0)
        return err_set(err, "%s has no endpoint for such a caller",
                       question->service->name);
    return 0;
}

static const struct plan_service *find_service(const struct master *master,
                                               const char *name, struct err *err)
{
    const struct plan_service *service = plan_find(master->plan, name);
    char shown[SHOWN];

    if (service == NULL)
        (void)err_set(err, "there is no service \"%s\"",
                      log_escape(shown, sizeof(shown), name, strlen(name)));
    return service;
}

int verdict_add(const struct master *master, const struct record *request,
                struct record_out *out, struct err *err)
{
    const char *name = record_get(request, "service"),
               *address = record_get(request, "address");
    const char *called = record_get(request, "local");
    struct explain question = { .pages = master->pools.pages, .now = time(NULL) };
    struct usher_address peer, local;
    const struct pool *pool;

    if (name == NULL || address == NULL)
        return err_set(err, "explain needs a service and an address");
    question.service = find_service(master, name, err);
    if (question.service == NULL || read_peer(address, &question, &peer, err) == -1)
        return -1;
    if (called != NULL && read_address(called, &local, err) == -1)
        return -1;
    question.local = called == NULL ? NULL : &local;
    pool = pools_of(&master->pools, name);
    question.pool = pool == NULL ? 0 : pool->number;
    return add_kinds(master, &question, out, err);
}
