#include "flow/silent.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include "flow/conn.h"

#define ENDS 8       /* looks at either end */
#define LOOKS 256    /* at the others, at most */
#define CANDIDATES 16 /* and at least, even when somebody was found who holds a lot */
#define YOUNG_MS 1000
#define LEAVING_MS 1000 /* a plugin that has not given it back by then is not waited
                           for */

struct search {
    struct row *row;
    struct conn *best; /* of whoever holds most, the oldest */
    uint64_t held;     /* by its source */
    int64_t now_ms;
};

void silent_init(struct row *row)
{
    row->silence.hand = NULL;
    list_init(&row->silence.taken);
    list_init(&row->silence.leaving);
}

bool silent_exists(const struct row *row)
{
    return row->service->way == PLAN_WAY_DISPATCH &&
           !(list_is_empty(&row->silent) && list_is_empty(&row->silence.taken) &&
             list_is_empty(&row->silence.leaving));
}

/* ---- who it is --------------------------------------------------------------------- */

/* The plugin reads it: what has come, only the kernel knows. Where it does not say,
 * nobody is silent. */
static bool has_spoken_to_plugin(const struct conn *conn)
{
    struct tcp_info info;
    socklen_t length = sizeof(info);

    memset(&info, 0, sizeof(info));
    return getsockopt(conn->fd, IPPROTO_TCP, TCP_INFO, &info, &length) == -1 ||
           length < offsetof(struct tcp_info, tcpi_bytes_received) +
                        sizeof(info.tcpi_bytes_received) ||
           info.tcpi_bytes_received > 0;
}

/* What has come stands in the socket until it is read. */
static bool has_spoken(const struct conn *conn)
{
    char byte;

    if ((conn->flags & CONN_TAKEN) != 0)
        return has_spoken_to_plugin(conn);
    return recv(conn->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

static bool is_better(const struct search *search, const struct conn *conn, uint64_t held)
{
    return held > search->held ||
           (held == search->held && search->best != NULL &&
            conn->opened_ms < search->best->opened_ms);
}

/* May take it out of its list, no other. */
static void look_at(struct search *search, struct conn *conn)
{
    uint64_t held;

    /* Something has gone on: first_byte_timeout at most still counts it as silent. */
    if ((conn->flags & CONN_MOVED) != 0) {
        deadline_moved(conn, search->now_ms);
        return;
    }
    if ((conn->flags & CONN_DEAF & ~CONN_TAKEN) != 0)
        return;
    held = admit_held(search->row, &conn->peer);
    if (!is_better(search, conn, held))
        return;
    if (!has_spoken(conn)) {
        search->best = conn;
        search->held = held;
    } else if ((conn->flags & CONN_TAKEN) != 0)
        list_remove(&conn->by_rest);
}

/* ---- where to look ----------------------------------------------------------------- */

static struct conn *conn_at(struct list *node)
{
    return CONTAINER(node, struct conn, by_rest);
}

static void look_at_ends(struct search *search)
{
    struct list *head = &search->row->silent, *node, *next;
    int left = ENDS;

    for (node = head->next; left > 0 && node != head; left--, node = next) {
        next = node->next;
        look_at(search, conn_at(node));
    }
    for (left = ENDS, node = head->prev; left > 0 && node != head; left--, node = next) {
        next = node->prev;
        look_at(search, conn_at(node));
    }
}

static bool is_enough(const struct search *search, int looks)
{
    return looks >= LOOKS || (looks >= CANDIDATES && search->held >= ADMIT_SHARE);
}

/* From where the last search ended, round and round. Stays where somebody was found:
 * others of the same source are near, as they came. */
static void look_around(struct search *search)
{
    struct silence *silence = &search->row->silence;
    struct list *head = &search->row->silent, *node = silence->hand, *next, *first = NULL;
    struct conn *before = search->best;

    for (int looks = 0; !is_enough(search, looks); looks++, node = next) {
        if (node == NULL || node == head)
            node = head->next;
        if (node == head || node == first)
            break;
        if (first == NULL)
            first = node;
        next = node->next;
        look_at(search, conn_at(node));
    }
    silence->hand = search->best != before ? &search->best->by_rest : node;
}

/* They are in no order: who was looked at goes to the end. */
static void look_at_taken(struct search *search)
{
    struct list *head = &search->row->silence.taken, *first = head->next, *node = first;

    for (int looks = 0; node != head && !is_enough(search, looks); looks++) {
        list_remove(node);
        list_append(head, node);
        look_at(search, conn_at(node));
        node = head->next;
        if (node == first)
            break;
    }
}

static void find_heaviest(struct search *search)
{
    look_at_ends(search);
    look_around(search);
    look_at_taken(search);
}

/* ---- going ------------------------------------------------------------------------- */

/* Holding one more is not enough: two sources would take a slot from each other for
 * ever. */
static bool must_go(const struct search *search, uint64_t newcomer_held)
{
    if (search->held >= newcomer_held + 2)
        return true;
    return search->held == 1 && newcomer_held == 0 &&
           search->now_ms - search->best->opened_ms > YOUNG_MS;
}

static enum silent_answer end(struct search *search)
{
    struct row *row = search->row;
    struct conn *conn = search->best;
    const char *banner = row->service->banner_busy;
    bool is_taken = (conn->flags & CONN_TAKEN) != 0;

    refusal_note(row, &conn->peer, ADMIT_SILENT);
    if (banner != NULL)
        refusal_tell(conn->fd, banner);
    if (is_taken) {
        list_remove(&conn->by_rest);
        list_append(&row->silence.leaving, &conn->by_rest);
        row->silence.told_ms = search->now_ms;
    }
    conn_close(conn, USHER_GONE_STOPPED);
    return is_taken ? SILENT_TOLD : SILENT_GONE;
}

static bool is_one_leaving(struct silence *silence, int64_t now_ms)
{
    if (list_is_empty(&silence->leaving))
        return false;
    if (now_ms - silence->told_ms < LEAVING_MS)
        return true;
    list_remove(silence->leaving.next);
    return false;
}

enum silent_answer silent_make_room(struct row *row, const struct peer *newcomer)
{
    struct search search = { .row = row, .now_ms = clock_ms() };

    if (!silent_exists(row))
        return SILENT_NOBODY;
    if (is_one_leaving(&row->silence, search.now_ms))
        return SILENT_LEAVING;
    find_heaviest(&search);
    if (search.best == NULL || !must_go(&search, admit_held(row, newcomer)))
        return SILENT_NOBODY;
    return end(&search);
}
