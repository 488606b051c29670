#include "flow/run_exec.h"

#include "base/fd.h"
#include "base/mem.h"
#include "flow/job.h"
#include "flow/program.h"

static void say_failure(struct row *row, const struct err *err)
{
    unsigned long left_out;

    page_add(&row->counts->failed, 1);
    if (log_limit(&row->limit, &left_out))
        log_error(row->service->name, "fail start error=\"%s\" left_out=%lu", err->text,
                  left_out);
}

int run_exec_stream(struct row *row, struct env *env, int fd, const struct peer *peer,
                    struct err *err)
{
    struct program *program = row->program;
    bool to_peer = row->service->stderr_ == PLAN_STDERR_PEER;
    int fds[3] = { fd, fd, to_peer ? fd : program->errpipe.write_fd };
    struct job *job;
    pid_t pid;

    env_patch(env, fd, peer);
    pid = program_start(program, env, fds, ARRAY_LEN(fds), err);
    if (pid == -1 && program_is_shortage(err))
        return -1;
    if (pid == -1)
        say_failure(row, err);
    else {
        job = job_new(row, sizeof(*job), peer, NULL);
        job_start(job, pid);
    }
    fd_close(&fd);
    return 0;
}
