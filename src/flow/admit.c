#include "flow/admit.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/sysinfo.h>

#include "base/addr.h"
#include "base/mem.h"
#include "flow/row.h"
#include "sock/dgram.h"

#define MINUTE 60
#define ENOUGH (UINT64_MAX / ADMIT_SHARE)

const char *admit_name(enum admit_verdict verdict)
{
    static const char *const names[] = {
        [ADMIT_YES] = "yes",
        [ADMIT_DENIED] = "denied",
        [ADMIT_HOURS] = "hours",
        [ADMIT_LOAD] = "load",
        [ADMIT_RATE] = "rate",
        [ADMIT_SOURCE_RATE] = "rate_per_source",
        [ADMIT_SOURCE] = "max_per_source",
        [ADMIT_SHARE_HELD] = "share",
        [ADMIT_FULL] = "max_connections",
        [ADMIT_FILES] = "descriptors",
        [ADMIT_TURN] = "turn",
        [ADMIT_WAITED] = "waited",
        [ADMIT_SILENT] = "silent",
    };

    _Static_assert(ARRAY_LEN(names) == ADMIT_VERDICTS && ADMIT_VERDICTS <= PAGE_REASONS,
                   "each has a name and a counter");
    return (unsigned)verdict < ADMIT_VERDICTS ? names[verdict] : "?";
}

bool admit_is_denial(enum admit_verdict verdict)
{
    return verdict == ADMIT_DENIED || verdict == ADMIT_HOURS;
}

/* ---- the row's keys ---------------------------------------------------------------- */

static int read_hours(struct admit *admit, const struct usher_list *texts,
                      struct err *err)
{
    if (texts->count == 0)
        return 0;
    admit->hours = mem_array(texts->count, sizeof(*admit->hours));
    for (; admit->hours_count < texts->count; admit->hours_count++)
        if (admission_hours(texts->at[admit->hours_count],
                            &admit->hours[admit->hours_count], err) == -1)
            return -1;
    return 0;
}

/* For explain, which cannot see our descriptors. */
static uint64_t room_for_all(const struct flow *flow)
{
    return flow->files_base < flow->files_limit ? flow->files_limit - flow->files_base
                                                : 0;
}

int admit_open(struct row *row, struct err *err)
{
    const struct plan_service *service = row->service;
    struct admit *admit = &row->admit;

    if (access_new(&service->allow, &service->deny, &admit->access, err) == -1 ||
        admission_rate(service->rate, &admit->rate, err) == -1 ||
        admission_rate(service->rate_per_source, &admit->source_rate, err) == -1 ||
        admission_load(service->max_load, &admit->max_load, err) == -1 ||
        read_hours(admit, &service->hours, err) == -1)
        return err_prefix(err, "%s", service->name);
    if (row->flow->files_limit == 0)
        flow_count_files(row->flow);
    if (row->flow->page != NULL)
        atomic_store_explicit(&row->flow->page->files, room_for_all(row->flow),
                              memory_order_relaxed);
    admit->has_rules =
        admit->access != NULL || admit->hours_count > 0 || admit->max_load > 0;
    admit->minute = -1;
    return 0;
}

void admit_close(struct row *row)
{
    access_free(&row->admit.access);
    mem_free(&row->admit.hours);
    row->admit.hours_count = 0;
}

/* ---- who, when, and how busy the machine is ---------------------------------------- */

bool admit_hours_open(const struct admission_hours *hours, size_t count, time_t now)
{
    struct tm tm;
    unsigned minute;

    if (localtime_r(&now, &tm) == NULL)
        return false;
    minute = (unsigned)(tm.tm_hour * MINUTE + tm.tm_min);
    for (size_t i = 0; i < count; i++)
        if (admission_hours_have(&hours[i], minute))
            return true;
    return false;
}

static bool is_open(struct admit *admit)
{
    time_t now = time(NULL);

    if (now / MINUTE != admit->minute) {
        admit->minute = now / MINUTE;
        admit->is_open = admit_hours_open(admit->hours, admit->hours_count, now);
    }
    return admit->is_open;
}

unsigned admit_load_now(void)
{
    struct sysinfo info;

    if (sysinfo(&info) == -1)
        return 0;
    return (unsigned)(info.loads[0] * 100 / (1ul << SI_LOAD_SHIFT));
}

static unsigned load_of(struct flow *flow)
{
    int64_t now_ms = clock_ms();

    if (now_ms >= flow->load_until_ms) {
        flow->load = admit_load_now();
        flow->load_until_ms = now_ms + ADMIT_LOAD_MS;
    }
    return flow->load;
}

static enum admit_verdict judge_rules(struct row *row, const struct access_caller *caller)
{
    struct admit *admit = &row->admit;

    if (admit->access != NULL && !access_allows(admit->access, caller, NULL))
        return ADMIT_DENIED;
    if (admit->hours_count > 0 && !is_open(admit))
        return ADMIT_HOURS;
    if (admit->max_load > 0 && load_of(row->flow) > admit->max_load)
        return ADMIT_LOAD;
    return ADMIT_YES;
}

static bool ask_uid(int fd, struct access_caller *caller)
{
    struct ucred ids;
    socklen_t length = sizeof(ids);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &ids, &length) == -1)
        return false;
    caller->uid = ids.uid;
    caller->gid = ids.gid;
    return true;
}

static const struct usher_address *ask_local(const struct row *row, int fd,
                                             const struct peer *peer,
                                             struct usher_address *out)
{
    out->length = sizeof(out->storage);
    if (!access_wants_local(row->admit.access) || peer->kind != PEER_IP ||
        peer_is_loopback(peer) ||
        getsockname(fd, (struct sockaddr *)&out->storage, &out->length) == -1)
        return NULL;
    addr_normalize(out);
    return out;
}

/* ---- sources ----------------------------------------------------------------------- */

static void find_source(struct row *row, struct peer *peer, uid_t uid)
{
    struct flow *flow = row->flow;
    struct source_key key;

    peer->source = 0;
    if (flow->page == NULL)
        return;
    key = sources_key(pages_secret(flow->pages), row->service->number, peer, uid);
    /* A time that is a little old will do: it only says who has rested for longest. */
    peer->source = sources_find(&flow->page->sources, &key, flow->busy_ms);
}

void admit_find(struct row *row, int fd, struct peer *peer)
{
    struct access_caller caller = { .uid = 0 };

    if (peer->kind == PEER_UNIX)
        ask_uid(fd, &caller);
    find_source(row, peer, caller.uid);
}

uint64_t admit_held(const struct row *row, const struct peer *peer)
{
    const struct source_entry *source = flow_source(row->flow, peer);
    struct source_key key;

    if (source == NULL)
        return 0;
    key.address = atomic_load_explicit(&source->address, memory_order_relaxed);
    key.row = (uint16_t)(row->service->number + 1);
    key.set = (peer->source - 1) / SOURCES_WAYS;
    return source_active(source) +
           pages_source_active(row->flow->pages, row->flow->pool, &key);
}

static unsigned shares(const struct row *row)
{
    return pages_accepting(row->flow->pages, row->flow->pool);
}

static bool is_within_source_rate(struct row *row, struct source_entry *source)
{
    const struct admission_rate *rate = &row->admit.source_rate;

    return rate->count == 0 ||
           rate_allows(&source->bucket, rate, shares(row), clock_ms());
}

enum admit_verdict admit_again(struct row *row, const struct peer *peer, uint64_t room)
{
    struct source_entry *source = flow_source(row->flow, peer);
    unsigned most = row->service->max_per_source;
    uint64_t held;

    if (source == NULL)
        return room > 0 ? ADMIT_YES : ADMIT_FULL;
    if (!is_within_source_rate(row, source))
        return ADMIT_SOURCE_RATE;
    held = admit_held(row, peer);
    if (most > 0 && held >= most)
        return ADMIT_SOURCE;
    return held < ADMIT_SHARE * room ? ADMIT_YES : ADMIT_SHARE_HELD;
}

bool admit_has_slot(const struct row *row, const struct peer *peer)
{
    unsigned most = row->service->max_per_source;

    return !row_is_full(row) && (most == 0 || admit_held(row, peer) < most);
}

void admit_spend(struct row *row, const struct peer *peer)
{
    struct admit *admit = &row->admit;
    struct source_entry *source = flow_source(row->flow, peer);

    if (admit->rate.count > 0)
        rate_spend(&admit->bucket, &admit->rate, shares(row));
    if (admit->source_rate.count > 0 && source != NULL)
        rate_spend(&source->bucket, &admit->source_rate, shares(row));
}

int64_t admit_source_wait_ms(const struct row *row, const struct peer *peer)
{
    const struct source_entry *source = flow_source(row->flow, peer);

    if (source == NULL || row->admit.source_rate.count == 0)
        return 1;
    return rate_wait_ms(&source->bucket, &row->admit.source_rate, shares(row));
}

/* ---- streams ----------------------------------------------------------------------- */

uint64_t admit_free_files(const struct flow *flow)
{
    size_t used =
        flow->files_base + flow->connections + flow->parked + flow->farewell.count;

    if (flow->files_limit == 0)
        return UINT64_MAX;
    return used < flow->files_limit ? flow->files_limit - used : 0;
}

uint64_t admit_part_of_files(uint64_t free, uint64_t live)
{
    if (free > UINT64_MAX / ADMIT_SHARE)
        return UINT64_MAX;
    return live < ADMIT_SHARE * free
               ? (ADMIT_SHARE * free - live + ADMIT_SHARE) / (ADMIT_SHARE + 1)
               : 0;
}

static uint64_t room_in_files(const struct row *row)
{
    unsigned each = row_files(row);

    if (each == 0)
        return UINT64_MAX;
    return admit_part_of_files(admit_free_files(row->flow) / each, row->live);
}

enum admit_verdict admit_room(struct row *row, uint64_t *room_out)
{
    enum admit_verdict verdict = admit_room_again(row, room_out);

    return verdict == ADMIT_YES && row->park.at_rate > 0 ? ADMIT_RATE : verdict;
}

static bool is_within_rate(struct row *row)
{
    const struct admission_rate *rate = &row->admit.rate;

    return rate->count == 0 ||
           rate_allows(&row->admit.bucket, rate, shares(row), clock_ms());
}

enum admit_verdict admit_room_again(struct row *row, uint64_t *room_out)
{
    uint64_t slots = row_free(row), files = room_in_files(row);

    *room_out = slots < files ? slots : files;
    if (slots == 0)
        return ADMIT_FULL;
    if (files == 0)
        return ADMIT_FILES;
    return is_within_rate(row) ? ADMIT_YES : ADMIT_RATE;
}

enum admit_verdict admit_but_for_room(struct row *row, const struct peer *peer)
{
    return is_within_rate(row) ? admit_again(row, peer, ENOUGH) : ADMIT_RATE;
}

int64_t admit_rate_wait_ms(const struct row *row)
{
    return rate_wait_ms(&row->admit.bucket, &row->admit.rate, shares(row));
}

enum admit_verdict admit_stream(struct row *row, int fd, struct peer *peer, uint64_t room)
{
    struct access_caller caller = { .peer = peer };
    struct usher_address local;
    enum admit_verdict verdict;

    if (peer->kind == PEER_UNIX)
        caller.has_ids = ask_uid(fd, &caller);
    if (row->admit.has_rules) {
        caller.local = ask_local(row, fd, peer, &local);
        verdict = judge_rules(row, &caller);
        if (verdict != ADMIT_YES)
            return verdict;
    }
    find_source(row, peer, caller.uid);
    return admit_again(row, peer, room);
}

/* ---- datagrams --------------------------------------------------------------------- */

enum admit_verdict admit_datagram(struct row *row, const struct dgram *dgram)
{
    struct admit *admit = &row->admit;
    struct peer peer;
    struct access_caller caller = {
        .peer = &peer, .local = dgram->local.length > 0 ? &dgram->local : NULL
    };
    enum admit_verdict verdict;

    peer_set(&peer, &dgram->peer.storage, dgram->peer.length);
    verdict = admit->has_rules ? judge_rules(row, &caller) : ADMIT_YES;
    if (verdict != ADMIT_YES || admit->rate.count == 0)
        return verdict;
    if (!rate_allows(&admit->datagrams, &admit->rate, shares(row), clock_ms()))
        return ADMIT_RATE;
    rate_spend(&admit->datagrams, &admit->rate, shares(row));
    return ADMIT_YES;
}
