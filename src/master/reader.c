#include "master/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "conf/check.h"
#include "conf/planwire.h"
#include "loop/sig.h"
#include "plug/catalogue.h"
#include "proc/cred.h"
#include "proc/sandbox.h"
#include "proc/spawn.h"
#include "wire/record.h"

#define CPU_SEC 10
#define MEMORY  (UINT64_C(256) * 1024 * 1024)
#define NOBODY  65534
#define CHUNK   65536

/* ---- in the child ----------------------------------------------------------------- */

struct job {
    const struct reader_input *input;
    int fd; /* where the result goes */
    pid_t parent;
};

/* The last doors of reader and catalogue: what they still may is look at files and, the reader
 * alone, ask for names and start the catalogue. */
static int close_doors(enum sandbox_kind kind, struct err *err)
{
    /* Asked once: behind the reader's doors the kernel does not tell. */
    static struct probe kernel = PROBE_EMPTY;
    struct sandbox sandbox = SANDBOX_EMPTY;
    int result;

    if (kind == SANDBOX_READER && probe_kernel(&kernel, err) == -1)
        return -1;
    sandbox.kind = kind;
    sandbox.probe = &kernel;
    result = sandbox_close(&sandbox, err);
    sandbox_fini(&sandbox);
    return result;
}

static int enter_catalogue(struct err *err)
{
    return close_doors(SANDBOX_CATALOGUE, err);
}

static pid_t start_catalogue(int (*child)(void *), void *context, struct err *err)
{
    struct spawn_fork how = {.fn = child, .context = context, .die_with_parent = true};

    return spawn_fork(&how, err);
}

static const struct descriptor *ask_describe(void *context, const char *dir,
                                             const char *plugin, struct err *err)
{
    return catalogue_describe(context, dir, plugin, err);
}

/* The plugin's folder, as the descriptor named it; a built-in one needs none. */
static char *folder_of(const struct plan_service *service)
{
    const char *path = service->plugin_path != NULL ? service->plugin_path : "";
    const char *slash = strrchr(path, '/');

    return slash != NULL ? mem_bytes(path, (size_t)(slash - path)) : mem_text("/");
}

static int ask_check(void *context, const struct plan_service *service, struct err *err)
{
    const char **keys = mem_array(service->option_count + 1, sizeof(*keys));
    const char **values = mem_array(service->option_count + 1, sizeof(*values));
    char *dir = folder_of(service);
    struct catalogue_row row = {dir, service->plugin, keys, values,
                                service->option_count};
    int result;

    for (size_t i = 0; i < row.count; i++) {
        keys[i] = service->options[i].key;
        values[i] = service->options[i].value;
    }
    result = catalogue_check(context, &row, err);
    mem_free(&keys);
    mem_free(&values);
    mem_free(&dir);
    return result;
}

/* Root becomes the daemon's system user, or nobody: for what follows, who does not
 * matter. */
static int drop_privileges(pid_t parent, struct err *err)
{
    struct cred cred = {.uid = geteuid(), .gid = getegid(), .is_final = true};

    if (cred.uid == 0) {
        struct passwd *usher = getpwnam("usher");
        bool is_there = usher != NULL && usher->pw_uid != 0 && usher->pw_gid != 0;

        cred.uid = is_there ? usher->pw_uid : NOBODY;
        cred.gid = is_there ? usher->pw_gid : NOBODY;
    }
    if (cred_become(&cred, err) == -1 || cred_no_new_privs(err) == -1)
        return err_prefix(err, "the reader");
    /* A change of identity has wiped it. */
    if (spawn_die_with_parent(parent) == -1)
        return err_set(err, "the reader: its starter is gone");
    if (close_doors(SANDBOX_READER, err) == -1)
        return err_prefix(err, "the reader");
    return 0;
}

static void add_mistake(struct mistakes *mistakes, const char *text)
{
    *MEM_PUSH(mistakes->at, mistakes->count) = mem_text(text);
}

static void add_system_error(struct mistakes *mistakes, const char *text)
{
    add_mistake(mistakes, text);
    mistakes->is_system = true;
}

/* What cannot be read is said, and hides nothing of the other files; without the main
 * file nobody knows which they are. */
static void read_sources(struct source *source, const struct check_input *input,
                         struct mistakes *mistakes)
{
    char *dir;

    source_open(source, input->main_file, mistakes);
    if (source->file_count == 0)
        return;
    dir = check_services_dir(source, input);
    if (dir != NULL)
        source_add_dir(source, dir, mistakes);
    mem_free(&dir);
}

static struct plan *build(const struct job *job, struct mistakes *mistakes)
{
    struct catalogue catalogue = CATALOGUE_EMPTY;
    struct check_catalogue face = {&catalogue, ask_describe, ask_check};
    struct check_input input = {
        .main_file = job->input->config,
        .overrides = job->input->overrides,
        .plugin_dir = job->input->plugin_dir,
        .is_root = geteuid() == 0,
        .uid = geteuid(),
        .gid = getegid(),
        .catalogue = &face,
    };
    struct source source = {0};
    struct plan *plan = NULL;
    struct err err = ERR_EMPTY;

    catalogue.start = start_catalogue;
    catalogue.enter = enter_catalogue;
    catalogue.only_root = input.is_root;
    read_sources(&source, &input, mistakes);
    if (drop_privileges(job->parent, &err) == -1)
        add_system_error(mistakes, err.text);
    else
        plan = check_build(&input, &source, mistakes);
    mistakes->is_system = mistakes->is_system || catalogue.has_failed;
    catalogue_close(&catalogue);
    source_free(&source);
    return plan;
}

static void print_remarks(struct record_out *out, const char *word, char *const *texts,
                          size_t count)
{
    for (size_t i = 0; i < count && i < READER_REMARKS_MAX; i++) {
        record_begin(out, word);
        record_add(out, "text", texts[i]);
        record_end(out);
    }
    if (count > READER_REMARKS_MAX) {
        record_begin(out, word);
        record_add_print(out, "text", "and %zu more", count - READER_REMARKS_MAX);
        record_end(out);
    }
}

static int print_result(int fd, const struct plan *plan, const struct mistakes *mistakes)
{
    struct record_out out = RECORD_OUT_EMPTY;
    int result;

    print_remarks(&out, "warning", mistakes->warnings, mistakes->warning_count);
    print_remarks(&out, "mistake", mistakes->at, mistakes->count);
    if (mistakes->count > 0 && mistakes->is_system) {
        record_begin(&out, "system");
        record_end(&out);
    }
    if (plan != NULL && mistakes->count == 0)
        planwire_print(&out, plan);
    record_begin(&out, "end");
    record_end(&out);
    result = fd_write_all(fd, out.bytes, out.length);
    record_out_free(&out);
    return result;
}

/* The whole life of the reader; nothing of the parent's is used but its memory. */
static int read_table(void *context)
{
    struct job *job = context;
    struct mistakes mistakes = {0};
    struct plan *plan = NULL;
    struct err err = ERR_EMPTY;
    int keep[] = {job->fd};
    int result;

    log_to(NULL);
    reap_forget_all();
    if (fd_close_all_but(keep, 1, &err) == -1 ||
        catalogue_bound_self(CPU_SEC, MEMORY, &err) == -1)
        add_system_error(&mistakes, err.text);
    else
        plan = build(job, &mistakes);
    result = print_result(job->fd, plan, &mistakes);
    plan_free(&plan);
    mistakes_free(&mistakes);
    return result == -1;
}

/* ---- what it printed -------------------------------------------------------------- */

/* Remarks are shown on terminals and in logs: one printable line each. */
static char *printable(const char *text)
{
    char escaped[ERR_TEXT * 4];

    if (str_is_printable(text))
        return mem_text(text);
    return mem_text(log_escape(escaped, sizeof(escaped), text, strlen(text)));
}

static void add_printable(struct mistakes *mistakes, const char *text)
{
    *MEM_PUSH(mistakes->at, mistakes->count) = printable(text);
}

/* One line before the plan: 1 a remark, which was added; 0 something else; -1 not a
 * record. */
static int take_remark(const char *line, size_t length, struct mistakes *mistakes,
                       struct err *err)
{
    struct record record = RECORD_EMPTY;
    const char *text;
    int result = 1;

    if (record_parse(&record, line, length, err) == -1)
        return -1;
    text = record_get(&record, "text") != NULL ? record_get(&record, "text") : "?";
    if (record_is(&record, "mistake"))
        add_printable(mistakes, text);
    else if (record_is(&record, "warning"))
        *MEM_PUSH(mistakes->warnings, mistakes->warning_count) = printable(text);
    else if (record_is(&record, "system"))
        mistakes->is_system = true;
    else
        result = 0;
    record_free(&record);
    return result;
}

/* Past the remarks; NULL: something there is not a record. */
static const char *take_remarks(const char *at, const char *end,
                                struct mistakes *mistakes, struct err *err)
{
    while (at < end) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t length = (size_t)((stop != NULL ? stop : end) - at);
        int got = take_remark(at, length, mistakes, err);

        if (got == -1)
            return NULL;
        if (got == 0)
            break;
        at += length + (stop != NULL);
    }
    return at;
}

static bool ends_with(const char *text, size_t length, const char *tail)
{
    size_t size = strlen(tail);

    return length >= size && memcmp(text + length - size, tail, size) == 0 &&
           (length == size || text[length - size - 1] == '\n');
}

static struct plan *parse_result(const char *text, size_t length,
                                 struct mistakes *mistakes, struct err *err)
{
    static const char tail[] = "end\n";
    const char *end, *at;

    if (length == 0 || !ends_with(text, length, tail)) {
        err_set(err, "what it printed was cut off");
        return NULL;
    }
    end = text + length - strlen(tail);
    at = take_remarks(text, end, mistakes, err);
    if (at == NULL || (at == end && mistakes->count > 0))
        return NULL;
    if (at == end || mistakes->count > 0) {
        err_set(err, "it printed %s", at == end ? "nothing" : "mistakes and a plan");
        return NULL;
    }
    return planwire_parse(at, (size_t)(end - at), err);
}

/* ---- in the master ---------------------------------------------------------------- */

struct reader {
    struct loop *loop;
    reader_fn *done;
    void *context;

    struct child child;
    int status;
    int fd; /* -1: all was read */
    struct watch watch;
    struct watch timer; /* first the deadline, then the call of done() */
    int64_t timeout_ms;
    bool is_over; /* the deadline's turn is past */
    char *bytes;
    size_t length, room;
    struct err failure; /* why it was ended; empty: it was not */
};

static void release(struct reader *reader)
{
    watch_stop(reader->loop, &reader->watch);
    timer_stop(reader->loop, &reader->timer);
    fd_close(&reader->fd);
    mem_free(&reader->bytes);
    mem_free(&reader);
}

/* The plan, or why there is none. */
static struct plan *conclude(struct reader *reader, struct mistakes *mistakes)
{
    struct plan *plan = NULL;
    struct err err = reader->failure;
    char how[128];

    if (err.text[0] == '\0' && reader->status != 0)
        err_set(&err, "the reader ended: %s",
                reap_print(reader->status, how, sizeof(how)));
    else if (err.text[0] == '\0') {
        plan = parse_result(reader->bytes, reader->length, mistakes, &err);
        if (err.text[0] != '\0')
            err_prefix(&err, "the reader");
    }
    if (plan == NULL && (err.text[0] != '\0' || mistakes->count == 0)) {
        mistakes_free(mistakes);
        *mistakes = (struct mistakes){0};
        add_printable(mistakes,
                      err.text[0] != '\0' ? err.text : "the reader said nothing");
        mistakes->is_system = true; /* nobody came to judge the table */
    }
    return plan;
}

static void finish(struct reader *reader)
{
    struct mistakes mistakes = {0};
    struct plan *plan = conclude(reader, &mistakes);
    reader_fn *done = reader->done;
    void *context = reader->context;

    release(reader);
    done(plan, &mistakes, context);
    mistakes_free(&mistakes);
}

static void end_child(struct reader *reader)
{
    /* Before setsid() it leads no group, so both. */
    reap_signal_session(&reader->child, SIGKILL);
    reap_signal(&reader->child, SIGKILL);
}

/* Nothing that comes now changes the outcome; only the child's end is waited for. */
static void give_up(struct reader *reader)
{
    watch_stop(reader->loop, &reader->watch);
    fd_close(&reader->fd);
    end_child(reader);
}

/* Once the child has ended and all was read: done() next, from the loop itself. */
static void proceed(struct reader *reader)
{
    if (reader->child.pid != 0 || reader->fd != -1)
        return;
    reader->is_over = true;
    timer_start(reader->loop, &reader->timer, 0);
}

static void time_came(int fd, short what, void *context)
{
    struct reader *reader = context;

    (void)fd;
    (void)what;
    if (reader->is_over) {
        finish(reader);
        return;
    }
    if (reader->failure.text[0] == '\0')
        err_set(&reader->failure, "the reader took longer than %lld ms",
                (long long)reader->timeout_ms);
    give_up(reader);
    proceed(reader);
}

static void child_ended(struct child *child, int status, void *context)
{
    struct reader *reader = context;

    (void)child;
    reader->status = status;
    proceed(reader);
}

static void bytes_came(int fd, short what, void *context)
{
    struct reader *reader = context;
    ssize_t got;

    (void)what;
    if (reader->room - reader->length < CHUNK) {
        reader->room = reader->room * 2 + CHUNK;
        reader->bytes = mem_grow(reader->bytes, reader->room, 1);
    }
    got = read(fd, reader->bytes + reader->length, CHUNK);
    if (got == -1 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got > 0)
        reader->length += (size_t)got;
    if (got == -1)
        err_sys(&reader->failure, "the reader: read");
    else if (reader->length > READER_OUTPUT_MAX)
        err_set(&reader->failure, "the reader printed more than %d bytes",
                READER_OUTPUT_MAX);
    if (reader->failure.text[0] != '\0') {
        give_up(reader);
    } else if (got == 0) {
        watch_stop(reader->loop, &reader->watch);
        fd_close(&reader->fd);
    }
    proceed(reader);
}

static int start_child(struct reader *reader, const struct reader_input *input,
                       int fds[2], struct err *err)
{
    struct job job = {input, fds[1], getpid()};
    struct spawn_fork how = {
        .fn = read_table, .context = &job, .new_session = true, .die_with_parent = true};
    pid_t pid;

    watch_init(&reader->watch, reader->fd, LOOP_READ, bytes_came, reader);
    timer_init(&reader->timer, time_came, reader);
    if (fd_set_nonblock(reader->fd, true) == -1)
        return err_sys(err, "the reader: fcntl");
    if (watch_start(reader->loop, &reader->watch, err) == -1)
        return -1;
    pid = spawn_fork(&how, err);
    if (pid == -1)
        return err_prefix(err, "the reader");
    reap_watch(&reader->child, pid, child_ended, reader);
    timer_start(reader->loop, &reader->timer, reader->timeout_ms);
    return 0;
}

struct reader *reader_start(const struct reader_input *input, struct loop *loop,
                            reader_fn *done, void *context, struct err *err)
{
    struct reader *reader;
    int fds[2], result;

    if (pipe2(fds, O_CLOEXEC) == -1) {
        err_sys(err, "the reader: pipe");
        return NULL;
    }
    reader = mem_new(sizeof(*reader));
    reader->loop = loop;
    reader->done = done;
    reader->context = context;
    reader->fd = fds[0];
    reader->timeout_ms = input->timeout_ms > 0 ? input->timeout_ms : READER_TIMEOUT_MS;
    result = start_child(reader, input, fds, err);
    fd_close(&fds[1]);
    if (result == 0)
        return reader;
    release(reader);
    return NULL;
}

void reader_cancel(struct reader **reader)
{
    if (*reader == NULL)
        return;
    if ((*reader)->child.pid != 0) {
        end_child(*reader);
        reap_forget(&(*reader)->child);
    }
    release(*reader);
    *reader = NULL;
}

/* ---- without a loop --------------------------------------------------------------- */

struct wait {
    struct loop loop;
    struct plan *plan;
    struct mistakes *mistakes;
};

static void keep_result(struct plan *plan, const struct mistakes *mistakes, void *context)
{
    struct wait *wait = context;

    wait->plan = plan;
    for (size_t i = 0; i < mistakes->count; i++)
        add_mistake(wait->mistakes, mistakes->at[i]);
    for (size_t i = 0; i < mistakes->warning_count; i++)
        *MEM_PUSH(wait->mistakes->warnings, wait->mistakes->warning_count) =
            mem_text(mistakes->warnings[i]);
    wait->mistakes->is_system = mistakes->is_system;
    loop_stop(&wait->loop);
}

static void collect(const struct signalfd_siginfo *info, void *context)
{
    (void)info;
    (void)context;
    reap_collect();
}

static int run(struct wait *wait, const struct reader_input *input, struct err *err)
{
    static const int signals[] = {SIGCHLD, 0};
    struct sig sig = SIG_EMPTY;
    int result = -1;

    if (sig_open(&sig, &wait->loop, signals, collect, NULL, err) == -1)
        return -1;
    if (reader_start(input, &wait->loop, keep_result, wait, err) != NULL)
        result = loop_run(&wait->loop, err);
    sig_close(&sig, &wait->loop);
    return result;
}

struct plan *reader_run_now(const struct reader_input *input, struct mistakes *mistakes)
{
    struct wait wait = {LOOP_EMPTY, NULL, mistakes};
    struct err err = ERR_EMPTY;
    int result;

    result = loop_open(&wait.loop, LOOP_POLL, &err);
    if (result == 0)
        result = run(&wait, input, &err);
    loop_close(&wait.loop);
    if (result == -1) {
        add_printable(mistakes, err.text);
        mistakes->is_system = true;
    }
    return wait.plan;
}
