#include "flow/intake.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/stage.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "flow/conn.h"
#include "flow/program.h"

#define CLIENTS 160

/* ---- a worker with one row, one listener, and clients from many addresses ---------- */

static struct world {
    struct plan plan;
    struct plan_service service;
    struct pages *pages;
    struct flow flow;
    struct row row;
    struct endpoint endpoint;
    struct listener listeners[1];
    struct usher_service echo;
    unsigned short port;
    int clients[CLIENTS];
    unsigned opened[256]; /* the last byte of whoever was served, in this order */
    size_t opened_count;
    unsigned drained_count;
} w;

static unsigned log_lines;
static char log_last[LOG_LINE];

static void keep_log(enum log_level level, const char *subject, const char *line)
{
    (void)level, (void)subject;
    log_lines++;
    snprintf(log_last, sizeof(log_last), "%s", line);
}

static void on_opened(struct usher_conn *conn)
{
    w.opened[w.opened_count++] = conn_of(conn)->peer.ip[15];
}

static size_t on_data(struct usher_conn *conn, const void *bytes, size_t count)
{
    output_write(conn, bytes, count);
    return count;
}

static unsigned short port_of(int fd)
{
    struct sockaddr_in in4;
    socklen_t length = sizeof(in4);

    assert_int_equal(getsockname(fd, (struct sockaddr *)&in4, &length), 0);
    return ntohs(in4.sin_port);
}

static int open_listener(void)
{
    struct sockaddr_in in4 = { .sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t length = sizeof(in4);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    assert_int_not_equal(fd, -1);
    assert_int_equal(bind(fd, (struct sockaddr *)&in4, length), 0);
    assert_int_equal(listen(fd, 512), 0);
    w.port = port_of(fd);
    return fd;
}

/* What a second worker of the pool holds of every source, where there is one. */
static bool has_sibling;
static uint64_t held_elsewhere;

uint64_t __wrap_pages_source_active(const struct pages *pages, uint32_t pool,
                                    const struct source_key *key);

uint64_t __wrap_pages_source_active(const struct pages *pages, uint32_t pool,
                                    const struct source_key *key)
{
    (void)pages, (void)pool, (void)key;
    return held_elsewhere;
}

static void open_pages(void)
{
    struct err err = ERR_EMPTY;
    int own;

    assert_int_equal(pages_open(&w.pages, &err), 0);
    own = pages_take(w.pages, 1, &err);
    if (has_sibling)
        assert_int_not_equal(pages_take(w.pages, 1, &err), -1);
    w.flow.pages = w.pages;
    w.flow.pool = 1;
    w.flow.page = pages_attach(w.pages, own, &err);
    assert_non_null(w.flow.page);
}

static void begin(unsigned max_connections)
{
    static char name[] = "echo";

    memset(&w, 0, sizeof(w));
    for (int i = 0; i < CLIENTS; i++)
        w.clients[i] = -1;
    w.service = stage_service(name);
    w.service.max_connections = max_connections;
    w.echo = (struct usher_service){ .opened = on_opened, .data = on_data };
    w.plan.services = &w.service;
    w.plan.service_count = 1;
    open_pages();
    stage_open(&w.flow, &w.plan);
    row_init(&w.row, &w.flow, &w.service, &w.flow.page->rows[0]);
    w.row.calls = &w.echo;
    w.flow.rows = &w.row;
    w.flow.row_count = 1;
    w.endpoint.kind = ENDPOINT_TCP;
    w.flow.listeners = w.listeners;
    w.flow.listener_count = 1;
    log_lines = 0;
    log_to(keep_log);
}

/* After the row's keys were set. */
static void serve(void)
{
    struct err err = ERR_EMPTY;

    if (admit_open(&w.row, &err) == -1)
        fail_msg("%s", err.text);
    listener_init(&w.listeners[0], &w.row, &w.endpoint, open_listener());
    assert_int_equal(listener_start(&w.listeners[0], &err), 0);
}

static void turn(int64_t ms)
{
    stage_turn(&w.flow, ms);
}

static void end(void)
{
    struct list *node, *safe;

    LIST_EACH(&w.row.by_age, node, safe)
        conn_close(CONTAINER(node, struct conn, by_age), USHER_GONE_STOPPED);
    listener_free(&w.listeners[0]);
    LIST_EACH(&w.row.by_age, node, safe)
        conn_close(CONTAINER(node, struct conn, by_age), USHER_GONE_STOPPED);
    row_close(&w.row);
    stage_close(&w.flow);
    pages_close(&w.pages);
    for (int i = 0; i < CLIENTS; i++)
        fd_close(&w.clients[i]);
    log_to(NULL);
    clock_fake(-1);
    has_sibling = false;
    held_elsewhere = 0;
}

/* From 127.0.0.(source). */
static int call(unsigned source)
{
    struct sockaddr_in from = { .sin_family = AF_INET,
                                .sin_addr.s_addr = htonl(0x7f000000 + source) };
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(w.port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

    for (int i = 0; i < CLIENTS; i++) {
        int fd;

        if (w.clients[i] != -1)
            continue;
        fd = w.clients[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_not_equal(fd, -1);
        assert_int_equal(bind(fd, (struct sockaddr *)&from, sizeof(from)), 0);
        assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
        return i;
    }
    fail();
    return -1;
}

static void hang_up(int client)
{
    fd_close(&w.clients[client]);
}

static uint64_t refused_by(enum admit_verdict verdict)
{
    return page_read(&w.row.counts->refused_by[verdict]);
}

static void wait_until(bool (*is_so)(void))
{
    int64_t until_ms = clock_us() / 1000 + STAGE_DEADLINE_MS;

    while (!is_so()) {
        turn(1);
        assert_true(clock_us() / 1000 < until_ms);
    }
}

static bool is_kernels_queue_empty(void)
{
    struct pollfd look = { .fd = w.listeners[0].fd, .events = POLLIN };

    return poll(&look, 1, 0) == 0;
}

static void settle(void)
{
    wait_until(is_kernels_queue_empty);
    turn(5);
}

/* Until the end: what the client heard. */
static const char *heard(int client)
{
    static char text[256];
    size_t count = 0;
    ssize_t got;

    for (int64_t until_ms = clock_us() / 1000 + STAGE_DEADLINE_MS;;) {
        got =
            recv(w.clients[client], text + count, sizeof(text) - 1 - count, MSG_DONTWAIT);
        if (got == 0 || (got == -1 && errno != EAGAIN))
            break;
        if (got > 0)
            count += (size_t)got;
        else
            turn(1);
        assert_true(clock_us() / 1000 < until_ms);
    }
    text[count] = '\0';
    return text;
}

static bool is_open(int client)
{
    char byte;

    return recv(w.clients[client], &byte, 1, MSG_DONTWAIT | MSG_PEEK) == -1 &&
           errno == EAGAIN;
}

/* ---- parking ----------------------------------------------------------------------- */

static void who_is_parked_starts_in_the_order_they_came(void **state)
{
    int first[2], third, fourth;

    (void)state;
    begin(100);
    w.service.max_per_source = 2;
    serve();
    first[0] = call(2), first[1] = call(2);
    settle();
    call(2), call(2);
    third = call(3);
    fourth = call(3);
    call(3);
    settle();
    assert_int_equal(w.row.live, 4);
    assert_int_equal(w.row.park.count, 3);
    assert_int_equal(w.flow.parked, 3);

    hang_up(third); /* 3 may start another, though two of 2 came before it */
    settle();
    assert_int_equal(w.row.park.count, 2);
    assert_int_equal(w.opened[w.opened_count - 1], 3);
    hang_up(first[0]);
    hang_up(first[1]);
    hang_up(fourth);
    settle();
    assert_int_equal(w.row.park.count, 0);
    assert_int_equal(w.row.live, 3);
    /* nobody waits, nothing wakes */
    assert_false(timer_is_on(&w.flow.loop, &w.row.park.timer));
    end();
}

static void the_park_is_shared_and_beyond_it_callers_are_closed(void **state)
{
    (void)state;
    begin(100);
    w.service.max_per_source = 1;
    w.service.banner_busy = "busy\r\n";
    serve();
    for (int i = 0; i < 1 + 57; i++)
        call(2);
    settle();
    assert_int_equal(w.row.park.count, 57); /* 57 < 8 * 7 does not hold */
    assert_string_equal(heard(call(2)), "busy\r\n");
    assert_int_equal(refused_by(ADMIT_SOURCE), 1);
    call(3), call(3);
    settle();
    assert_int_equal(w.row.park.count, 58);
    assert_int_equal(refused_by(ADMIT_SOURCE), 1);
    end();
}

/* Who is heard to the end in the batch that opened it leaves a slot while the park
 * looks. */
static void slots_that_come_free_while_the_park_looks_are_seen(void **state)
{
    int first;

    (void)state;
    begin(100);
    w.service.max_per_source = 1;
    serve();
    w.row.early.score = w.row.brief.score = 8;
    first = call(2);
    settle();
    for (int i = 0; i < 5; i++) {
        int client = call(2);

        assert_int_equal(send(w.clients[client], "hi", 2, 0), 2);
        shutdown(w.clients[client], SHUT_WR);
    }
    settle();
    assert_int_equal(w.row.park.count, 5);
    hang_up(first);
    STAGE_UNTIL(&w.flow, w.row.park.count == 0);
    assert_int_equal(w.opened_count, 6);
    end();
}

static void who_waits_for_too_long_is_told(void **state)
{
    int waiting;

    (void)state;
    begin(100);
    w.service.max_per_source = 1;
    w.service.banner_busy = "busy\r\n";
    serve();
    clock_fake(1000);
    call(2);
    settle();
    waiting = call(2);
    settle();
    clock_fake(1000 + PARK_MS);
    park_wake(&w.row);
    assert_string_equal(heard(waiting), "busy\r\n");
    assert_int_equal(refused_by(ADMIT_WAITED), 1);
    end();
}

static void who_left_while_waiting_is_not_started(void **state)
{
    struct linger at_once = { 1, 0 };
    int first, waiting;

    (void)state;
    begin(100);
    w.service.max_per_source = 1;
    serve();
    first = call(2);
    settle();
    waiting = call(2);
    settle();
    setsockopt(w.clients[waiting], SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    hang_up(waiting);
    hang_up(first);
    settle();
    assert_int_equal(w.opened_count, 1);
    assert_int_equal(w.row.park.count, 0);
    assert_int_equal(w.row.live, 0);
    end();
}

static void count_drained(struct flow *flow)
{
    (void)flow;
    w.drained_count++;
}

static void drain(void)
{
    w.flow.drained = count_drained;
    listener_close(&w.listeners[0]);
    w.flow.is_draining = true;
    flow_check_drained(&w.flow);
}

static void draining_starts_who_was_parked_within_the_limits(void **state)
{
    (void)state;
    begin(100);
    w.service.max_per_source = 1;
    serve();
    for (int i = 0; i < 4; i++)
        call(2);
    settle();
    drain();
    for (size_t i = 0; i < 4; i++) {
        turn(5);
        assert_int_equal(w.row.live, 1);
        assert_int_equal(w.row.park.count, 3 - i);
        assert_int_equal(w.drained_count, 0);
        hang_up((int)i);
        turn(5);
    }
    turn(5);
    assert_int_equal(w.opened_count, 4);
    assert_true(w.drained_count > 0);
    assert_int_equal(page_read(&w.row.counts->refused), 0);
    end();
}

static void who_is_parked_in_a_row_that_goes_is_told(void **state)
{
    int first, second;

    (void)state;
    begin(100);
    w.service.max_per_source = 1;
    w.service.banner_busy = "busy\r\n";
    serve();
    call(2);
    settle();
    first = call(2), second = call(2);
    settle();
    drain();
    park_turn_away(&w.row);
    assert_string_equal(heard(first), "busy\r\n");
    assert_string_equal(heard(second), "busy\r\n");
    assert_int_equal(refused_by(ADMIT_WAITED), 2);
    assert_int_equal(w.row.live, 1);
    assert_int_equal(w.drained_count, 0);
    end();
}

static void who_waits_in_vain_lets_the_worker_go(void **state)
{
    (void)state;
    begin(1);
    w.service.max_per_source = 1;
    serve();
    clock_fake(1000);
    call(2);
    settle();
    call(2);
    settle();
    drain();
    page_add(&w.row.counts->active, 1); /* the new generation has the slot at once */
    hang_up(0);
    turn(5);
    assert_int_equal(w.row.live, 0);
    assert_int_equal(w.row.park.count, 1);
    assert_int_equal(w.drained_count, 0);
    clock_fake(1000 + PARK_MS);
    park_wake(&w.row);
    while (w.drained_count == 0)
        turn(5);
    assert_int_equal(refused_by(ADMIT_WAITED), 1);
    assert_int_equal(w.opened_count, 1);
    end();
}

static void a_rate_per_source_is_waited_for(void **state)
{
    (void)state;
    begin(100);
    w.service.rate_per_source = "20/s:1";
    serve();
    call(2), call(2), call(2);
    settle();
    assert_int_equal(w.row.live + w.row.park.count, 3);
    while (w.row.park.count > 0)
        turn(5);
    assert_int_equal(w.row.live, 3);
    assert_int_equal(page_read(&w.row.counts->refused), 0);
    end();
}

static void a_rate_of_the_row_is_waited_for_by_turns(void **state)
{
    int64_t started_ms = clock_ms();

    (void)state;
    begin(100);
    w.service.rate = "50/s:1";
    serve();
    clock_fake(started_ms); /* all wait by the time that the second may start */
    for (int i = 0; i < 20; i++)
        call(2);
    settle();
    call(3), call(4), call(3);
    settle();
    call(2);
    clock_fake(-1);
    while (w.opened_count < 9)
        turn(5);
    assert_true(clock_ms() - started_ms >= 150); /* 8 of 20 ms */
    for (size_t i = 0, seen[5] = { 0 }; i < 9; i++)
        if (++seen[w.opened[i]] == (w.opened[i] == 2 ? 6 : 1))
            assert_true(w.opened[i] != 2 || (seen[3] == 2 && seen[4] == 1));
    assert_int_equal(page_read(&w.row.counts->refused), 0);
    end();
}

static void places_before_a_rate_are_shared(void **state)
{
    (void)state;
    begin(1000);
    w.service.rate = "1/h:1";
    w.service.banner_busy = "busy\r\n";
    serve();
    for (int i = 0; i < 1 + 57; i++)
        call(2);
    settle();
    assert_int_equal(w.row.park.at_rate, 57);
    assert_string_equal(heard(call(2)), "busy\r\n");
    assert_int_equal(refused_by(ADMIT_RATE), 1);
    for (unsigned source = 3; source < 13; source++)
        call(source);
    settle();
    assert_int_equal(w.row.park.at_rate, PARK_PLACES);
    assert_int_equal(refused_by(ADMIT_SHARE_HELD), 3); /* of the flooder's, for others */
    assert_int_equal(w.row.live, 1);
    end();
}

/* ---- refusing ---------------------------------------------------------------------- */

static void refuse_means_at_once(void **state)
{
    static const struct {
        unsigned max, per_source;
        const char *rate, *source_rate;
        enum admit_verdict verdict;
    } cases[] = {
        { 1, 0, NULL, NULL, ADMIT_FULL },
        { 100, 1, NULL, NULL, ADMIT_SOURCE },
        { 100, 0, "1/h", NULL, ADMIT_RATE },
        { 100, 0, NULL, "1/h", ADMIT_SOURCE_RATE },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        begin(cases[i].max);
        w.service.on_limit = PLAN_ON_LIMIT_REFUSE;
        w.service.max_per_source = cases[i].per_source;
        w.service.rate = cases[i].rate;
        w.service.rate_per_source = cases[i].source_rate;
        w.service.banner_busy = "Too many callers.\r\n";
        w.service.banner = "Welcome.\r\n";
        serve();
        call(2);
        settle();
        assert_string_equal(heard(call(2)), "Too many callers.\r\n");
        assert_int_equal(refused_by(cases[i].verdict), 1);
        assert_int_equal(page_read(&w.row.counts->refused), 1);
        assert_int_equal(w.row.live, 1);
        end();
    }
}

static void refuse_means_short_of_descriptors_too(void **state)
{
    (void)state;
    begin(100);
    w.service.on_limit = PLAN_ON_LIMIT_REFUSE;
    w.service.banner_busy = "Too many.\r\n";
    serve();
    assert_int_equal(send(w.clients[call(2)], "x", 1, 0), 1);
    settle();
    w.flow.files_limit = w.flow.files_base + w.flow.connections;
    call(3);
    turn(20);
    assert_int_equal(w.listeners[0].state, LISTENER_OPEN);
    assert_int_equal(refused_by(ADMIT_FILES), 1);
    assert_int_equal(w.row.live, 1);
    end();
}

static void denied_callers_hear_their_own_banner_and_the_others_the_first(void **state)
{
    static const char *const deny[] = { "127.0.0.2" };
    char text[16] = "";

    (void)state;
    begin(100);
    w.service.deny = (struct usher_list){ 1, deny };
    w.service.banner_denied = "No.\r\n";
    w.service.banner_busy = "Later.\r\n";
    w.service.banner = "Yes.\r\n";
    serve();
    assert_string_equal(heard(call(2)), "No.\r\n");
    assert_int_equal(refused_by(ADMIT_DENIED), 1);
    assert_non_null(strstr(log_last, "refuse reason=denied peer=127.0.0.2:"));
    assert_int_equal(send(w.clients[call(3)], "x", 1, 0), 1);
    settle();
    assert_int_equal(recv(w.clients[1], text, sizeof(text), MSG_DONTWAIT), 7);
    assert_memory_equal(text, "Yes.\r\nx", 7);
    end();
}

static void b22_a_flood_is_one_line_a_second_and_a_summary(void **state)
{
    static const char *const deny[] = { "127.0.0.2" };
    struct peer peer = { .kind = PEER_IP };

    (void)state;
    begin(100);
    w.service.deny = (struct usher_list){ 1, deny };
    serve();
    clock_fake(1000);
    for (int i = 0; i < 1000; i++)
        refusal_note(&w.row, &peer, i % 2 == 0 ? ADMIT_DENIED : ADMIT_SHARE_HELD);
    assert_int_equal(log_lines, 1);
    clock_fake(2000);
    refusal_note(&w.row, &peer, ADMIT_DENIED);
    assert_int_equal(log_lines, 2);
    assert_non_null(strstr(log_last, "left_out=999"));
    for (int i = 0; i < 10; i++)
        refusal_note(&w.row, &peer, ADMIT_SHARE_HELD);
    clock_fake(-1); /* the flood is over: long after, by any clock */
    refusal_fini(&w.row);
    assert_int_equal(log_lines, 3);
    assert_string_equal(log_last, "refuse left_out=10 share=10");
    assert_int_equal(page_read(&w.row.counts->refused), 1011);
    end();
}

static void the_summary_comes_by_itself(void **state)
{
    struct peer peer = { .kind = PEER_IP };

    (void)state;
    begin(100);
    serve();
    clock_fake(clock_ms()); /* within a second */
    for (int i = 0; i < 3; i++)
        refusal_note(&w.row, &peer, ADMIT_FULL);
    clock_fake(-1);
    while (log_lines < 2)
        turn(20);
    assert_string_equal(log_last, "refuse left_out=2 max_connections=2");
    assert_false(timer_is_on(&w.flow.loop, &w.row.refusal.summary));
    end();
}

/* ---- when no slot is left ---------------------------------------------------------- */

static void b5_a_silent_connection_of_the_heaviest_source_makes_room(void **state)
{
    int heavy, light;

    (void)state;
    begin(3);
    w.service.banner_busy = "busy\r\n";
    serve();
    light = call(4);
    heavy = call(2), call(2);
    settle();
    assert_int_equal(w.row.live, 3);
    call(3);
    settle();
    assert_int_equal(w.row.live, 3);
    assert_int_equal(w.opened[w.opened_count - 1], 3);
    assert_string_equal(heard(heavy), "busy\r\n"); /* its oldest */
    assert_int_equal(refused_by(ADMIT_SILENT), 1);
    assert_true(is_open(light));
    end();
}

static void who_has_said_something_is_never_closed_for_another(void **state)
{
    (void)state;
    begin(3);
    serve();
    for (int i = 0; i < 3; i++)
        assert_int_equal(send(w.clients[call(2)], "x", 1, 0), 1);
    settle();
    assert_int_equal(w.row.live, 3);
    assert_true(list_is_empty(&w.row.silent));
    call(3);
    turn(20);
    assert_int_equal(w.listeners[0].state, LISTENER_FULL);
    assert_int_equal(page_read(&w.row.counts->refused), 0);
    hang_up(0);
    settle();
    assert_int_equal(w.opened[w.opened_count - 1], 3);
    end();
}

static void a_source_with_one_loses_it_only_when_that_is_old(void **state)
{
    int64_t now_ms = clock_ms();

    (void)state;
    begin(3);
    serve();
    clock_fake(now_ms);
    call(2), call(3), call(4);
    settle();
    call(5);
    settle();
    assert_int_equal(w.row.park.count, 1); /* nobody has to go, so it waits */
    assert_int_equal(w.opened_count, 3);
    clock_fake(now_ms + 1500);
    call(6);
    while (w.opened_count < 5)
        turn(50); /* a full row looks again by itself */
    assert_int_equal(refused_by(ADMIT_SILENT), 2);
    assert_int_equal(w.row.park.count, 0);
    assert_int_equal(w.row.live, 3);
    end();
}

static void say(int client)
{
    assert_int_equal(send(w.clients[client], "x", 1, 0), 1);
}

/* The flooder's are neither the oldest nor the newest. */
static void b5_whoever_holds_most_by_far_is_found_among_many(void **state)
{
    int64_t now_ms = clock_ms();
    int others[70];

    (void)state;
    begin(100);
    serve();
    clock_fake(now_ms);
    for (unsigned i = 0; i < 50; i++)
        others[i] = call(10 + i);
    for (int i = 0; i < 30; i++)
        call(2);
    for (unsigned i = 50; i < 70; i++)
        others[i] = call(10 + i);
    settle();
    assert_int_equal(w.row.live, 100);
    clock_fake(now_ms + 1500);
    for (unsigned i = 0; i < 20; i++) {
        say(call(100 + i));
        settle();
    }
    assert_int_equal(w.opened_count, 120);
    for (int i = 0; i < 70; i++)
        assert_true(is_open(others[i]));
    end();
}

static void whom_the_clock_still_counts_as_silent_hides_nobody(void **state)
{
    struct list *node, *safe;
    int left = 80;

    (void)state;
    begin(100);
    w.service.first_byte_timeout = 60000;
    serve();
    for (int i = 0; i < 88; i++)
        call(2);
    for (unsigned i = 0; i < 12; i++)
        call(10 + i);
    settle();
    assert_int_equal(w.row.live, 100);
    LIST_EACH(&w.row.silent, node, safe)
        if (left-- > 0)
            CONTAINER(node, struct conn, by_rest)->flags |= CONN_MOVED;
    call(3);
    settle();
    assert_int_equal(w.opened_count, 101);
    assert_int_equal(
        admit_held(&w.row, &CONTAINER(w.row.by_age.next, struct conn, by_age)->peer), 87);
    end();
}

static char wave[65536];

/* More than the kernel takes. */
static void flood(struct usher_conn *conn)
{
    while (conn_kept_output(conn_of(conn)) == 0 &&
           output_write(conn, wave, sizeof(wave)) == 0)
        continue;
}

static void on_opened_flood(struct usher_conn *conn)
{
    on_opened(conn);
    flood(conn);
}

static bool is_in(const struct list *head, const struct list *wanted)
{
    for (const struct list *node = head->next; node != head; node = node->next)
        if (node == wanted)
            return true;
    return head == wanted;
}

/* It reads, and so is no longer silent, where the last search ended. */
static void the_hand_stays_among_the_silent_ones(void **state)
{
    int64_t now_ms = clock_ms();

    (void)state;
    begin(4);
    w.echo.opened = on_opened_flood;
    w.echo.drained = flood;
    w.service.idle_timeout = 60000;
    deadline_init(&w.row);
    serve();
    clock_fake(now_ms);
    for (unsigned source = 2; source < 4; source++)
        call(source), call(source);
    settle();
    call(4);
    settle();
    assert_int_equal(refused_by(ADMIT_SILENT), 1);
    clock_fake(now_ms + 1500);
    while (list_is_empty(&w.row.by_rest)) {
        for (int i = 0; i < 5; i++)
            while (recv(w.clients[i], wave, sizeof(wave), MSG_DONTWAIT) > 0)
                continue;
        turn(1);
    }
    assert_true(w.row.silence.hand == NULL ||
                is_in(&w.row.silent, w.row.silence.hand));
    end();
}

static bool has_served_4(void)
{
    return w.opened[w.opened_count - 1] == 4;
}

/* The kernel's queue is not forgotten for the park: who came from there into the slot is
 * silent. */
static void a_silent_one_out_of_the_park_makes_room_too(void **state)
{
    (void)state;
    begin(9);
    serve();
    for (int i = 0; i < 8; i++)
        say(call(2));
    settle();
    call(2);
    settle();
    assert_int_equal(w.row.park.count, 1);
    say(call(3));
    settle();
    call(4);
    turn(5);
    assert_int_equal(w.listeners[0].state, LISTENER_FULL);
    hang_up(0);
    wait_until(has_served_4);
    assert_int_equal(w.row.live, 9);
    assert_int_equal(refused_by(ADMIT_SILENT), 1);
    end();
}

static void no_silent_connection_goes_for_who_is_ahead_of_a_rate(void **state)
{
    int64_t now_ms = clock_ms();

    (void)state;
    begin(3);
    w.service.rate = "6/h:3";
    serve();
    clock_fake(now_ms);
    call(2), call(2), call(2);
    settle();
    call(3), call(4);
    settle();
    assert_int_equal(w.opened_count, 3);
    assert_int_equal(refused_by(ADMIT_SILENT), 0);
    clock_fake(now_ms + 601000);
    w.row.park.places[0].since_ms = now_ms + 600000;
    park_wake(&w.row);
    settle();
    assert_int_equal(w.opened_count, 4); /* with the next token */
    assert_int_equal(refused_by(ADMIT_SILENT), 1);
    end();
}

static void no_silent_connection_goes_for_a_source_at_its_limit(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        begin(4);
        serve();
        say(call(3)), call(4), call(4), call(4);
        settle();
        assert_int_equal(w.row.live, 4);
        if (i == 0)
            assert_int_equal(admission_rate("1/h:1", &w.row.admit.source_rate, NULL), 0);
        else
            w.service.max_per_source = 1;
        admit_spend(&w.row, &CONTAINER(w.row.by_age.next, struct conn, by_age)->peer);
        call(3);
        settle();
        assert_int_equal(w.row.park.count, 1);
        park_wake(&w.row);
        settle();
        assert_int_equal(refused_by(ADMIT_SILENT), 0);
        end();
    }
}

/* ---- silent ones whose descriptor is the plugin's, or who let it talk to others ---- */

static struct conn *taken[CLIENTS];
static size_t taken_count;

static void on_opened_take(struct usher_conn *conn)
{
    on_opened(conn);
    assert_int_not_equal(conn_take(conn), -1);
    taken[taken_count++] = conn_of(conn);
}

/* What the plugin does with them: reads, and gives back who has ended. */
static void serve_taken(void)
{
    for (size_t i = 0; i < taken_count; i++) {
        char byte;
        ssize_t got = taken[i] != NULL
                          ? recv(taken[i]->fd, &byte, 1, MSG_DONTWAIT) : -1;
        int fd;

        if (got != 0)
            continue;
        fd = taken[i]->fd;
        conn_done(&taken[i]->head);
        fd_close(&fd);
        taken[i] = NULL;
    }
    turn(5);
}

static void end_taken(void)
{
    while (w.row.live > 0) {
        for (size_t i = 0; i < taken_count; i++)
            if (taken[i] != NULL)
                shutdown(taken[i]->fd, SHUT_RDWR);
        serve_taken();
    }
    end();
}

static void a_silent_one_that_was_taken_is_told_to_go(void **state)
{
    int spoken, silent;

    (void)state;
    taken_count = 0;
    begin(4);
    w.echo.opened = on_opened_take;
    serve();
    clock_fake(clock_ms()); /* who was told has its time */
    spoken = call(2);
    silent = call(2);
    call(4), call(2);
    say(spoken);
    settle();
    serve_taken();
    assert_int_equal(w.row.live, 4);
    for (int i = 0; i < 3; i++)
        call(2); /* they wait, and have no part of what comes free for another */
    settle();
    call(3);
    settle();
    assert_int_equal(refused_by(ADMIT_SILENT), 1);
    assert_int_equal(w.opened_count, 4); /* until the plugin has seen it */
    serve_taken();
    assert_int_equal(w.opened_count, 5);
    assert_int_equal(w.opened[4], 3);
    assert_int_equal(w.row.live, 4);
    assert_string_equal(heard(silent), "");
    assert_true(is_open(spoken));
    end_taken();
}

static void a_plugin_that_keeps_one_is_not_waited_for(void **state)
{
    int64_t now_ms = clock_ms();

    (void)state;
    taken_count = 0;
    begin(3);
    w.echo.opened = on_opened_take;
    serve();
    clock_fake(now_ms);
    call(2), call(2), call(2);
    settle();
    call(3);
    settle();
    call(4);
    settle();
    assert_int_equal(refused_by(ADMIT_SILENT), 1);
    assert_int_equal(w.row.park.count, 2);
    clock_fake(now_ms + 1100);
    park_wake(&w.row);
    turn(5);
    assert_int_equal(refused_by(ADMIT_SILENT), 2);
    serve_taken();
    serve_taken();
    assert_int_equal(w.opened_count, 5);
    end_taken();
}

static void refusing_rows_keep_who_was_promised_a_slot(void **state)
{
    (void)state;
    taken_count = 0;
    begin(3);
    w.echo.opened = on_opened_take;
    w.service.on_limit = PLAN_ON_LIMIT_REFUSE;
    serve();
    clock_fake(clock_ms()); /* who was told has its time */
    call(2), call(2), call(2);
    settle();
    call(3);
    settle();
    assert_int_equal(page_read(&w.row.counts->refused), 1);
    assert_int_equal(refused_by(ADMIT_SILENT), 1);
    serve_taken();
    assert_int_equal(w.opened[3], 3);
    end_taken();
}

static int ready_end = -1;

static void on_ready(struct usher_conn *conn, int fd, unsigned what)
{
    (void)what;
    tools_watch(conn, fd, 0, on_ready);
    if (w.echo.drained != NULL) /* here: whether it has something to say */
        output_write(conn, "hello", 5);
}

static void on_drained(struct usher_conn *conn)
{
    (void)conn;
}

static void on_opened_watch(struct usher_conn *conn)
{
    on_opened(conn);
    assert_int_equal(tools_watch(conn, ready_end, 2, on_ready), 0);
}

static void what_a_plugin_does_elsewhere_is_not_said_by_the_caller(void **state)
{
    int fds[2];
    struct conn *first;

    (void)state;
    assert_int_equal(pipe(fds), 0);
    for (int i = 0; i < 2; i++) {
        begin(1);
        w.echo.opened = on_opened_watch;
        w.echo.drained = i == 0 ? NULL : on_drained;
        ready_end = fds[1];
        serve();
        call(2);
        settle();
        turn(5);
        first = CONTAINER(w.row.by_age.next, struct conn, by_age);
        assert_int_equal((first->flags & CONN_MOVED) != 0, i == 1);
        end();
    }
    close(fds[0]);
    close(fds[1]);
}

static void a_listener_that_was_shut_down_listens_again(void **state)
{
    (void)state;
    begin(10);
    w.service.backlog = 16;
    serve();
    call(2);
    settle();
    assert_int_equal(shutdown(w.listeners[0].fd, SHUT_RDWR), 0);
    turn(5);
    w.port = port_of(w.listeners[0].fd); /* only one that was asked for stays */
    assert_int_equal(w.listeners[0].state, LISTENER_OPEN);
    assert_int_equal(log_lines, 1);
    assert_non_null(strstr(log_last, "listening again"));
    call(3);
    settle();
    assert_int_equal(w.opened_count, 2);
    end();
}

/* Another worker had the last slot when the row was found full, and none any more when it
 * was asked whether others have some. */
static void who_found_no_slot_a_moment_ago_looks_again(void **state)
{
    (void)state;
    begin(1);
    serve();
    listener_fill(&w.listeners[0]);
    call(2);
    settle();
    assert_int_equal(w.opened_count, 1);
    end();
}

static void who_is_parked_for_another_workers_sake_is_looked_at(void **state)
{
    (void)state;
    has_sibling = true;
    begin(100);
    w.service.max_per_source = 1;
    held_elsewhere = 1;
    serve();
    call(2);
    settle();
    assert_int_equal(w.row.park.count, 1);
    held_elsewhere = 0;
    STAGE_UNTIL(&w.flow, w.opened_count == 1)
        continue;
    end();
}

static bool has_no_memory;

void *__real_mem_try(size_t size);
void *__wrap_mem_try(size_t size);

void *__wrap_mem_try(size_t size)
{
    return has_no_memory ? NULL : __real_mem_try(size);
}

static void without_memory_nobody_is_parked(void **state)
{
    (void)state;
    begin(100);
    w.service.max_per_source = 1;
    w.service.banner_busy = "busy\r\n";
    serve();
    call(2);
    settle();
    has_no_memory = true;
    assert_string_equal(heard(call(2)), "busy\r\n");
    has_no_memory = false;
    assert_int_equal(refused_by(ADMIT_SOURCE), 1);
    assert_int_equal(w.row.park.count, 0);
    end();
}

/* He could not start at once, and then another of his source had his slot. */
static void nobody_waits_for_a_source_at_its_limit(void **state)
{
    struct peer peer;

    (void)state;
    begin(10);
    w.service.max_per_source = 1;
    serve();
    has_no_memory = true;
    call(2);
    settle();
    has_no_memory = false;
    assert_int_not_equal(w.listeners[0].held, -1);
    peer = w.listeners[0].held_peer;
    admit_find(&w.row, w.listeners[0].held, &peer);
    row_take(&w.row, &peer);
    call(3);
    STAGE_UNTIL(&w.flow, w.opened_count == 1)
        continue;
    assert_int_equal(w.opened[0], 3);
    assert_int_equal(w.row.park.count, 1);
    row_release(&w.row, &peer);
    STAGE_UNTIL(&w.flow, w.opened_count == 2)
        continue;
    assert_int_equal(w.opened[1], 2);
    end();
}

static void without_memory_a_caller_waits_for_its_program(void **state)
{
    static struct program program;

    (void)state;
    begin(10);
    w.service.way = PLAN_WAY_EXEC;
    w.row.program = &program;
    serve();
    has_no_memory = true;
    call(2);
    settle();
    has_no_memory = false;
    assert_int_equal(w.listeners[0].state, LISTENER_PAUSED);
    assert_int_not_equal(w.listeners[0].held, -1);
    assert_int_equal(w.row.live, 0);
    w.row.program = NULL;
    w.service.way = PLAN_WAY_DISPATCH;
    end();
}

/* Another row's connections end: this one is not told. */
static void descriptors_that_come_back_start_who_is_parked(void **state)
{
    (void)state;
    begin(1000);
    serve();
    for (int i = 0; i < 128; i++)
        call(2);
    settle();
    assert_int_equal(w.row.live, 128);
    w.flow.files_limit = w.flow.files_base + 128 + PARK_SPARE_FILES + 3;
    call(2);
    settle();
    assert_int_equal(w.row.park.count, 1);
    w.flow.files_limit += 500;
    STAGE_UNTIL(&w.flow, w.row.park.count == 0)
        continue;
    assert_int_equal(w.row.live, 129);
    end();
}

static void who_left_before_his_program_started_is_counted(void **state)
{
    struct linger at_once = { 1, 0 };
    int client;

    (void)state;
    begin(10);
    w.service.way = PLAN_WAY_EXEC;
    serve();
    client = call(2);
    setsockopt(w.clients[client], SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    hang_up(client);
    settle();
    assert_int_equal(refused_by(ADMIT_WAITED), 1);
    w.service.way = PLAN_WAY_DISPATCH;
    end();
}

static void the_last_parked_of_the_heaviest_goes_for_another_source(void **state)
{
    (void)state;
    begin(100);
    w.service.max_per_source = 1;
    serve();
    for (unsigned source = 2; source < 12; source++)
        for (int i = 0; i < 9; i++)
            call(source);
    settle();
    assert_int_equal(w.row.live, 10);
    assert_int_equal(w.row.park.count, PARK_PLACES);
    assert_true(park_has_place(&w.row));
    assert_true(park_make_place(&w.row));
    assert_int_equal(w.row.park.count, PARK_PLACES - 1);
    end();
}

static void ones_own_connections_are_not_closed_for_ones_next(void **state)
{
    (void)state;
    begin(3);
    serve();
    for (int i = 0; i < 8; i++)
        call(2);
    settle();
    assert_int_equal(w.row.live, 3);
    assert_int_equal(w.row.park.count, 5);
    assert_int_equal(page_read(&w.row.counts->refused), 0);
    for (int i = 0; i < 8; i++) {
        settle();
        hang_up(i);
    }
    settle();
    assert_int_equal(w.opened_count, 8);
    assert_int_equal(w.row.live, 0);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_parked_starts_in_the_order_they_came),
        cmocka_unit_test(the_park_is_shared_and_beyond_it_callers_are_closed),
        cmocka_unit_test(slots_that_come_free_while_the_park_looks_are_seen),
        cmocka_unit_test(who_waits_for_too_long_is_told),
        cmocka_unit_test(who_left_while_waiting_is_not_started),
        cmocka_unit_test(draining_starts_who_was_parked_within_the_limits),
        cmocka_unit_test(who_is_parked_in_a_row_that_goes_is_told),
        cmocka_unit_test(who_waits_in_vain_lets_the_worker_go),
        cmocka_unit_test(a_rate_per_source_is_waited_for),
        cmocka_unit_test(a_rate_of_the_row_is_waited_for_by_turns),
        cmocka_unit_test(places_before_a_rate_are_shared),
        cmocka_unit_test(refuse_means_at_once),
        cmocka_unit_test(refuse_means_short_of_descriptors_too),
        cmocka_unit_test(denied_callers_hear_their_own_banner_and_the_others_the_first),
        cmocka_unit_test(b22_a_flood_is_one_line_a_second_and_a_summary),
        cmocka_unit_test(the_summary_comes_by_itself),
        cmocka_unit_test(b5_a_silent_connection_of_the_heaviest_source_makes_room),
        cmocka_unit_test(who_has_said_something_is_never_closed_for_another),
        cmocka_unit_test(a_source_with_one_loses_it_only_when_that_is_old),
        cmocka_unit_test(b5_whoever_holds_most_by_far_is_found_among_many),
        cmocka_unit_test(whom_the_clock_still_counts_as_silent_hides_nobody),
        cmocka_unit_test(the_hand_stays_among_the_silent_ones),
        cmocka_unit_test(a_silent_one_out_of_the_park_makes_room_too),
        cmocka_unit_test(no_silent_connection_goes_for_who_is_ahead_of_a_rate),
        cmocka_unit_test(no_silent_connection_goes_for_a_source_at_its_limit),
        cmocka_unit_test(a_silent_one_that_was_taken_is_told_to_go),
        cmocka_unit_test(a_plugin_that_keeps_one_is_not_waited_for),
        cmocka_unit_test(refusing_rows_keep_who_was_promised_a_slot),
        cmocka_unit_test(what_a_plugin_does_elsewhere_is_not_said_by_the_caller),
        cmocka_unit_test(a_listener_that_was_shut_down_listens_again),
        cmocka_unit_test(who_found_no_slot_a_moment_ago_looks_again),
        cmocka_unit_test(who_is_parked_for_another_workers_sake_is_looked_at),
        cmocka_unit_test(without_memory_nobody_is_parked),
        cmocka_unit_test(nobody_waits_for_a_source_at_its_limit),
        cmocka_unit_test(without_memory_a_caller_waits_for_its_program),
        cmocka_unit_test(descriptors_that_come_back_start_who_is_parked),
        cmocka_unit_test(who_left_before_his_program_started_is_counted),
        cmocka_unit_test(the_last_parked_of_the_heaviest_goes_for_another_source),
        cmocka_unit_test(ones_own_connections_are_not_closed_for_ones_next),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
