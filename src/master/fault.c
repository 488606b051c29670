#include "master/fault.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/addr.h"
#include "base/clock.h"
#include "base/log.h"
#include "master/pools.h"

#define OOM_KILL "oom_kill " /* of /proc/vmstat */
#define JUST_MS 2000 /* what a callback broke shows within this: a dead loop is given up
                        in 1 s */

/* The row of this pool that the page names, or NULL: the worker may have written
 * anything. */
static const struct pool_row *find_noted(const struct pool *pool,
                                         const _Atomic uint32_t *noted)
{
    uint32_t row = atomic_load_explicit(noted, memory_order_acquire);

    for (size_t i = 0; row != 0 && i < pool->row_count; i++)
        if (pool->rows[i].number == row - 1)
            return &pool->rows[i];
    return NULL;
}

int64_t fault_spent_ms(const struct page *page)
{
    int64_t since = atomic_load_explicit(&page->now_since_ms, memory_order_relaxed);
    int64_t now = clock_ms();

    return since < 0 || since > now ? 0 : now - since;
}

/* Whose callback ran when the worker ended; or, when it was none's and may_be_late, whose
 * had just run: what that did to the process (closed its descriptors, say) shows a moment
 * later. */
static const struct pool_row *find_culprit(const struct member *member, bool may_be_late)
{
    const struct page *page = pages_slot(member->pool->pools->pages, member->slot);
    const struct pool_row *row = find_noted(member->pool, &page->now_row);

    if (row == NULL && may_be_late && member->state != MEMBER_STARTING
        && (member->is_deaf || fault_spent_ms(page) < JUST_MS))
        row = find_noted(member->pool, &page->last_row);
    return row;
}

/* A worker of a plan that is not in charge yet may have callers already. What it says of
 * a row that does run counts; whether the others ever will, nobody knows. */
static bool is_counted(const struct member *member, const struct pool_row *row)
{
    return !member->pool->is_fresh
        || (member->state != MEMBER_STARTING
            && pools_of(member->pool->pools, row->name) != NULL);
}

static void note(struct member *member, bool may_be_late, const char *what)
{
    struct pool *pool = member->pool;
    const struct page *page = pages_slot(pool->pools->pages, member->slot);
    const struct pool_row *row = find_culprit(member, may_be_late);
    char peer[ADDR_TEXT];

    if (row == NULL || member->blame != MEMBER_BLAMELESS)
        return;
    log_error(row->name, "fail pool=%s pid=%ld peer=%s reason=\"%s\"", pool->name,
              (long)member->pid, page_print_peer(page, peer, sizeof(peer)), what);
    if (member->state == MEMBER_STARTING && member->reason[0] == '\0')
        snprintf(member->reason, sizeof(member->reason), "%s: %s", row->name, what);
    member->blame = is_counted(member, row) ? MEMBER_BLAMED : MEMBER_BLAMED_UNCOUNTED;
    if (!row->must_go && member->blame == MEMBER_BLAMED
        && blame_add(&pool->pools->blames, row->number, clock_ms())) {
        member->blame = MEMBER_BLAMED_AGAIN;
        if (pool->row_count > 1 && !pool->is_leaving)
            blame_move(&pool->pools->blames, row->number);
    }
}

void fault_note(struct member *member, const char *what)
{
    note(member, true, what);
}

/* ---- ends ---- */

bool fault_is_outside(const struct member *member, int status)
{
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && !member->was_ours;
}

/* Nobody asks a process from outside to end so. */
static bool is_of_itself(int status)
{
    static const int signals[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE,
                                   SIGABRT, SIGSYS, SIGTRAP };

    for (size_t i = 0; WIFSIGNALED(status) && i < ARRAY_LEN(signals); i++)
        if (WTERMSIG(status) == signals[i])
            return true;
    return WIFEXITED(status) && WEXITSTATUS(status) != 0;
}

long fault_memory_kills(void)
{
    FILE *file = fopen("/proc/vmstat", "re");
    long count = -1;
    char line[128];

    while (file != NULL && count == -1 && fgets(line, sizeof(line), file) != NULL)
        if (strncmp(line, OOM_KILL, strlen(OOM_KILL)) == 0)
            count = strtol(line + strlen(OOM_KILL), NULL, 10);
    if (file != NULL)
        fclose(file);
    return count;
}

static bool has_memory_run_out(struct pools *pools)
{
    long before = pools->memory_kills;

    pools->memory_kills = fault_memory_kills();
    return before != -1 && pools->memory_kills > before;
}

void fault_note_end(struct member *member, int status)
{
    char how[64];

    if (fault_is_outside(member, status) && has_memory_run_out(member->pool->pools))
        member->was_ours = true;
    if (!fault_is_outside(member, status))
        note(member, is_of_itself(status), reap_print(status, how, sizeof(how)));
}
