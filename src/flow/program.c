#include "flow/program.h"

#include <errno.h>
#include <fcntl.h>

#include "base/fd.h"
#include "base/mem.h"
#include "flow/env.h"
#include "flow/limits.h"

static void fill_argv(struct program *program, const struct plan_service *service)
{
    const struct usher_list *exec = &service->exec;

    program->argv = mem_array(exec->count + 1, sizeof(*program->argv));
    for (size_t i = 0; i < exec->count; i++)
        program->argv[i] = (char *)(uintptr_t)exec->at[i];
    if (service->argv0 != NULL && service->argv0[0] != '\0')
        program->argv[0] = (char *)(uintptr_t)service->argv0;
}

/* The worker's own descriptor limit is larger than what programs expect. */
static int fill_limits(struct program *program, const struct row *row, struct err *err)
{
    const struct plan_service *service = row->service;

    program->limits = mem_array(service->limit_count + 1, sizeof(*program->limits));
    program->limits[0].resource = RLIMIT_NOFILE;
    program->limits[0].value = row->flow->nofile;
    for (size_t i = 0; i < service->limit_count; i++) {
        struct spawn_limit *limit = &program->limits[i + 1];

        limit->resource = service->limits[i].resource;
        if (limits_value(&service->limits[i], &limit->value, err) == -1)
            return err_prefix(err, "%s", service->name);
    }
    return 0;
}

int program_open(struct row *row, struct err *err)
{
    const struct plan_service *service = row->service;
    struct program *program = mem_new(sizeof(*program));

    row->program = program;
    program->null_fd = -1;
    fill_argv(program, service);
    if (fill_limits(program, row, err) == -1)
        return -1;
    program->spawn = (struct spawn_exec){
        .path = service->exec.at[0], .argv = program->argv,
        .limits = program->limits, .limit_count = service->limit_count + 1,
        .uid = service->uid, .gid = service->gid,
        .no_new_privs = !service->privileges,
    };
    if (service->wait && service->env_style == PLAN_ENV_SYSTEMD) {
        program->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        if (program->null_fd == -1)
            return err_sys(err, "%s: /dev/null", service->name);
    }
    return errpipe_open(&program->errpipe, &row->flow->loop, service->name, err);
}

void program_close(struct row *row)
{
    struct program *program = row->program;

    if (program == NULL)
        return;
    errpipe_close(&program->errpipe);
    fd_close(&program->null_fd);
    mem_free(&program->argv);
    mem_free(&program->limits);
    mem_free(&row->program);
}

pid_t program_start(struct program *program, struct env *env, const int *fds,
                    size_t fd_count, struct err *err)
{
    program->spawn.fds = fds;
    program->spawn.fd_count = fd_count;
    program->spawn.envp = env->at;
    program->spawn.pid_text = env->places[ENV_LISTEN_PID];
    return spawn_exec(&program->spawn, err);
}

bool program_is_shortage(const struct err *err)
{
    return err->code == EAGAIN || err->code == ENOMEM || err->code == EMFILE ||
           err->code == ENFILE;
}

void program_note_failure(struct row *row, const struct err *err)
{
    unsigned long left_out;

    page_add(&row->counts->failed, 1);
    if (log_limit(&row->limit, &left_out))
        log_error(row->service->name, "fail start error=\"%s\" left_out=%lu", err->text,
                  left_out);
}
