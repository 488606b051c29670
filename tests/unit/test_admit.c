#include "flow/admit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/stage.h"

#include "base/addr.h"
#include "base/clock.h"
#include "base/fd.h"
#include "flow/explain.h"
#include "flow/request.h"
#include "flow/row.h"

/* ---- a worker with one row, and what a sibling holds ------------------------------- */

static struct world {
    struct plan plan;
    struct plan_service service;
    struct pages *pages;
    struct flow flow;
    struct row row;
} w;

static struct usher_list list_of(const char *const *texts, size_t count)
{
    return (struct usher_list){ .at = texts, .count = count };
}

static void begin_service(void)
{
    static char name[] = "echo";

    memset(&w, 0, sizeof(w));
    w.service = stage_service(name);
    w.service.number = 3;
}

static void sibling_holds(int slot, const char *host, unsigned count);

static void begin_worker(const char *sibling_host, unsigned sibling_count)
{
    struct err err = ERR_EMPTY;
    int own, other;

    assert_int_equal(pages_open(&w.pages, &err), 0);
    own = pages_take(w.pages, 1, &err);
    other = pages_take(w.pages, 1, &err);
    if (sibling_host != NULL)
        sibling_holds(other, sibling_host, sibling_count);
    w.plan.services = &w.service;
    w.plan.service_count = 1;
    w.flow.pages = w.pages;
    w.flow.pool = 1;
    w.flow.page = pages_attach(w.pages, own, &err);
    atomic_store(&w.flow.page->is_accepting, 1);
    stage_open(&w.flow, &w.plan);
    row_init(&w.row, &w.flow, &w.service, &w.flow.page->rows[w.service.number]);
    if (admit_open(&w.row, &err) == -1)
        fail_msg("%s", err.text);
}

static void begin(void)
{
    begin_worker(NULL, 0);
}

static void end(void)
{
    row_close(&w.row);
    stage_close(&w.flow);
    pages_close(&w.pages);
    clock_fake(-1);
}

/* In a process of its own, as a sibling does it. */
static void sibling_holds(int slot, const char *host, unsigned count)
{
    struct peer peer = stage_peer(host);
    struct source_key key =
        sources_key(pages_secret(w.pages), w.service.number, &peer, 0);
    pid_t pid = fork();
    int status;

    assert_int_not_equal(pid, -1);
    if (pid == 0) {
        struct err err = ERR_EMPTY;
        struct page *page = pages_attach(w.pages, slot, &err);
        uint32_t number = page != NULL ? sources_find(&page->sources, &key, 1) : 0;

        if (number == 0)
            _exit(1);
        for (unsigned i = 0; i < count; i++)
            source_hold(sources_at(&page->sources, number));
        page_add(&page->rows[w.service.number].active, count);
        atomic_store(&page->is_accepting, 1);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static enum admit_verdict call(const char *host)
{
    struct peer peer = stage_peer(host);
    uint64_t room;
    enum admit_verdict verdict = admit_room(&w.row, &room);

    if (verdict == ADMIT_RATE)
        return verdict;
    verdict = admit_stream(&w.row, -1, &peer, room);
    if (verdict == ADMIT_YES) {
        admit_spend(&w.row, &peer);
        row_take(&w.row, &peer);
    }
    return verdict;
}

static void leave(const char *host)
{
    struct peer peer = stage_peer(host);

    admit_find(&w.row, -1, &peer);
    row_release(&w.row, &peer);
}

/* How many of one source come in before the first that does not; *verdict_out: why. */
static unsigned fill(const char *host, enum admit_verdict *verdict_out)
{
    unsigned count = 0;

    while ((*verdict_out = call(host)) == ADMIT_YES)
        count++;
    return count;
}

/* ---- the share (promise 14) -------------------------------------------------------- */

static void b5_one_source_gets_eight_ninths_and_two_eight_seventeenths(void **state)
{
    enum admit_verdict verdict;

    (void)state;
    begin_service();
    w.service.max_connections = 153;
    begin();
    assert_int_equal(fill("192.0.2.1", &verdict), 136);
    assert_int_equal(verdict, ADMIT_SHARE_HELD);
    assert_int_equal(call("192.0.2.2"), ADMIT_YES); /* there is room for another */
    end();

    begin();
    for (int i = 0; i < 72; i++) { /* turn about */
        assert_int_equal(call("192.0.2.1"), ADMIT_YES);
        assert_int_equal(call("192.0.2.2"), ADMIT_YES);
    }
    assert_int_equal(call("192.0.2.1"), ADMIT_SHARE_HELD);
    assert_int_equal(call("192.0.2.2"), ADMIT_SHARE_HELD);
    assert_int_equal(call("192.0.2.3"), ADMIT_YES);
    leave("192.0.2.3");
    leave("192.0.2.1");
    assert_int_equal(call("192.0.2.1"), ADMIT_YES);
    end();
}

static void small_rows_can_be_filled_by_one_source(void **state)
{
    static const struct {
        unsigned max, by_one;
    } cases[] = { { 1, 1 }, { 3, 3 }, { 8, 8 }, { 9, 8 }, { 10, 9 }, { 1000, 889 } };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        enum admit_verdict verdict;

        begin_service();
        w.service.max_connections = cases[i].max;
        begin();
        assert_int_equal(fill("192.0.2.1", &verdict), cases[i].by_one);
        end();
    }
}

static void ipv6_counts_by_its_first_half(void **state)
{
    (void)state;
    begin_service();
    w.service.max_per_source = 2;
    begin();
    assert_int_equal(call("2001:db8::1"), ADMIT_YES);
    assert_int_equal(call("2001:db8::2"), ADMIT_YES);
    assert_int_equal(call("2001:db8::3"), ADMIT_SOURCE);
    assert_int_equal(call("2001:db8:0:1::1"), ADMIT_YES);
    end();
}

static void a_siblings_connections_count(void **state)
{
    (void)state;
    begin_service();
    w.service.max_per_source = 3;
    begin_worker("192.0.2.1", 2);
    assert_int_equal(call("192.0.2.1"), ADMIT_YES);
    assert_int_equal(call("192.0.2.1"), ADMIT_SOURCE);
    assert_int_equal(call("192.0.2.2"), ADMIT_YES);
    end();

    begin_service();
    begin_worker("192.0.2.1", 90); /* of 100: 90 < 8 * 10 does not hold */
    assert_int_equal(call("192.0.2.1"), ADMIT_SHARE_HELD);
    assert_int_equal(call("192.0.2.2"), ADMIT_YES);
    end();
}

static bool has_slot(const char *host)
{
    struct peer peer = stage_peer(host);

    admit_find(&w.row, -1, &peer);
    return admit_has_slot(&w.row, &peer);
}

/* Asked for who was let in and could not start: neither the row's most nor the source's
 * may have been reached since. */
static void a_slot_is_the_rows_and_the_sources(void **state)
{
    (void)state;
    begin_service();
    w.service.max_per_source = 3;
    w.service.max_connections = 6;
    begin_worker("192.0.2.1", 2);
    assert_true(has_slot("192.0.2.1"));
    assert_int_equal(call("192.0.2.1"), ADMIT_YES);
    assert_false(has_slot("192.0.2.1"));
    assert_true(has_slot("192.0.2.2"));
    leave("192.0.2.1");
    assert_true(has_slot("192.0.2.1"));
    for (int i = 0; i < 3; i++)
        assert_int_equal(call("192.0.2.2"), ADMIT_YES);
    assert_false(has_slot("192.0.2.2"));
    w.service.max_per_source = 0;
    assert_true(has_slot("192.0.2.2"));
    assert_int_equal(call("192.0.2.3"), ADMIT_YES);
    assert_false(has_slot("192.0.2.2")); /* six of six */
    assert_false(has_slot("192.0.2.4"));
    end();
}

static void b10_every_release_counts(void **state)
{
    (void)state;
    begin_service();
    w.service.max_per_source = 1;
    begin();
    for (int i = 0; i < 100000; i++) {
        assert_int_equal(call("192.0.2.1"), ADMIT_YES);
        leave("192.0.2.1");
    }
    assert_int_equal(w.row.live, 0);
    assert_int_equal(page_read(&w.row.counts->active), 0);
    end();
}

static void a_row_is_full_whoever_comes(void **state)
{
    uint64_t room;

    (void)state;
    begin_service();
    w.service.max_connections = 2;
    begin();
    assert_int_equal(call("192.0.2.1"), ADMIT_YES);
    assert_int_equal(call("192.0.2.2"), ADMIT_YES);
    assert_int_equal(admit_room(&w.row, &room), ADMIT_FULL);
    assert_int_equal(room, 0);
    assert_int_equal(call("192.0.2.3"), ADMIT_SHARE_HELD);
    end();
}

static void b11_rows_share_the_workers_descriptors(void **state)
{
    uint64_t room;

    (void)state;
    begin_service();
    begin();
    w.flow.files_limit = 100;
    w.flow.files_base = 10;
    assert_int_equal(admit_room(&w.row, &room), ADMIT_YES);
    assert_int_equal(room, 80);
    w.row.live = w.flow.connections = 80; /* 80 < 8 * 10 does not hold */
    assert_int_equal(admit_room(&w.row, &room), ADMIT_FILES);
    w.row.live = 0; /* they are another row's: ours has its part of what is left */
    assert_int_equal(admit_room(&w.row, &room), ADMIT_YES);
    assert_int_equal(room, 9);
    w.flow.parked = 10;
    assert_int_equal(admit_room(&w.row, &room), ADMIT_FILES);
    w.service.way = PLAN_WAY_EXEC; /* a program's connection is not here */
    assert_int_equal(admit_room(&w.row, &room), ADMIT_YES);
    w.flow.parked = w.flow.connections = 0;
    end();
}

static void who_connects_for_each_caller_has_two_descriptors(void **state)
{
    uint64_t room;
    unsigned count = 0;

    (void)state;
    begin_service();
    w.service.max_connections = 1000;
    w.service.needs = USHER_NEEDS_CONNECT;
    begin();
    w.flow.files_limit = 100;
    w.flow.files_base = 10;
    assert_int_equal(admit_room(&w.row, &room), ADMIT_YES);
    assert_int_equal(room, 40);
    for (char host[20]; admit_room(&w.row, &room) == ADMIT_YES; count++) {
        snprintf(host, sizeof(host), "192.0.2.%u", count + 1);
        assert_int_equal(call(host), ADMIT_YES);
    }
    assert_int_equal(count, 40);
    assert_int_equal(w.flow.connections, 80);
    while (count > 0) {
        char host[20];

        snprintf(host, sizeof(host), "192.0.2.%u", count--);
        leave(host);
    }
    assert_int_equal(w.flow.connections, 0);
    end();
}

static void short_of_descriptors_one_source_leaves_room_for_another(void **state)
{
    uint64_t room;
    unsigned count = 0;

    (void)state;
    begin_service();
    w.service.max_connections = 1000;
    begin();
    w.flow.files_limit = 910;
    w.flow.files_base = 10;
    while (call("192.0.2.1") == ADMIT_YES)
        count++;
    assert_in_range(count, 705, 715); /* 79 % of 900 */
    assert_int_equal(admit_room(&w.row, &room), ADMIT_YES);
    assert_true(room > 50);
    assert_int_equal(call("192.0.2.2"), ADMIT_YES);
    w.flow.parked = 200;
    assert_int_equal(admit_room(&w.row, &room), ADMIT_FILES);
    w.flow.parked = 0;
    end();
}

/* ---- rates ------------------------------------------------------------------------- */

static void rates_stand_whatever_the_wall_clock_does(void **state)
{
    (void)state;
    clock_fake(1000);
    begin_service();
    w.service.rate = "10/s:2";
    begin();
    assert_int_equal(call("192.0.2.1"), ADMIT_YES);
    assert_int_equal(call("192.0.2.2"), ADMIT_YES);
    assert_int_equal(call("192.0.2.3"), ADMIT_RATE);
    assert_int_equal(admit_rate_wait_ms(&w.row), 100);
    clock_fake(1100);
    assert_int_equal(call("192.0.2.3"), ADMIT_YES);
    assert_int_equal(call("192.0.2.3"), ADMIT_RATE);
    end();
}

static void each_source_has_its_own_rate(void **state)
{
    struct peer peer = stage_peer("192.0.2.1");

    (void)state;
    clock_fake(1000);
    begin_service();
    w.service.rate_per_source = "10/s:2";
    begin();
    assert_int_equal(call("192.0.2.1"), ADMIT_YES);
    assert_int_equal(call("192.0.2.1"), ADMIT_YES);
    assert_int_equal(call("192.0.2.1"), ADMIT_SOURCE_RATE);
    admit_find(&w.row, -1, &peer);
    assert_int_equal(admit_source_wait_ms(&w.row, &peer), 100);
    assert_int_equal(call("192.0.2.2"), ADMIT_YES);
    clock_fake(1100);
    assert_int_equal(call("192.0.2.1"), ADMIT_YES);
    end();
}

static void workers_divide_a_rate(void **state)
{
    (void)state;
    clock_fake(1000);
    begin_service();
    w.service.rate = "10/s:4";
    begin_worker("192.0.2.9", 1);
    assert_int_equal(call("192.0.2.1"), ADMIT_YES);
    assert_int_equal(call("192.0.2.1"), ADMIT_YES);
    assert_int_equal(call("192.0.2.1"), ADMIT_RATE);
    end();
}

/* ---- who, when, how busy ----------------------------------------------------------- */

static void who_may_not_come_in_is_no_source(void **state)
{
    static const char *const deny[] = { "192.0.2.0/24", "::ffff:198.51.100.0/120" };
    static const char *const denied[] = { "192.0.2.1", "::ffff:192.0.2.1",
                                          "198.51.100.7" };

    (void)state;
    begin_service();
    w.service.deny = list_of(deny, 2);
    w.service.max_per_source = 1;
    begin();
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(call(denied[i]), ADMIT_DENIED);
    assert_int_equal(call("203.0.113.1"), ADMIT_YES);
    assert_int_equal(w.row.live, 1);
    end();
}

static void unix_peers_are_known_by_their_user(void **state)
{
    char rule[32];
    const char *allow[] = { rule };
    struct peer peer = { .kind = PEER_UNIX };
    struct err err = ERR_EMPTY;
    int pair[2];

    (void)state;
    snprintf(rule, sizeof(rule), "uid:%u", (unsigned)getuid());
    assert_int_equal(fd_pair(pair, &err), 0);
    begin_service();
    w.service.allow = list_of(allow, 1);
    w.service.max_per_source = 1;
    begin();
    assert_int_equal(admit_stream(&w.row, pair[0], &peer, 100), ADMIT_YES);
    row_take(&w.row, &peer);
    assert_int_equal(admit_stream(&w.row, pair[0], &peer, 100), ADMIT_SOURCE);
    end();

    snprintf(rule, sizeof(rule), "uid:%u", (unsigned)getuid() + 1);
    begin();
    assert_int_equal(admit_stream(&w.row, pair[0], &peer, 100), ADMIT_DENIED);
    end();
    fd_close(&pair[0]);
    fd_close(&pair[1]);
}

static bool is_open_at(const char *text, int hour, int minute)
{
    struct tm tm = { .tm_year = 126, .tm_mon = 5, .tm_mday = 15, .tm_hour = hour,
                     .tm_min = minute, .tm_isdst = -1 };
    struct admission_hours hours;
    struct err err = ERR_EMPTY;

    assert_int_equal(admission_hours(text, &hours, &err), 0);
    return admit_hours_open(&hours, 1, mktime(&tm));
}

static void hours_may_go_over_midnight(void **state)
{
    static const struct {
        const char *text;
        int hour, minute;
        bool is_open;
    } cases[] = {
        { "08:00-18:00", 8, 0, true },    { "08:00-18:00", 7, 59, false },
        { "08:00-18:00", 17, 59, true },  { "08:00-18:00", 18, 0, false },
        { "22:00-06:00", 23, 0, true },   { "22:00-06:00", 0, 0, true },
        { "22:00-06:00", 5, 59, true },   { "22:00-06:00", 6, 0, false },
        { "00:00-24:00", 0, 0, true },    { "00:00-24:00", 23, 59, true },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(is_open_at(cases[i].text, cases[i].hour, cases[i].minute),
                         cases[i].is_open);
}

static void a_busy_machine_refuses_and_looks_once_a_second(void **state)
{
    (void)state;
    clock_fake(1000);
    begin_service();
    w.service.max_load = "900.0";
    begin();
    assert_int_equal(call("192.0.2.1"), ADMIT_YES);
    w.flow.load = 90001; /* what was seen then stands for a second */
    assert_int_equal(call("192.0.2.1"), ADMIT_LOAD);
    w.flow.load = 90000;
    assert_int_equal(call("192.0.2.1"), ADMIT_YES);
    w.flow.load = 100000;
    clock_fake(2000);
    assert_int_equal(call("192.0.2.1"), ADMIT_YES); /* no machine is that busy */
    end();
}

/* ---- datagrams --------------------------------------------------------------------- */

static enum admit_verdict send_datagram(const char *host)
{
    struct dgram dgram = { .bytes = "x", .count = 1 };
    struct err err = ERR_EMPTY;

    assert_int_equal(addr_parse(host, &dgram.peer, &err), 0);
    return admit_datagram(&w.row, &dgram);
}

static void a9_no_datagram_is_held_against_its_address(void **state)
{
    enum admit_verdict verdict;

    (void)state;
    clock_fake(1000);
    begin_service();
    w.service.max_per_source = 5;
    w.service.rate_per_source = "1/m:5";
    begin();
    for (int i = 0; i < 10000; i++)
        assert_int_equal(send_datagram("192.0.2.1:5000"), ADMIT_YES);
    assert_int_equal(fill("192.0.2.1", &verdict), 5); /* as if nothing had been */
    for (size_t set = 0; set < SOURCES_SETS; set++)
        for (size_t way = 0; way < SOURCES_WAYS; way++)
            assert_true(w.flow.page->sources.sets[set][way].row == 0 ||
                        source_active(&w.flow.page->sources.sets[set][way]) == 5);
    end();
}

static void datagrams_obey_access_and_the_rows_rate(void **state)
{
    static const char *const deny[] = { "192.0.2.0/24" };
    struct dgram dgram = { .bytes = "x", .count = 1 };
    struct err err = ERR_EMPTY;

    (void)state;
    clock_fake(1000);
    begin_service();
    w.service.deny = list_of(deny, 1);
    w.service.rate = "10/s:2";
    begin();
    assert_int_equal(send_datagram("192.0.2.1:5000"), ADMIT_DENIED);
    assert_int_equal(send_datagram("203.0.113.1:5000"), ADMIT_YES);
    assert_int_equal(addr_parse("203.0.113.1:5000", &dgram.peer, &err), 0);
    assert_true(request_admit(&w.row, &dgram));
    assert_false(request_admit(&w.row, &dgram));
    assert_int_equal(page_read(&w.row.counts->refused), 1);
    assert_int_equal(page_read(&w.row.counts->refused_by[ADMIT_RATE]), 1);
    end();
}

static void datagrams_take_nothing_from_callers(void **state)
{
    (void)state;
    clock_fake(1000);
    begin_service();
    w.service.rate = "1/h:2";
    begin();
    assert_int_equal(send_datagram("203.0.113.1:5000"), ADMIT_YES);
    assert_int_equal(send_datagram("203.0.113.1:5000"), ADMIT_YES);
    assert_int_equal(send_datagram("203.0.113.1:5000"), ADMIT_RATE);
    assert_int_equal(call("192.0.2.1"), ADMIT_YES);
    assert_int_equal(call("192.0.2.1"), ADMIT_YES);
    assert_int_equal(call("192.0.2.1"), ADMIT_RATE);
    end();
}

/* ---- explain ----------------------------------------------------------------------- */

static const char *explained(const char *host)
{
    static char buffer[EXPLAIN_TEXT];
    struct usher_address address;
    struct err err = ERR_EMPTY;
    struct explain question = { .service = &w.service, .pages = w.pages, .pool = 1,
                                .peer = &address };
    struct str out;

    str_init(&out, buffer, sizeof(buffer));
    assert_int_equal(addr_parse_host(host, &address, &err), 0);
    assert_int_equal(explain(&question, &out, &err), 0);
    assert_false(out.is_cut);
    return buffer;
}

static void the_master_explains_from_live_pages(void **state)
{
    static const char *const deny[] = { "10.0.0.0/8" };
    struct err err = ERR_EMPTY;
    int slot;

    (void)state;
    begin_service();
    w.service.deny = list_of(deny, 1);
    w.service.max_per_source = 2;
    w.service.rate = "50/s:100";
    assert_int_equal(pages_open(&w.pages, &err), 0);
    slot = pages_take(w.pages, 1, &err);
    sibling_holds(slot, "192.0.2.1", 2);

    assert_string_equal(explained("10.1.2.3"), "access: deny 10.0.0.0/8\n"
                        "source: holds 0 of max_per_source 2, share 8 times 98 free\n"
                        "rate: 50 per 1000 ms, burst 100, workers that share it: 1\n"
                        "slots: 2 of 100 taken\n"
                        "verdict: refused (denied)\n");
    assert_non_null(
        strstr(explained("192.0.2.1"),
               "source: holds 2 of max_per_source 2, share 8 times 98 free\n"));
    assert_non_null(strstr(explained("192.0.2.1"), "verdict: parked (max_per_source)\n"));
    assert_non_null(
        strstr(explained("192.0.2.2"), "verdict: served (within the rate)\n"));
    w.service.on_limit = PLAN_ON_LIMIT_REFUSE;
    assert_non_null(
        strstr(explained("192.0.2.1"), "verdict: refused (max_per_source)\n"));
    w.service.max_connections = 2;
    assert_non_null(strstr(explained("192.0.2.2"),
                           "verdict: refused (max_connections), or served "
                           "when a silent connection goes for it\n"));
    w.service.on_limit = PLAN_ON_LIMIT_QUEUE;
    assert_non_null(strstr(explained("192.0.2.2"),
                           "verdict: waits (max_connections), or served "
                           "when a silent connection goes for it\n"));
    assert_non_null(strstr(explained("10.1.2.3"),
                           "verdict: refused (denied), but waits before that "
                           "(max_connections) while no connection is silent\n"));
    w.service.way = PLAN_WAY_EXEC;
    assert_non_null(strstr(explained("192.0.2.2"), "verdict: waits (max_connections)\n"));
    assert_non_null(
        strstr(explained("10.1.2.3"),
               "verdict: refused (denied), but waits before that (max_connections)\n"));
    w.service.way = PLAN_WAY_DISPATCH;
    w.service.max_connections = 10;
    w.service.rate = NULL;
    assert_non_null(strstr(explained("192.0.2.2"), "verdict: served\n"));
    w.service.way = PLAN_WAY_WAIT;
    assert_string_equal(explained("10.1.2.3"),
                        "verdict: served (a wait row takes its callers "
                        "itself: nobody judges them)\n");
    pages_close(&w.pages);
}

static void every_verdict_has_a_name(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ADMIT_VERDICTS; i++)
        assert_non_null(admit_name((enum admit_verdict)i));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(b5_one_source_gets_eight_ninths_and_two_eight_seventeenths),
        cmocka_unit_test(small_rows_can_be_filled_by_one_source),
        cmocka_unit_test(ipv6_counts_by_its_first_half),
        cmocka_unit_test(a_siblings_connections_count),
        cmocka_unit_test(a_slot_is_the_rows_and_the_sources),
        cmocka_unit_test(b10_every_release_counts),
        cmocka_unit_test(a_row_is_full_whoever_comes),
        cmocka_unit_test(who_connects_for_each_caller_has_two_descriptors),
        cmocka_unit_test(short_of_descriptors_one_source_leaves_room_for_another),
        cmocka_unit_test(b11_rows_share_the_workers_descriptors),
        cmocka_unit_test(rates_stand_whatever_the_wall_clock_does),
        cmocka_unit_test(each_source_has_its_own_rate),
        cmocka_unit_test(workers_divide_a_rate),
        cmocka_unit_test(who_may_not_come_in_is_no_source),
        cmocka_unit_test(unix_peers_are_known_by_their_user),
        cmocka_unit_test(hours_may_go_over_midnight),
        cmocka_unit_test(a_busy_machine_refuses_and_looks_once_a_second),
        cmocka_unit_test(a9_no_datagram_is_held_against_its_address),
        cmocka_unit_test(datagrams_obey_access_and_the_rows_rate),
        cmocka_unit_test(datagrams_take_nothing_from_callers),
        cmocka_unit_test(the_master_explains_from_live_pages),
        cmocka_unit_test(every_verdict_has_a_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
