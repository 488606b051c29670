#include "master/reader_child.h"

#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "conf/check.h"
#include "flow/page.h"
#include "master/reader_result.h"
#include "plug/catalogue.h"
#include "proc/cred.h"
#include "proc/sandbox.h"
#include "proc/spawn.h"

#define CPU_SEC 10
#define MEMORY  (UINT64_C(256) * 1024 * 1024)
#define NOBODY  65534

/* ---- the last doors -------------------------------------------------------------- */

/* The last doors of reader and catalogue: what they still may is look at files and, the
 * reader alone, ask for names and start the catalogue. */
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

/* Root becomes the daemon's system user, or nobody: for what follows, who does not
 * matter. */
static int drop_privileges(pid_t parent, struct err *err)
{
    struct cred cred = { .uid = geteuid(), .gid = getegid(), .is_final = true };

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

/* ---- the catalogue ---------------------------------------------------------------- */

static int enter_catalogue(struct err *err)
{
    return close_doors(SANDBOX_CATALOGUE, err);
}

static pid_t start_catalogue(int (*child)(void *), void *context, struct err *err)
{
    struct spawn_fork how = { .fn = child, .context = context, .die_with_parent = true };

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

/* ---- reading ---------------------------------------------------------------------- */

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

static struct plan *build(const struct reader_child *job, struct mistakes *mistakes)
{
    struct catalogue catalogue = CATALOGUE_EMPTY;
    struct check_catalogue face = { &catalogue, ask_describe, ask_check };
    struct check_input input = {
        .main_file = job->input->config,
        .overrides = job->input->overrides,
        .plugin_dir = job->input->plugin_dir,
        .is_root = geteuid() == 0,
        .uid = geteuid(),
        .gid = getegid(),
        .catalogue = &face,
    };
    struct source source = { 0 };
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

int reader_child_main(void *context)
{
    const struct reader_child *job = context;
    struct mistakes mistakes = { 0 };
    struct plan *plan = NULL;
    struct pages *pages = job->input->pages;
    struct err err = ERR_EMPTY;
    int keep[] = { job->fd };
    int result;

    log_to(NULL);
    reap_forget_all();
    pages_close(&pages);
    if (fd_close_all_but(keep, 1, &err) == -1 ||
        catalogue_bound_self(CPU_SEC, MEMORY, &err) == -1)
        add_system_error(&mistakes, err.text);
    else
        plan = build(job, &mistakes);
    result = reader_result_print(job->fd, plan, &mistakes);
    plan_free(&plan);
    mistakes_free(&mistakes);
    return result == -1;
}
