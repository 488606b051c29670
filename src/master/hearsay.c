#include "master/hearsay.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "master/logsink.h"
#include "master/pools.h"
#include "proc/sandbox.h"
#include "proc/witness.h"
#include "wire/channel.h"

#define MUTE_MS 5000             /* from the end of its channel to SIGKILL, on its way
                                    out */
#define MUTE_READY_MS 100        /* the same for a ready one: who dies is told within
                                    this */
#define RECORDS_A_TURN 64
#define LAST_WORDS 1024          /* its sockets hold less; what its children go on saying
                                    has an end */
#define WAIT_CHILDREN PLAN_ENDPOINTS
#define LINES_A_ROW 100          /* a second; see flow/host for what a row allows
                                    itself */
#define LINES_OF_CONNECTIONS 50000

static struct loop *loop_of(const struct member *member)
{
    return member->pool->pools->loop;
}

/* ---- reports ---- */

/* Any row of the pool says what its workers are. */
static int look_at(const struct member *member, struct err *err)
{
    const struct plan_service *service = member->pool->listeners[0].service;
    const struct probe *probe = member->pool->pools->probe;
    bool is_program = service->way == PLAN_WAY_EXEC || service->way == PLAN_WAY_WAIT;
    bool is_free = is_program && service->privileges;
    struct witness witness = { .uid = service->uid,
                               .gid = service->gid,
                               .is_poor = !is_program,
                               .is_final = !is_free && probe->has_nnp,
                               .filters = sandbox_filters(probe, is_program, is_free) };

    return SANDBOX_IS_RELAXED ? 0 : witness_check(member->pid, &witness, err);
}

static void on_ready(struct member *member, const char *sandbox)
{
    struct err err = ERR_EMPTY;

    /* a pool that is leaving has no plan any more */
    if (member->state != MEMBER_STARTING || member->pool->is_leaving)
        return;
    if (look_at(member, &err) == -1) {
        str_copy(member->reason, sizeof(member->reason), err.text);
        member_kill(member);
        return;
    }
    log_escape(member->sandbox, sizeof(member->sandbox), sandbox, strlen(sandbox));
    member->state = MEMBER_READY;
    member->was_ready = true;
    timer_stop(loop_of(member), &member->timer);
    pools_on_member(member, MEMBER_IS_READY, NULL);
}

static void forget_dead(struct member *member)
{
    size_t kept = 0;

    for (size_t i = 0; i < member->wait_child_count; i++)
        if (kill(member->wait_children[i], 0) == 0 || errno == EPERM)
            member->wait_children[kept++] = member->wait_children[i];
    member->wait_child_count = kept;
}

/* A row has a child per listener, so several may live. Which one ended is not told: it is
 * asked when it matters. */
static void on_child(struct member *member, const struct record *record)
{
    int64_t pid;

    if (!member->pool->is_wait ||
        record_number(record, "pid", 1, INT32_MAX, &pid, NULL) == -1)
        return;
    if (member->wait_child_count == WAIT_CHILDREN)
        forget_dead(member);
    if (member->wait_child_count < WAIT_CHILDREN)
        *MEM_PUSH(member->wait_children, member->wait_child_count) = (pid_t)pid;
}

/* Counted in the log, and nothing else comes of it. */
static void on_odd(struct member *member, const char *why)
{
    unsigned long left_out;

    if (log_limit(&member->odd_lines, &left_out))
        log_warning("pool", "deny pool=%s pid=%ld reason=\"%s\" left_out=%lu",
                    member->pool->name, (long)member->pid, why, left_out);
}

static void on_record(struct member *member, const struct record *record)
{
    if (record_is(record, "ready"))
        on_ready(member,
                 record_get(record, "text") != NULL ? record_get(record, "text") : "");
    else if (record_is(record, "failed") && record_get(record, "text") != NULL)
        log_escape(member->reason, sizeof(member->reason), record_get(record, "text"),
                   strlen(record_get(record, "text")));
    else if (record_is(record, "busy"))
        vigil_on_busy(member);
    else if (record_is(record, "pong"))
        vigil_on_pong(member);
    else if (record_is(record, "child"))
        on_child(member, record);
    else if (!record_is(record, "drained"))
        on_odd(member, "no such report");
}

/* Nothing can be asked of it any more: it is on its way out, or it is ready and somebody
 * closed its descriptors. */
static void on_mute(struct member *member)
{
    if (member->is_mute || member->child.pid == 0)
        return;
    member->is_mute = true;
    timer_start(loop_of(member), &member->timer,
                member->state == MEMBER_READY ? MUTE_READY_MS : MUTE_MS);
}

/* Reads what is there, within a budget, so that a chatty worker cannot hold the
 * master. */
static void read_records(struct member *member, struct watch *watch, int budget,
                         void (*each)(struct member *, const struct record *))
{
    int fd = watch == &member->log_watch ? member->log : member->channel;

    while (budget-- > 0) {
        struct record record = RECORD_EMPTY;
        struct err err = ERR_EMPTY;
        int got = channel_receive(fd, &record, &err);

        if (got == 1) {
            each(member, &record);
            record_free(&record);
        } else if (got == 0) {
            return;
        } else if (err.code == 0) { /* its end is closed */
            watch_stop(loop_of(member), watch);
            if (watch == &member->channel_watch)
                on_mute(member);
            return;
        } else if (err.code != ECONNRESET) { /* it died with a word of ours unread; its
                                                own come yet */
            on_odd(member, err.text);
        }
    }
}

static void on_channel(int fd, short what, void *context)
{
    struct member *member = context;

    (void)fd;
    (void)what;
    read_records(member, &member->channel_watch, RECORDS_A_TURN, on_record);
}

/* ---- lines of the log ---- */

/* Our rows say LINES_A_ROW at most, but for connections whose start and end are wanted.
 * Whoever says more lies, and would fill the disk (B22). */
static unsigned lines_a_second(const struct pool *pool)
{
    const struct plan *plan = pool->plan;
    unsigned lines = LINES_A_ROW; /* its own */

    for (size_t i = 0; i < plan->service_count; i++)
        if (strcmp(plan->services[i].pool_key, pool->key) == 0)
            lines +=
                plan->services[i].log_connections ? LINES_OF_CONNECTIONS : LINES_A_ROW;
    return lines;
}

static bool may_log(struct member *member)
{
    unsigned long left_out;
    unsigned more = log_wants(LOG_DEBUG_) ? LINES_OF_CONNECTIONS : 0;
    bool may = log_spend(&member->log_lines, member->lines_a_second + more, &left_out);

    if (left_out > 0)
        log_warning(
            "pool",
            "deny pool=%s pid=%ld reason=\"too many lines for the log\" left_out=%lu",
            member->pool->name, (long)member->pid, left_out);
    return may;
}

static void log_record(struct member *member, const struct record *record)
{
    const char *subject = record_get(record, "subject"),
               *text = record_get(record, "text");
    char safe_subject[64], safe[LOG_LINE];
    int64_t level, dropped;

    if (!record_is(record, "log") || subject == NULL || text == NULL
        || record_number(record, "level", LOG_ERROR_, LOG_DEBUG_, &level, NULL) == -1)
        return;
    if (record_number(record, "dropped", 1, INT32_MAX, &dropped, NULL) == 0)
        logsink_add_dropped((unsigned long)dropped);
    if (log_wants((enum log_level)level) && may_log(member))
        logsink_write(
            (enum log_level)level,
            log_escape(safe_subject, sizeof(safe_subject), subject, strlen(subject)),
            str_is_printable(text) ? text
                                   : log_escape(safe, sizeof(safe), text, strlen(text)),
            (long)member->pid);
}

static void on_log(int fd, short what, void *context)
{
    struct member *member = context;

    (void)fd;
    (void)what;
    read_records(member, &member->log_watch, RECORDS_A_TURN, log_record);
}

/* ---- the two ends ---- */

void hearsay_init(struct member *member)
{
    watch_init(&member->channel_watch, member->channel, LOOP_READ, on_channel, member);
    watch_init(&member->log_watch, member->log, LOOP_READ, on_log, member);
}

int hearsay_start(struct member *member, struct err *err)
{
    hearsay_init(member);
    member->log_lines = (struct log_budget){ .until_ms = 0 };
    member->lines_a_second = lines_a_second(member->pool);
    if (watch_start(loop_of(member), &member->channel_watch, err) == -1)
        return -1;
    return watch_start(loop_of(member), &member->log_watch, err);
}

void hearsay_stop(struct member *member)
{
    watch_stop(loop_of(member), &member->channel_watch);
    watch_stop(loop_of(member), &member->log_watch);
}

void hearsay_catch_up(struct member *member)
{
    read_records(member, &member->channel_watch, RECORDS_A_TURN, on_record);
}

void hearsay_read_last_words(struct member *member)
{
    read_records(member, &member->channel_watch, LAST_WORDS, on_record);
    read_records(member, &member->log_watch, LAST_WORDS, log_record);
}
