#include "flow/explain.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/addr.h"
#include "flow/admit.h"

struct view {
    const struct explain *question;
    struct str *out;
    struct peer peer;
    uint64_t taken, slots, files; /* files: what descriptors allow; UINT64_MAX: not
                                     known */
    uint64_t room, held;
    bool has_rate;
    enum admit_verdict verdict; /* the first rule that said no */
    enum admit_verdict before;  /* why nobody at all is accepted; YES: they are */
};

static void decide(struct view *view, bool is_ok, enum admit_verdict verdict)
{
    if (!is_ok && view->verdict == ADMIT_YES)
        view->verdict = verdict;
}

/* ---- one rule each ----------------------------------------------------------------- */

static int say_access(struct view *view, struct err *err)
{
    const struct explain *question = view->question;
    const struct plan_service *service = question->service;
    struct access_caller caller = { .peer = &view->peer, .local = question->local,
                                    .has_ids = question->has_ids, .uid = question->uid,
                                    .gid = question->gid };
    struct access *access = NULL;
    const char *rule = NULL;
    bool may;

    if (access_new(&service->allow, &service->deny, &access, err) == -1)
        return -1;
    if (access != NULL) {
        may = access_allows(access, &caller, &rule);
        str_add(view->out, "access: %s\n", rule);
        decide(view, may, ADMIT_DENIED);
    }
    access_free(&access);
    return 0;
}

static int say_hours(struct view *view, struct err *err)
{
    const struct usher_list *texts = &view->question->service->hours;
    struct tm tm;
    bool is_open = false;

    if (texts->count == 0)
        return 0;
    str_add(view->out, "hours: ");
    for (size_t i = 0; i < texts->count; i++) {
        struct admission_hours hours;

        if (admission_hours(texts->at[i], &hours, err) == -1)
            return -1;
        is_open = is_open || admit_hours_open(&hours, 1, view->question->now);
        str_add(view->out, "%s%s", i > 0 ? ", " : "", texts->at[i]);
    }
    if (localtime_r(&view->question->now, &tm) == NULL)
        memset(&tm, 0, sizeof(tm));
    str_add(view->out, "; it is %02d:%02d: %s\n", tm.tm_hour, tm.tm_min,
            is_open ? "open" : "closed");
    decide(view, is_open, ADMIT_HOURS);
    return 0;
}

static int say_load(struct view *view, struct err *err)
{
    unsigned most, load = admit_load_now();

    if (admission_load(view->question->service->max_load, &most, err) == -1)
        return -1;
    if (most == 0)
        return 0;
    str_add(view->out, "load: %u.%02u of %u.%02u\n", load / 100, load % 100, most / 100,
            most % 100);
    decide(view, load <= most, ADMIT_LOAD);
    return 0;
}

static void say_source(struct view *view)
{
    const struct plan_service *service = view->question->service;

    str_add(view->out, "source: holds %" PRIu64, view->held);
    if (service->max_per_source > 0)
        str_add(view->out, " of max_per_source %u", service->max_per_source);
    str_add(view->out, ", share %d times %" PRIu64 " free\n", ADMIT_SHARE, view->room);
    decide(view, service->max_per_source == 0 || view->held < service->max_per_source,
           ADMIT_SOURCE);
    decide(view, view->room == 0 || view->held < ADMIT_SHARE * view->room,
           ADMIT_SHARE_HELD);
}

static int say_rate(struct view *view, const char *key, const char *text, struct err *err)
{
    const struct explain *question = view->question;
    struct admission_rate rate;

    if (admission_rate(text, &rate, err) == -1)
        return -1;
    view->has_rate = view->has_rate || rate.count > 0;
    if (rate.count > 0)
        str_add(view->out, "%s: %" PRIu64 " per %" PRId64 " ms, burst %" PRIu64
                ", workers that share it: %u\n", key, rate.count, rate.per_ms, rate.burst,
                pages_accepting(question->pages, question->pool));
    return 0;
}

static void say_slots(struct view *view)
{
    str_add(view->out, "slots: %" PRIu64 " of %u taken\n", view->taken,
            view->question->service->max_connections);
    decide(view, view->slots > 0, ADMIT_FULL);
    if (view->slots == 0)
        view->before = ADMIT_FULL;
    if (view->files == UINT64_MAX)
        return;
    str_add(view->out, "descriptors: for %" PRIu64 " more\n", view->files);
    decide(view, view->files > 0, ADMIT_FILES);
    if (view->files == 0 && view->before == ADMIT_YES)
        view->before = ADMIT_FILES;
}

/* ---- all --------------------------------------------------------------------------- */

static bool is_patient(const struct view *view)
{
    return view->question->service->on_limit == PLAN_ON_LIMIT_QUEUE;
}

static const char *outcome(const struct view *view)
{
    switch (view->verdict) {
    case ADMIT_YES:
        return "served";
    case ADMIT_DENIED:
    case ADMIT_HOURS:
    case ADMIT_LOAD:
        return view->question->is_datagram ? "dropped" : "refused";
    case ADMIT_FULL:
    case ADMIT_FILES:
        return is_patient(view) ? "waits" : "refused";
    default:
        return is_patient(view) ? "parked" : "refused";
    }
}

/* Before accept() nobody knows who it is: where there is no room for anybody, it waits to
 * be refused. Whether somebody is silent, workers alone know. */
static void say_wait(struct view *view)
{
    bool has_silence = view->question->service->way == PLAN_WAY_DISPATCH;

    if (view->before == ADMIT_YES)
        return;
    if (view->verdict != view->before && is_patient(view))
        str_add(view->out, ", but waits before that (%s)%s", admit_name(view->before),
                has_silence ? " while no connection is silent" : "");
    else if (view->verdict == view->before && has_silence)
        str_add(view->out, ", or served when a silent connection goes for it");
}

static void say_verdict(struct view *view)
{
    str_add(view->out, "verdict: %s", outcome(view));
    if (view->verdict != ADMIT_YES)
        str_add(view->out, " (%s)", admit_name(view->verdict));
    else if (view->has_rate)
        str_add(view->out, " (within the rate)");
    say_wait(view);
    str_add(view->out, "\n");
}

/* Over all rows of the worker. */
static uint64_t connections_of(const struct page *page)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < PAGE_ROWS; i++)
        sum += page_read(&page->rows[i].active);
    return sum;
}

/* Of the worker that has most room: who comes may come to that one. */
static uint64_t room_in_files(const struct explain *question)
{
    unsigned number = question->service->number;
    const struct page *page;
    uint64_t most = 0,
             each = (question->service->needs & USHER_NEEDS_CONNECT) != 0 ? 2 : 1;
    bool is_known = false;

    for (uint32_t slot = 0;
         (page = pages_next_accepting(question->pages, question->pool, &slot)) != NULL;) {
        uint64_t active = page_read(&page->rows[number].active);
        uint64_t files = page_read(&page->files), part;
        uint64_t used = connections_of(page) + (each - 1) * active;

        if (files == 0)
            continue;
        is_known = true;
        part = admit_part_of_files((used < files ? files - used : 0) / each, active);
        most = part > most ? part : most;
    }
    return is_known && question->service->way == PLAN_WAY_DISPATCH ? most : UINT64_MAX;
}

static void look(struct view *view)
{
    const struct explain *question = view->question;
    unsigned number = question->service->number,
             most = question->service->max_connections;
    struct source_key key;

    peer_set(&view->peer, &question->peer->storage, question->peer->length);
    key = sources_key(pages_secret(question->pages), number, &view->peer, question->uid);
    view->held = pages_source_active(question->pages, question->pool, &key);
    view->taken = pages_active(question->pages, question->pool, number);
    view->slots = view->taken < most ? most - view->taken : 0;
    view->files = room_in_files(question);
    view->room = view->slots < view->files ? view->slots : view->files;
}

int explain(const struct explain *question, struct str *out, struct err *err)
{
    const struct plan_service *service = question->service;
    struct view view = { .question = question, .out = out };

    if (service->way == PLAN_WAY_WAIT) {
        str_add(out, "verdict: served (a wait row takes its callers itself: nobody "
                     "judges them)\n");
        return 0;
    }
    look(&view);
    if (say_access(&view, err) == -1 || say_hours(&view, err) == -1 ||
        say_load(&view, err) == -1)
        return -1;
    if (!question->is_datagram) {
        if (say_rate(&view, "rate_per_source", service->rate_per_source, err) == -1)
            return -1;
        say_source(&view);
    }
    if (say_rate(&view, "rate", service->rate, err) == -1)
        return -1;
    if (!question->is_datagram)
        say_slots(&view);
    say_verdict(&view);
    return 0;
}
