#include "flow/run.h"

#include "flow/run_dispatch.h"
#include "flow/run_exec.h"
#include "flow/run_fork.h"

bool run_is_blocking(const struct row *row)
{
    return row->service->way == PLAN_WAY_EXEC || row->service->is_blocking;
}

int run_stream(struct row *row, struct env *env, int fd, const struct peer *peer,
               struct err *err)
{
    switch (row->service->way) {
    case PLAN_WAY_DISPATCH:
        return run_dispatch_stream(row, fd, peer, err);
    case PLAN_WAY_FORK:
        return run_fork_stream(row, fd, peer, err);
    case PLAN_WAY_EXEC:
        return run_exec_stream(row, env, fd, peer, err);
    case PLAN_WAY_WAIT:
        break;
    }
    return err_set(err, "a wait row accepts nothing");
}
