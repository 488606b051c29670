#include "master/orphan.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "master/pool.h"
#include "master/pools.h"
#include "proc/reap.h"

struct orphan {
    struct list link;
    struct child child;
    struct pool *pool;
    pid_t pid; /* for the log: the child's is gone when its end is told */
    struct watch timer;
    int64_t kill_ms;
    bool was_told;
};

static struct orphan *orphan_at(struct list *link)
{
    return CONTAINER(link, struct orphan, link);
}

static void orphan_free(struct orphan *orphan)
{
    timer_stop(orphan->pool->pools->loop, &orphan->timer);
    reap_forget(&orphan->child);
    list_remove(&orphan->link);
    mem_free(&orphan);
}

static void on_end(struct child *child, int status, void *context)
{
    struct orphan *orphan = context;
    struct pool *pool = orphan->pool;
    char how[64];

    (void)child;
    if (pool->is_wait)
        log_info("pool", "end pool=%s orphan=%ld %s", pool->name, (long)orphan->pid,
                 reap_print(status, how, sizeof(how)));
    else
        log_debug("pool", "end pool=%s orphan=%ld %s", pool->name, (long)orphan->pid,
                  reap_print(status, how, sizeof(how)));
    orphan_free(orphan);
    pools_on_orphan_end(pool);
}

static void on_timer(int fd, short what, void *context)
{
    struct orphan *orphan = context;

    (void)fd;
    (void)what;
    (void)reap_signal_session(&orphan->child, orphan->was_told ? SIGKILL : SIGTERM);
    if (!orphan->was_told)
        timer_start(orphan->pool->pools->loop, &orphan->timer, orphan->kill_ms);
    orphan->was_told = true;
}

static bool is_living_child(pid_t pid)
{
    siginfo_t info = { 0 };

    return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0;
}

static void adopt(struct pool *pool, pid_t pid)
{
    struct orphan *orphan = mem_new(sizeof(*orphan));

    orphan->pool = pool;
    orphan->pid = pid;
    timer_init(&orphan->timer, on_timer, orphan);
    list_append(&pool->orphans, &orphan->link);
    reap_watch(&orphan->child, pid, on_end, orphan);
    if (pool->is_ending)
        orphans_end(pool, 0, ORPHAN_KILL_MS);
}

/* Workers and their children are in sessions of their own, made after we began: so whoever is in one
 * that was there before us came from somebody else. */
static bool is_strange(const struct pools *pools, pid_t pid)
{
    pid_t session = getsid(pid);

    if (session == getsid(0))
        return true;
    for (size_t i = 0; i < pools->strange_session_count; i++)
        if (pools->strange_sessions[i] == session)
            return true;
    return false;
}

static bool is_orphan(const struct pools *pools, pid_t pid)
{
    return is_living_child(pid) && !reap_is_watched(pid) && !is_strange(pools, pid);
}

void orphan_adopt(struct pool *pool, pid_t pid)
{
    if (pid <= 0 || !is_orphan(pool->pools, pid))
        return;
    log_info("pool", "hold pool=%s orphan=%ld", pool->name, (long)pid);
    pool->is_held = true;
    adopt(pool, pid);
}

/* ---- whoever else there is ---- */

/* "12 345 6 ": what the kernel says of our children now. */
static FILE *open_children(void)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/self/task/%ld/children", (long)getpid());
    return fopen(path, "re");
}

void orphans_note_strangers(struct pools *pools)
{
    FILE *file = open_children();
    int pid;

    while (file != NULL && fscanf(file, "%d", &pid) == 1)
        *MEM_PUSH(pools->strange_sessions, pools->strange_session_count) = getsid(pid);
    if (file != NULL)
        fclose(file);
}

void orphans_adopt_all(struct pool *pool)
{
    FILE *file = open_children();
    size_t count = 0;
    int pid;

    while (file != NULL && fscanf(file, "%d", &pid) == 1)
        if (is_orphan(pool->pools, pid)) {
            adopt(pool, pid);
            count++;
        }
    if (file != NULL)
        fclose(file);
    if (count > 0)
        log_info("pool", "hold pool=%s orphans=%zu", pool->name, count);
}

void orphans_end(struct pool *pool, int64_t after_ms, int64_t kill_ms)
{
    struct list *link, *safe;

    if (after_ms < 0)
        return;
    LIST_EACH(&pool->orphans, link, safe) {
        struct orphan *orphan = orphan_at(link);

        orphan->kill_ms = kill_ms;
        if (!orphan->was_told)
            timer_start(pool->pools->loop, &orphan->timer, after_ms);
        else if (kill_ms < ORPHAN_KILL_MS) /* somebody is in a hurry now */
            timer_start(pool->pools->loop, &orphan->timer, kill_ms);
    }
}

void orphans_kill(struct pool *pool)
{
    struct list *link, *safe;

    LIST_EACH(&pool->orphans, link, safe) {
        struct orphan *orphan = orphan_at(link);

        (void)reap_signal_session(&orphan->child, SIGKILL);
        (void)waitpid(orphan->pid, NULL, 0);
        orphan_free(orphan);
    }
}
