#include "flow/silent.h"

#include <string.h>
#include <sys/socket.h>

#include "flow/conn.h"

#define LOOKS 64      /* connections passed over, at most */
#define CANDIDATES 16 /* of which silent */
#define YOUNG_MS 1000

struct choice {
    struct conn *conn;
    uint64_t held; /* by its source */
};

/* The oldest connection of whoever holds most. */
static struct choice find_heaviest(struct row *row)
{
    struct choice best = { 0 };
    struct list *node = row->silent.next, *next;
    int64_t now_ms = clock_ms();

    for (int looks = LOOKS, left = CANDIDATES;
         looks > 0 && left > 0 && node != &row->silent; looks--, node = next) {
        struct conn *conn = CONTAINER(node, struct conn, by_rest);
        uint64_t held;

        next = node->next;
        /* Something has gone on: first_byte_timeout at most still counts it as silent. */
        if ((conn->flags & CONN_MOVED) != 0) {
            deadline_moved(conn, now_ms);
            continue;
        }
        left--;
        held = admit_held(row, &conn->peer);
        if ((conn->flags & CONN_DEAF) == 0 && held > best.held)
            best = (struct choice){ conn, held };
    }
    return best;
}

/* Holding one more is not enough: two sources would take a slot from each other for ever. */
static bool must_go(const struct choice *choice, uint64_t newcomer_held)
{
    if (choice->held >= newcomer_held + 2)
        return true;
    return choice->held == 1 && newcomer_held == 0 &&
           clock_ms() - choice->conn->opened_ms > YOUNG_MS;
}

bool silent_make_room(struct row *row, const struct peer *newcomer)
{
    struct choice choice = find_heaviest(row);
    const char *banner = row->service->banner_busy;

    if (choice.conn == NULL || !must_go(&choice, admit_held(row, newcomer)))
        return false;
    refusal_note(row, &choice.conn->peer, ADMIT_SILENT);
    if (banner != NULL)
        (void)send(choice.conn->fd, banner, strlen(banner), MSG_DONTWAIT | MSG_NOSIGNAL);
    conn_close(choice.conn, USHER_GONE_STOPPED);
    return true;
}
