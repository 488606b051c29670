#include "plug/catalogue.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "plug/plug.h"
#include "wire/channel.h"

#define CPU_SEC 10
#define MEMORY  (UINT64_C(256) * 1024 * 1024)

#if defined(__SANITIZE_ADDRESS__)
#define WITH_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_SANITIZER 1
#endif
#endif
#ifndef WITH_SANITIZER
#define WITH_SANITIZER 0
#endif

/* ---- bounds ----------------------------------------------------------------------- */

static int set_limit(int resource, rlim_t soft, rlim_t above, struct err *err)
{
    struct rlimit limit;

    if (prlimit(0, (enum __rlimit_resource)resource, NULL, &limit) == -1)
        return err_sys(err, "getrlimit");
    if (limit.rlim_max == RLIM_INFINITY || limit.rlim_max > soft + above)
        limit.rlim_max = soft + above;
    limit.rlim_cur = limit.rlim_max < soft ? limit.rlim_max : soft;
    return prlimit(0, (enum __rlimit_resource)resource, &limit, NULL) == -1
               ? err_sys(err, "setrlimit")
               : 0;
}

/* Bytes mapped now: an absolute limit would count valgrind's or a large parent's as ours.
 */
static uint64_t mapped_now(void)
{
    char text[64] = "";
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    ssize_t got = fd != -1 ? read(fd, text, sizeof(text) - 1) : -1;
    int64_t pages = 0;

    fd_close(&fd);
    text[got > 0 ? strcspn(text, " ") : 0] = '\0';
    if (str_to_int(text, 0, INT64_MAX / 65536, &pages) == -1)
        return 0;
    return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static int limit_memory(uint64_t memory, struct err *err)
{
    uint64_t now = mapped_now();

    return now != 0 ? set_limit(RLIMIT_AS, now + memory, 0, err) : 0;
}

static int silence(struct err *err)
{
    for (int fd = 0; fd < (WITH_SANITIZER ? 2 : 3); fd++)
        close(fd);
    return fd_fill_standard(err);
}

int catalogue_bound_self(unsigned cpu_sec, uint64_t memory, struct err *err)
{
    sigset_t none;

    sigemptyset(&none);
    if (sigprocmask(SIG_SETMASK, &none, NULL) == -1)
        return err_sys(err, "sigprocmask");
    if (silence(err) == -1 || set_limit(RLIMIT_CORE, 0, 0, err) == -1 ||
        set_limit(RLIMIT_CPU, cpu_sec, 1, err) == -1)
        return -1;
    return WITH_SANITIZER ? 0 : limit_memory(memory, err);
}

/* ---- the child -------------------------------------------------------------------- */

struct server {
    int fd; /* first: all that tests' children know of it */
    catalogue_enter_fn *enter;
    struct plug **plugs; /* loaded so far */
    size_t count;
};

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
    error[sizeof(error) - 1] = '\0';
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

static int begin(const struct server *server, struct err *err)
{
    int keep[] = {server->fd};

    if (fd_close_all_but(keep, 1, err) == -1 ||
        catalogue_bound_self(CPU_SEC, MEMORY, err) == -1)
        return -1;
    return server->enter != NULL ? server->enter(err) : 0;
}

/* Whoever asks now would take it for the plugin's fault. */
static int say_failed(const struct server *server, const struct err *err)
{
    struct record_out out = RECORD_OUT_EMPTY;

    record_begin(&out, "failed");
    record_add(&out, "text", err->text);
    record_end(&out);
    (void)channel_send(server->fd, &out, NULL);
    record_out_free(&out);
    return 1;
}

/* Ends with the channel: then nobody asks any more. */
static int serve(void *context)
{
    struct server *server = context;
    struct pollfd ready = {.fd = server->fd, .events = POLLIN};
    struct err err = ERR_EMPTY;
    int got = 0;

    if (begin(server, &err) == -1)
        return say_failed(server, &err);
    while (got != -1) {
        struct record request;

        if (poll(&ready, 1, -1) == -1 && errno != EINTR)
            return 1;
        got = channel_receive(server->fd, &request, &err);
        if (got == 1) {
            got = answer_one(server, &request);
            record_free(&request);
        }
    }
    return 0;
}

/* ---- asking ----------------------------------------------------------------------- */

static int start(struct catalogue *catalogue, struct err *err)
{
    struct server server = {.enter = catalogue->enter};
    int pair[2];

    if (catalogue->fd != -1)
        return 0;
    if (fd_pair(pair, err) == -1)
        return -1;
    server.fd = pair[1];
    catalogue->pid = catalogue->start(serve, &server, err);
    fd_close(&pair[1]);
    if (catalogue->pid == -1) {
        fd_close(&pair[0]);
        catalogue->pid = 0;
        return -1;
    }
    catalogue->fd = pair[0];
    return 0;
}

/* Its status. A child that has ended by itself keeps the status it ended with. */
static int stop(struct catalogue *catalogue)
{
    int status = 0;

    fd_close(&catalogue->fd); /* ends it as well, should the signal fail */
    if (catalogue->pid > 0) {
        kill(catalogue->pid, SIGKILL);
        while (waitpid(catalogue->pid, &status, 0) == -1 && errno == EINTR)
            ;
    }
    catalogue->pid = 0;
    return status;
}

static int say_how_it_ended(int status, const char *when, struct err *err)
{
    if (WIFSIGNALED(status))
        return err_set(err, "it crashed %s: signal=%d (%s)", when, WTERMSIG(status),
                       strsignal(WTERMSIG(status)));
    return err_set(err, "it ended the process %s: exit=%d", when, WEXITSTATUS(status));
}

enum outcome { ANSWERED, TOO_LATE, GONE, FAILED /* err says which call of ours */ };

static enum outcome outcome_of(const struct err *err)
{
    if (err->code == EBADMSG)
        return ANSWERED;
    return err->code == 0 || err->code == ECONNRESET ? GONE : FAILED;
}

/* Waits for one packet. Nonsense is an answer too: an empty record. */
static enum outcome receive(struct catalogue *catalogue, struct record *out,
                            struct err *err)
{
    int64_t deadline = clock_ms() + catalogue->timeout_ms;
    struct pollfd ready = {.fd = catalogue->fd, .events = POLLIN};
    bool was_reset = false;

    *out = (struct record)RECORD_EMPTY;
    for (;;) {
        int64_t left = deadline - clock_ms();
        int got;

        if (left <= 0)
            return TOO_LATE;
        if (poll(&ready, 1, (int)left) == -1 && errno != EINTR) {
            err_sys(err, "poll");
            return FAILED;
        }
        got = channel_receive(catalogue->fd, out, err);
        /* It ended with our question unread: its last words are behind that error. */
        if (got == -1 && err->code == ECONNRESET && !was_reset)
            was_reset = true;
        else if (got != 0)
            return got == 1 ? ANSWERED : outcome_of(err);
    }
}

/* What was sent without being asked for would be taken for the next answer. */
static bool has_spoken(const struct catalogue *catalogue)
{
    struct pollfd ready = {.fd = catalogue->fd, .events = POLLIN};

    return catalogue->fd != -1 && poll(&ready, 1, 0) == 1;
}

/* Ours, or the kernel's: nothing to do with the plugin. */
static int give_up(struct catalogue *catalogue, struct err *err)
{
    catalogue->has_failed = true;
    stop(catalogue);
    return err_prefix(err, "the catalogue");
}

static int take_failed(struct catalogue *catalogue, const struct record *answer_,
                       struct err *err)
{
    const char *text = record_get(answer_, "text");
    char printable[ERR_TEXT];

    text = text != NULL ? text : "?";
    err_set(err, "%s", log_escape(printable, sizeof(printable), text, strlen(text)));
    return give_up(catalogue, err);
}

/* One request, one answer; whatever else happens ends this child, and err says how. */
static int ask(struct catalogue *catalogue, struct record_out *request,
               struct record *out, const char *when, struct err *err)
{
    *out = (struct record)RECORD_EMPTY;
    if (has_spoken(catalogue))
        stop(catalogue);
    if (start(catalogue, err) == -1)
        return give_up(catalogue, err);
    /* Who is gone already has said why. */
    if (channel_send(catalogue->fd, request, err) == -1 && err->code != EPIPE)
        return give_up(catalogue, err);
    switch (receive(catalogue, out, err)) {
    case FAILED:
        return give_up(catalogue, err);
    case GONE:
        return say_how_it_ended(stop(catalogue), when, err);
    case TOO_LATE:
        stop(catalogue);
        return err_set(err, "it hung %s: no answer for %d ms", when,
                       catalogue->timeout_ms);
    case ANSWERED:
        break;
    }
    if (out->line != NULL && record_is(out, "failed"))
        return take_failed(catalogue, out, err);
    if (out->line != NULL)
        return 0;
    stop(catalogue);
    return err_set(err, "it wrote nonsense where the catalogue answers %s", when);
}

static void begin_request(const struct catalogue *catalogue, struct record_out *out,
                          const char *word, const struct catalogue_row *row)
{
    record_begin(out, word);
    record_add(out, "dir", row->dir);
    record_add(out, "plugin", row->plugin);
    record_add_number(out, "safe", catalogue->only_root);
    for (size_t i = 0; i < row->count; i++) {
        record_add(out, "key", row->keys[i]);
        record_add(out, "value", row->values[i]);
    }
    record_end(out);
}

/* "error text=...": its text; any other word: nonsense, and an end to this child. */
static int take_error(struct catalogue *catalogue, const struct record *answer_,
                      const char *when, struct err *err)
{
    const char *text = record_get(answer_, "text");
    char printable[ERR_TEXT];

    if (!record_is(answer_, "error") || text == NULL) {
        stop(catalogue);
        return err_set(err, "it wrote nonsense where the catalogue answers %s", when);
    }
    if (!str_is_printable(text))
        text = log_escape(printable, sizeof(printable), text, strlen(text));
    err_set(err, "%s", text);
    return 0;
}

/* ---- describing ------------------------------------------------------------------- */

#define WHEN_LOADED  "when it was loaded"
#define WHEN_CHECKED "in its check()"

static int take_descriptor(struct catalogue *catalogue, const struct record *answer_,
                           struct catalogue_known *known, struct err *err)
{
    if (!record_is(answer_, "descriptor")) {
        if (take_error(catalogue, answer_, WHEN_LOADED, err) == -1)
            return err_prefix(err, "%s/%s.so", known->dir, known->plugin);
        return -1;
    }
    if (descriptor_parse(&known->descriptor, answer_, err) == 0 &&
        strcmp(known->descriptor.name, known->plugin) == 0)
        return 0;
    stop(catalogue);
    return err_set(err, "%s/%s.so: its descriptor does not come through", known->dir,
                   known->plugin);
}

static int describe(struct catalogue *catalogue, struct catalogue_known *known,
                    struct err *err)
{
    struct catalogue_row row = {.dir = known->dir, .plugin = known->plugin};
    struct record_out request = RECORD_OUT_EMPTY;
    struct record answer_;
    int result;

    begin_request(catalogue, &request, "describe", &row);
    result = ask(catalogue, &request, &answer_, WHEN_LOADED, err);
    if (result == -1)
        err_prefix(err, "%s/%s.so", known->dir, known->plugin);
    else
        result = take_descriptor(catalogue, &answer_, known, err);
    record_free(&answer_);
    record_out_free(&request);
    return result;
}

static struct catalogue_known *find_known(const struct catalogue *catalogue,
                                          const char *dir, const char *plugin)
{
    for (size_t i = 0; i < catalogue->known_count; i++)
        if (strcmp(catalogue->known[i]->dir, dir) == 0 &&
            strcmp(catalogue->known[i]->plugin, plugin) == 0)
            return catalogue->known[i];
    return NULL;
}

const struct descriptor *catalogue_describe(struct catalogue *catalogue, const char *dir,
                                            const char *plugin, struct err *err)
{
    struct catalogue_known *known = find_known(catalogue, dir, plugin);

    if (known == NULL) {
        struct catalogue_known **place =
            MEM_PUSH(catalogue->known, catalogue->known_count);
        struct err why = ERR_EMPTY;

        known = *place = mem_new(sizeof(*known));
        known->dir = mem_text(dir);
        known->plugin = mem_text(plugin);
        if (describe(catalogue, known, &why) == -1)
            known->error = mem_text(why.text);
    }
    if (known->error == NULL)
        return &known->descriptor;
    err_set(err, "%s", known->error);
    return NULL;
}

int catalogue_check(struct catalogue *catalogue, const struct catalogue_row *row,
                    struct err *err)
{
    struct record_out request = RECORD_OUT_EMPTY;
    struct record answer_;
    struct err why = ERR_EMPTY;
    int result;

    begin_request(catalogue, &request, "check", row);
    result = ask(catalogue, &request, &answer_, WHEN_CHECKED, &why);
    if (result == 0 && !record_is(&answer_, "good")) {
        take_error(catalogue, &answer_, WHEN_CHECKED, &why);
        result = -1;
    }
    record_free(&answer_);
    record_out_free(&request);
    return result == -1 ? err_set(err, "%s", why.text) : 0;
}

void catalogue_close(struct catalogue *catalogue)
{
    stop(catalogue);
    for (size_t i = 0; i < catalogue->known_count; i++) {
        struct catalogue_known *known = catalogue->known[i];

        mem_free(&known->dir);
        mem_free(&known->plugin);
        mem_free(&known->error);
        descriptor_free(&known->descriptor);
        mem_free(&known);
    }
    mem_free(&catalogue->known);
    catalogue->known_count = 0;
}
