#include "flow/run_exec.h"

#include "base/fd.h"
#include "base/mem.h"
#include "flow/job.h"
#include "flow/program.h"

int run_exec_stream(struct row *row, struct env *env, int fd, const struct peer *peer,
                    struct err *err)
{
    struct program *program = row->program;
    bool to_peer = row->service->stderr_ == PLAN_STDERR_PEER;
    int fds[3] = { fd, fd, to_peer ? fd : program->errpipe.write_fd };
    struct job *job = job_new(row, sizeof(*job), peer, NULL, err);
    pid_t pid;

    if (job == NULL)
        return -1;
    env_patch(env, fd, peer);
    pid = program_start(program, env, fds, ARRAY_LEN(fds), err);
    if (pid == -1)
        mem_free(&job);
    else
        job_start(job, pid);
    if (pid == -1 && program_is_shortage(err))
        return -1;
    if (pid == -1)
        program_note_failure(row, err);
    fd_close(&fd);
    return 0;
}
