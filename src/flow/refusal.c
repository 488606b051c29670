#include "flow/refusal.h"

#include <string.h>
#include <sys/socket.h>

#include "base/addr.h"
#include "base/fd.h"
#include "base/str.h"
#include "flow/row.h"

#define END_MS 250 /* nobody was refused for so long after a line was due: it is over */

/* ---- the log ----------------------------------------------------------------------- */

static void say_one(struct row *row, const struct peer *peer, enum admit_verdict verdict)
{
    struct usher_address address;
    char text[ADDR_TEXT];

    peer_get(peer, &address);
    log_info(row->service->name, "refuse reason=%s peer=%s left_out=%lu",
             admit_name(verdict), addr_print_log(&address, text, sizeof(text)),
             row->refusal.left_out);
}

static void forget(struct refusal *refusal, int64_t now_ms)
{
    refusal->left_out = 0;
    memset(refusal->left_out_by, 0, sizeof(refusal->left_out_by));
    refusal->next_ms = now_ms + REFUSAL_LOG_MS;
}

static void wait_for_end(struct row *row, int64_t now_ms)
{
    timer_start(&row->flow->loop, &row->refusal.summary,
                row->refusal.next_ms + END_MS - now_ms);
}

static void say_summary(struct row *row)
{
    struct refusal *refusal = &row->refusal;
    char buffer[512];
    struct str text;

    if (refusal->left_out == 0)
        return;
    str_init(&text, buffer, sizeof(buffer));
    for (unsigned i = 0; i < ADMIT_VERDICTS; i++)
        if (refusal->left_out_by[i] > 0)
            str_add(&text, " %s=%lu", admit_name((enum admit_verdict)i),
                    refusal->left_out_by[i]);
    log_info(row->service->name, "refuse left_out=%lu%s", refusal->left_out, text.at);
    forget(refusal, clock_ms());
}

/* While the flood goes on its lines say how many were left out. */
static void summary_came(int fd, short what, void *context)
{
    struct row *row = context;
    int64_t now_ms = clock_ms();

    (void)fd, (void)what;
    if (row->refusal.left_out > 0 && now_ms < row->refusal.next_ms)
        wait_for_end(row, now_ms);
    else
        say_summary(row);
}

static void say(struct row *row, const struct peer *peer, enum admit_verdict verdict)
{
    struct refusal *refusal = &row->refusal;
    int64_t now_ms = clock_ms();

    if (now_ms >= refusal->next_ms) {
        say_one(row, peer, verdict);
        forget(refusal, now_ms);
        return;
    }
    if (refusal->left_out++ == 0 && !timer_is_on(&row->flow->loop, &refusal->summary))
        wait_for_end(row, now_ms);
    refusal->left_out_by[verdict]++;
}

void refusal_init(struct row *row)
{
    timer_init(&row->refusal.summary, summary_came, row);
}

void refusal_fini(struct row *row)
{
    timer_stop(&row->flow->loop, &row->refusal.summary);
    say_summary(row);
}

/* ---- callers ----------------------------------------------------------------------- */

void refusal_count(struct row *row, enum admit_verdict verdict)
{
    page_add(&row->counts->refused, 1);
    page_add(&row->counts->refused_by[verdict], 1);
}

void refusal_note(struct row *row, const struct peer *peer, enum admit_verdict verdict)
{
    refusal_count(row, verdict);
    say(row, peer, verdict);
}

bool refusal_tell(int fd, const char *text)
{
    size_t count = strlen(text);

    return send(fd, text, count, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)count;
}

/* Leaving properly takes a descriptor for a while; not those that callers need. */
static bool is_there_time(const struct flow *flow)
{
    return flow->farewell.count < admit_free_files(flow);
}

void refusal_stream(struct row *row, int fd, const struct peer *peer,
                    enum admit_verdict verdict)
{
    const struct plan_service *service = row->service;
    const char *banner =
        admit_is_denial(verdict) ? service->banner_denied : service->banner_busy;

    refusal_note(row, peer, verdict);
    if (banner != NULL && refusal_tell(fd, banner) && is_there_time(row->flow))
        farewell_add(&row->flow->farewell, fd, clock_ms(), row->is_packets);
    else
        fd_close(&fd);
}

void refusal_greet(const struct row *row, int fd)
{
    if (row->service->banner != NULL)
        refusal_tell(fd, row->service->banner);
}
