#include "flow/conn.h"

/*
 * Three lists a row, each in the order of its deadlines, and one timer for the first of
 * them: adding, moving and removing cost the same however many connections there are, and
 * a row without connections never wakes the worker (but for one late timer).
 */

#define EXPIRED 256 /* at a time; the rest a turn later */
#define GRAIN_MS 250
#define NEVER INT64_MAX

static struct conn *first_by_age(const struct row *row)
{
    return LIST_FIRST(&row->by_age, struct conn, by_age);
}

static struct conn *first_in(const struct list *list)
{
    return LIST_FIRST(list, struct conn, by_rest);
}

static int64_t sooner(int64_t a_ms, int64_t b_ms)
{
    return a_ms < b_ms ? a_ms : b_ms;
}

static int64_t may_be_silent_ms(const struct plan_service *service)
{
    return service->first_byte_timeout >= 0 ? service->first_byte_timeout
                                            : service->idle_timeout;
}

/* Where total_timeout counts from: one that was taken has it again after it was told. */
static int64_t total_from_ms(const struct conn *conn)
{
    return (conn->flags & CONN_TAKEN) != 0 ? conn->rested_ms : conn->opened_ms;
}

/* When the row's first connection has its deadline, and which it is. */
static int64_t find_first(const struct row *row, struct conn **first_out)
{
    const struct plan_service *service = row->service;
    int64_t silence_ms = may_be_silent_ms(service);
    struct conn *oldest = first_by_age(row), *silent = first_in(&row->silent),
                *resting = first_in(&row->by_rest);
    int64_t best = NEVER;

    if (oldest != NULL && service->total_timeout >= 0) {
        best = total_from_ms(oldest) + service->total_timeout;
        *first_out = oldest;
    }
    if (silent != NULL && silence_ms >= 0 && silent->opened_ms + silence_ms < best) {
        best = silent->opened_ms + silence_ms;
        *first_out = silent;
    }
    if (resting != NULL &&
        resting->rested_ms + service->idle_timeout + row->grain_ms < best) {
        best = resting->rested_ms + service->idle_timeout + row->grain_ms;
        *first_out = resting;
    }
    return best;
}

static void expire(struct conn *conn)
{
    struct row *row = conn_row(conn);

    if ((conn->flags & CONN_TAKEN) != 0) {
        /* It goes to the end of its lists: the plugin was told and will call done(). */
        list_remove(&conn->by_age);
        list_append(&row->by_age, &conn->by_age);
        conn->rested_ms = clock_ms();
    }
    conn_close(conn, USHER_GONE_TIMEOUT);
}

static void deadline_came(int fd, short what, void *context)
{
    struct row *row = context;
    struct conn *first = NULL;
    int64_t now_ms = clock_ms(), due_ms = find_first(row, &first);

    (void)fd, (void)what;
    for (int left = EXPIRED; left > 0 && due_ms <= now_ms; left--) {
        expire(first);
        due_ms = find_first(row, &first);
    }
    row->due_ms = due_ms;
    if (due_ms != NEVER)
        timer_start(&row->flow->loop, &row->deadline, due_ms - now_ms);
}

void deadline_init(struct row *row)
{
    int64_t idle_ms = row->service->idle_timeout;

    list_init(&row->by_age);
    list_init(&row->silent);
    silent_init(row);
    list_init(&row->by_rest);
    timer_init(&row->deadline, deadline_came, row);
    row->due_ms = NEVER;
    row->grain_ms = idle_ms < 0 ? NEVER : sooner(idle_ms / 8, GRAIN_MS);
}

static int64_t shortest(const struct plan_service *service)
{
    int64_t ms = NEVER;

    if (service->first_byte_timeout >= 0)
        ms = sooner(ms, service->first_byte_timeout);
    if (service->idle_timeout >= 0)
        ms = sooner(ms, service->idle_timeout);
    if (service->total_timeout >= 0)
        ms = sooner(ms, service->total_timeout);
    return ms;
}

/* Until the new connection's first deadline; a timer that is due before that finds it
 * then. */
static void start_timer(struct row *row, int64_t now_ms)
{
    int64_t after_ms = shortest(row->service);

    if (after_ms == NEVER || now_ms + after_ms >= row->due_ms)
        return;
    row->due_ms = now_ms + after_ms;
    timer_start(&row->flow->loop, &row->deadline, after_ms);
}

void deadline_add(struct conn *conn)
{
    struct row *row = conn_row(conn);

    conn->rested_ms = conn->opened_ms;
    list_append(&row->by_age, &conn->by_age);
    list_append(&row->silent, &conn->by_rest);
    start_timer(row, conn->opened_ms);
}

/* The hand that goes round among the silent ones must not stay at one who left. */
static void leave_list(struct conn *conn)
{
    struct silence *silence = &conn_row(conn)->silence;

    if (silence->hand == &conn->by_rest)
        silence->hand = conn->by_rest.next;
    list_remove(&conn->by_rest);
}

static void leave_silent(struct conn *conn, int64_t now_ms)
{
    struct row *row = conn_row(conn);

    leave_list(conn);
    conn->rested_ms = now_ms;
    if (row->service->idle_timeout >= 0)
        list_append(&row->by_rest, &conn->by_rest);
}

void deadline_heard(struct conn *conn, int64_t now_ms)
{
    conn->flags |= CONN_HEARD;
    leave_silent(conn, now_ms);
}

void deadline_moved(struct conn *conn, int64_t now_ms)
{
    if ((conn->flags & CONN_TAKEN) != 0)
        leave_list(conn);
    else if (conn_row(conn)->service->first_byte_timeout < 0)
        leave_silent(conn, now_ms);
}

void deadline_take(struct conn *conn)
{
    leave_list(conn);
    if ((conn->flags & (CONN_HEARD | CONN_MOVED)) == 0)
        list_append(&conn_row(conn)->silence.taken, &conn->by_rest);
}

void deadline_remove(struct conn *conn)
{
    list_remove(&conn->by_age);
    leave_list(conn);
}
