/* Whom a search among the silent ones passes by. The others' tests are in test_intake:
 * there, callers come. */
#include "flow/silent.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/stage.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "flow/conn.h"

#define HEAVY "192.0.2.1"
#define MOST 3

/* ---- a row whose connections have said nothing ------------------------------------- */

static struct world {
    struct plan plan;
    struct plan_service service;
    struct usher_service calls;
    struct pages *pages;
    struct flow flow;
    struct row row;
    int clients[MOST];
    struct conn *conns[MOST]; /* of HEAVY, the oldest first; NULL: gone */
} w;

static void on_gone(struct usher_conn *conn, enum usher_reason reason)
{
    (void)reason;
    for (size_t i = 0; i < MOST; i++)
        if (w.conns[i] == conn_of(conn))
            w.conns[i] = NULL;
}

static struct peer peer_of(const char *host)
{
    struct peer peer = stage_peer(host);

    admit_find(&w.row, -1, &peer);
    return peer;
}

static void begin(int64_t first_byte_timeout)
{
    static char name[] = "echo";

    memset(&w, 0, sizeof(w));
    w.service = stage_service(name);
    w.service.first_byte_timeout = first_byte_timeout;
    w.service.max_connections = MOST;
    w.calls = (struct usher_service){ .gone = on_gone };
    w.plan.services = &w.service;
    w.plan.service_count = 1;
    stage_pages(&w.flow, &w.pages);
    stage_open(&w.flow, &w.plan);
    row_init(&w.row, &w.flow, &w.service, &w.flow.page->rows[0]);
    w.row.calls = &w.calls;
    for (size_t i = 0; i < MOST; i++) {
        struct peer peer = peer_of(HEAVY);
        struct err err = ERR_EMPTY;
        int pair[2];

        assert_int_equal(fd_pair(pair, &err), 0);
        w.clients[i] = pair[1];
        assert_int_equal(conn_open(&w.row, pair[0], &peer), 0);
        w.conns[i] = CONTAINER(w.row.by_age.prev, struct conn, by_age);
    }
}

static void end(void)
{
    for (size_t i = 0; i < MOST; i++) {
        if (w.conns[i] != NULL) {
            w.conns[i]->flags = 0;
            conn_close(w.conns[i], USHER_GONE_STOPPED);
        }
        fd_close(&w.clients[i]);
    }
    assert_int_equal(w.row.live, 0);
    row_close(&w.row);
    stage_close(&w.flow);
    pages_close(&w.pages);
}

static enum silent_answer make_room(void)
{
    struct peer newcomer = peer_of("192.0.2.2");

    return silent_make_room(&w.row, &newcomer);
}

static size_t silent_count(void)
{
    size_t count = 0;

    for (struct list *node = w.row.silent.next; node != &w.row.silent; node = node->next)
        count++;
    return count;
}

/* ---- tests ------------------------------------------------------------------------- */

static void the_oldest_of_the_heaviest_goes(void **state)
{
    (void)state;
    begin(-1);
    assert_int_equal(make_room(), SILENT_GONE);
    assert_null(w.conns[0]);
    assert_non_null(w.conns[1]);
    assert_non_null(w.conns[2]);
    end();
}

static void who_was_told_something_stays_and_is_forgotten(void **state)
{
    (void)state;
    begin(-1);
    w.conns[0]->flags |= CONN_MOVED;
    assert_int_equal(make_room(), SILENT_GONE);
    assert_non_null(w.conns[0]);
    assert_null(w.conns[1]);
    assert_int_equal(silent_count(), 1); /* nobody looks at the first again */
    w.conns[2]->flags |= CONN_MOVED;
    assert_int_equal(make_room(), SILENT_NOBODY);
    assert_int_equal(silent_count(), 0);
    assert_false(silent_exists(&w.row));
    end();
}

/* The same, but for the deadline the peer is silent still. */
static void who_was_told_something_has_its_first_byte_to_send(void **state)
{
    (void)state;
    begin(60000);
    w.conns[0]->flags |= CONN_MOVED;
    assert_int_equal(make_room(), SILENT_GONE);
    assert_non_null(w.conns[0]);
    assert_null(w.conns[1]);
    assert_int_equal(silent_count(), 2);
    w.conns[2]->flags |= CONN_MOVED;
    assert_int_equal(make_room(), SILENT_NOBODY);
    assert_int_equal(silent_count(), 2);
    end();
}

/* Ending, it sends what its plugin has written; handed over, it waits for a door; over,
 * its slot is free in a moment without us. */
static void who_is_leaving_is_left_alone(void **state)
{
    static const uint16_t flags[] = { CONN_ENDING, CONN_HANDED, CONN_OVER };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
        begin(-1);
        w.conns[0]->flags |= flags[i];
        assert_int_equal(make_room(), SILENT_GONE);
        assert_non_null(w.conns[0]);
        assert_null(w.conns[1]);
        w.conns[2]->flags |= flags[i];
        assert_int_equal(make_room(), SILENT_NOBODY);
        assert_non_null(w.conns[2]);
        end();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_oldest_of_the_heaviest_goes),
        cmocka_unit_test(who_was_told_something_stays_and_is_forgotten),
        cmocka_unit_test(who_was_told_something_has_its_first_byte_to_send),
        cmocka_unit_test(who_is_leaving_is_left_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
