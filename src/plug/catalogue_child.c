#include "plug/catalogue_child.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "plug/plug.h"
#include "wire/channel.h"
#include "wire/descriptor.h"

#define CPU_SEC 10
#define MEMORY  (UINT64_C(256) * 1024 * 1024)

struct server {
    int fd;
    struct plug **plugs; /* loaded so far */
    size_t count;
};

/* The plugin asked for, loaded at the first request for it. One that is built in has no
 * path, and is the same in every folder. */
static const struct plug *find_plug(struct server *server, const struct record *request,
                                    struct err *err)
{
    const char *dir = record_get(request, "dir"), *name = record_get(request, "plugin");
    const char *safe = record_get(request, "safe");
    struct plug plug = PLUG_EMPTY, **place;

    for (size_t i = 0; i < server->count; i++) {
        const char *path = server->plugs[i]->path;

        if (strcmp(server->plugs[i]->service.name, name) == 0 &&
            (path[0] != '/' || (str_starts(path, dir) && path[strlen(dir)] == '/')))
            return server->plugs[i];
    }
    if (plug_load_safe(&plug, dir, name, safe != NULL && strcmp(safe, "1") == 0, err) ==
        -1)
        return NULL;
    place = MEM_PUSH(server->plugs, server->count);
    *place = mem_new(sizeof(plug));
    **place = plug;
    return *place;
}

static int call_check(const struct plug *plug, const void *conf, struct err *err)
{
    char error[256] = "";

    if (plug->service.check == NULL ||
        plug->service.check(conf, error, sizeof(error)) == 0)
        return 0;
    error[sizeof(error) - 1] = '\0'; /* the plugin may have filled it to the brim */
    return err_set(err, "%s",
                   error[0] != '\0' ? error : "the plugin refuses these options");
}

static int check_row(const struct plug *plug, const struct record *request,
                     struct err *err)
{
    const char **keys = mem_array(request->count + 1, sizeof(*keys));
    const char **values = mem_array(request->count + 1, sizeof(*values));
    size_t count = 0;
    int result = -1;
    void *conf;

    for (size_t i = 0; i + 1 < request->count; i++)
        if (strcmp(request->fields[i].key, "key") == 0) {
            keys[count] = request->fields[i].value;
            values[count++] = request->fields[i + 1].value;
        }
    conf = plug_conf(plug, keys, values, count, err);
    if (conf != NULL)
        result = call_check(plug, conf, err);
    plug_conf_free(plug, conf);
    mem_free(&keys);
    mem_free(&values);
    return result;
}

static int answer(struct server *server, const struct record *request,
                  struct record_out *out, struct err *err)
{
    const struct plug *plug = find_plug(server, request, err);

    if (plug == NULL)
        return -1;
    if (record_is(request, "check")) {
        if (check_row(plug, request, err) == -1)
            return -1;
        record_begin(out, "good");
        record_end(out);
        return 0;
    }
    descriptor_print(out, &plug->service, plug->path);
    if (out->length > RECORD_MAX)
        return err_set(err, "%s: its descriptor is longer than %d bytes", plug->path,
                       RECORD_MAX);
    return 0;
}

static int answer_one(struct server *server, const struct record *request)
{
    struct record_out out = RECORD_OUT_EMPTY;
    struct err err = ERR_EMPTY;
    int result;

    if (answer(server, request, &out, &err) == -1) {
        record_out_free(&out);
        record_begin(&out, "error");
        record_add(&out, "text", err.text);
        record_end(&out);
    }
    result = channel_send(server->fd, &out, &err);
    record_out_free(&out);
    return result;
}

static int begin(const struct catalogue_child *child, struct err *err)
{
    int keep[] = { child->fd };

    if (fd_close_all_but(keep, 1, err) == -1 ||
        catalogue_bound_self(CPU_SEC, MEMORY, err) == -1)
        return -1;
    return child->enter != NULL ? child->enter(err) : 0;
}

/* Not left to the exit status: whoever asks would take that for the plugin's fault. */
static int say_failed(int fd, const struct err *err)
{
    struct record_out out = RECORD_OUT_EMPTY;

    record_begin(&out, "failed");
    record_add(&out, "text", err->text);
    record_end(&out);
    (void)channel_send(fd, &out, NULL);
    record_out_free(&out);
    return 1;
}

int catalogue_child_run(void *context)
{
    const struct catalogue_child *child = context;
    struct server server = { .fd = child->fd };
    struct pollfd ready = { .fd = child->fd, .events = POLLIN };
    struct err err = ERR_EMPTY;
    int got = 0;

    if (begin(child, &err) == -1)
        return say_failed(child->fd, &err);
    while (got != -1) { /* the channel's end is ours: nobody asks any more */
        struct record request;

        if (poll(&ready, 1, -1) == -1 && errno != EINTR)
            return 1;
        got = channel_receive(child->fd, &request, &err);
        if (got == 1) {
            got = answer_one(&server, &request);
            record_free(&request);
        }
    }
    return 0;
}
