/* What accept() says, how much a wake-up takes on, and whose turn it is: with accept4()
 * and poll() in between, so that each can be counted, or fail. */
#include "flow/turns.h"

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

#include "support/descriptors.h"
#include "support/stage.h"

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "flow/conn.h"
#include "flow/intake.h"

#define CLIENTS 160
#define TROUBLE_MS 1000
#define MOST 10000
#define START_MS 1000000

/* ---- the calls --------------------------------------------------------------------- */

static unsigned accepts, polls;
static int accept_code;           /* what it fails with; 0: it does not */
static int64_t accept_takes_ms;   /* by the clock of the tests */
static int64_t now_ms;

static void set_clock(int64_t ms)
{
    now_ms = ms;
    clock_fake(ms);
}

int __real_accept4(int fd, struct sockaddr *addr, socklen_t *length, int flags);
int __wrap_accept4(int fd, struct sockaddr *addr, socklen_t *length, int flags);
int __real_poll(struct pollfd *fds, nfds_t count, int wait_ms);
int __wrap_poll(struct pollfd *fds, nfds_t count, int wait_ms);

/* The linker puts them in front of accept4() and poll(). */
int __wrap_accept4(int fd, struct sockaddr *addr, socklen_t *length, int flags)
{
    accepts++;
    if (accept_takes_ms > 0)
        set_clock(now_ms + accept_takes_ms);
    if (accepts > MOST) /* or a loop without a budget would never end */
        accept_code = EAGAIN;
    if (accept_code == 0)
        return __real_accept4(fd, addr, length, flags);
    errno = accept_code;
    return -1;
}

int __wrap_poll(struct pollfd *fds, nfds_t count, int wait_ms)
{
    polls++;
    return __real_poll(fds, count, wait_ms);
}

/* ---- a worker with one row and one listener ---------------------------------------- */

static struct world {
    struct plan plan;
    struct plan_service service;
    struct pages *pages;
    struct flow flow;
    struct row row;
    struct endpoint endpoint;
    struct listener listener;
    struct usher_service echo;
    unsigned short port;
    int clients[CLIENTS];
    unsigned opened[256]; /* the last byte of whoever was served, in this order */
    size_t opened_count;
} w;

static unsigned log_lines;

static void keep_log(enum log_level level, const char *subject, const char *line)
{
    (void)level, (void)subject, (void)line;
    log_lines++;
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

static int open_listener(void)
{
    struct sockaddr_in in4 = { .sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t length = sizeof(in4);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    assert_int_not_equal(fd, -1);
    assert_int_equal(bind(fd, (struct sockaddr *)&in4, length), 0);
    assert_int_equal(listen(fd, 512), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&in4, &length), 0);
    w.port = ntohs(in4.sin_port);
    return fd;
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
    stage_pages(&w.flow, &w.pages);
    stage_open(&w.flow, &w.plan);
    row_init(&w.row, &w.flow, &w.service, &w.flow.page->rows[0]);
    w.row.calls = &w.echo;
    w.flow.rows = &w.row;
    w.flow.row_count = 1;
    w.endpoint.kind = ENDPOINT_TCP;
    w.flow.listeners = &w.listener;
    w.flow.listener_count = 1;
    log_lines = 0;
    log_to(keep_log);
    set_clock(START_MS);
}

/* After the row's keys were set. */
static void serve(void)
{
    struct err err = ERR_EMPTY;

    if (admit_open(&w.row, &err) == -1)
        fail_msg("%s", err.text);
    listener_init(&w.listener, &w.row, &w.endpoint, open_listener());
    assert_int_equal(listener_start(&w.listener, &err), 0);
}

static void end(void)
{
    struct list *node, *safe;

    accept_code = 0;
    accept_takes_ms = 0;
    park_turn_away(&w.row);
    LIST_EACH(&w.row.by_age, node, safe)
        conn_close(CONTAINER(node, struct conn, by_age), USHER_GONE_STOPPED);
    listener_free(&w.listener);
    row_close(&w.row);
    stage_close(&w.flow);
    pages_close(&w.pages);
    for (int i = 0; i < CLIENTS; i++)
        fd_close(&w.clients[i]);
    log_to(NULL);
    clock_fake(-1);
}

/* From 127.0.0.(source): in the kernel's queue when this returns. */
static int call(unsigned source)
{
    struct sockaddr_in from = { .sin_family = AF_INET,
                                .sin_addr.s_addr = htonl(0x7f000000 + source) };
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(w.port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int i = 0, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    while (i < CLIENTS && w.clients[i] != -1)
        i++;
    assert_in_range(i, 0, CLIENTS - 1);
    w.clients[i] = fd;
    assert_int_not_equal(fd, -1);
    assert_int_equal(bind(fd, (struct sockaddr *)&from, sizeof(from)), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    return i;
}

/* One wake-up of the listener; yields how often it asked for a caller. */
static unsigned wake(void)
{
    accepts = 0;
    intake_accept(&w.listener);
    return accepts;
}

/* One look of the park; yields how many who wait were looked at. */
static unsigned look(void)
{
    polls = 0;
    turns_look(-1, 0, &w.row);
    return polls;
}

/* ---- what accept() says ------------------------------------------------------------ */

static void b15_b17_an_error_that_passes_costs_one_try_of_a_wake_up(void **state)
{
    static const int passing[] = { ECONNABORTED, EPROTO,       ENETDOWN,     ENOPROTOOPT,
                                   EHOSTDOWN,    ENONET,       EHOSTUNREACH, EOPNOTSUPP,
                                   ENETUNREACH,  EINTR,        EPERM,        ETIMEDOUT,
                                   ECONNRESET };

    (void)state;
    begin(100);
    serve();
    for (size_t i = 0; i < ARRAY_LEN(passing); i++) {
        accept_code = passing[i];
        assert_int_equal(wake(), INTAKE_BUDGET); /* and it ends: others are served */
        assert_int_equal(w.listener.state, LISTENER_OPEN);
    }
    assert_int_equal(log_lines, 0);
    accept_code = EAGAIN;
    assert_int_equal(wake(), 1);
    assert_int_equal(w.listener.state, LISTENER_OPEN);
    end();
}

static enum listener_state state_at_mark;

static void on_mark(int fd, short what, void *context)
{
    (void)fd, (void)what, (void)context;
    state_at_mark = w.listener.state;
}

/* Of two timers the earlier one comes first, however late both are. */
static enum listener_state state_after(int64_t ms)
{
    struct watch mark;

    accept_code = 0;
    state_at_mark = LISTENER_CLOSED;
    timer_init(&mark, on_mark, NULL);
    timer_start(&w.flow.loop, &mark, ms);
    for (int i = 0; i < 1000 && state_at_mark == LISTENER_CLOSED; i++)
        stage_turn(&w.flow, 10);
    timer_stop(&w.flow.loop, &mark);
    return state_at_mark;
}

static void b11_b12_a_shortage_pauses_and_other_trouble_pauses_longer(void **state)
{
    static const int shortages[] = { EMFILE, ENFILE, ENOMEM, ENOBUFS };

    (void)state;
    begin(100);
    serve();
    for (size_t i = 0; i < ARRAY_LEN(shortages); i++) {
        accept_code = shortages[i];
        assert_int_equal(wake(), 1);
        assert_int_equal(w.listener.state, LISTENER_PAUSED);
        assert_int_equal(state_after(2 * LISTENER_PAUSE_MS), LISTENER_OPEN);
    }
    accept_code = EIO;
    assert_int_equal(wake(), 1);
    assert_int_equal(state_after(2 * LISTENER_PAUSE_MS), LISTENER_PAUSED);
    assert_int_equal(state_after(TROUBLE_MS), LISTENER_OPEN);
    call(2);
    wake();
    assert_int_equal(w.row.live, 1);
    end();
}

static void b6_a_wake_up_takes_so_many_and_leaves_the_rest(void **state)
{
    (void)state;
    begin(1000);
    serve();
    for (int i = 0; i < INTAKE_BUDGET + 20; i++)
        call(2);
    assert_int_equal(wake(), INTAKE_BUDGET);
    assert_int_equal(w.row.live, INTAKE_BUDGET);
    assert_int_equal(wake(), 21); /* and one that finds nobody */
    assert_int_equal(w.row.live, INTAKE_BUDGET + 20);
    end();
}

/* ---- who costs a process ----------------------------------------------------------- */

static void park_one_for_its_turn(unsigned source)
{
    struct sockaddr_storage from;
    socklen_t length = sizeof(from);
    struct peer peer;
    int fd;

    call(source);
    fd = accept(w.listener.fd, (struct sockaddr *)&from, &length);
    assert_int_not_equal(fd, -1);
    peer_set(&peer, &from, length);
    admit_find(&w.row, fd, &peer);
    assert_true(park_add(&w.listener, fd, &peer, ADMIT_TURN));
}

/* None of these is started: each would be a process. */
static void b6_who_comes_behind_others_of_its_source_waits_for_its_turn(void **state)
{
    (void)state;
    begin(1000);
    serve();
    w.service.way = PLAN_WAY_FORK;
    park_one_for_its_turn(2);
    for (int i = 0; i < INTAKE_BUDGET + 20; i++)
        call(2);
    assert_int_equal(wake(), INTAKE_BUDGET + 21); /* a crowd is taken in at once */
    assert_int_equal(w.row.park.count, INTAKE_BUDGET + 21);
    assert_int_equal(w.row.park.at_limit, 0);
    w.service.way = PLAN_WAY_DISPATCH;
    end();
}

static void leave_with_a_reset(int client)
{
    struct linger at_once = { 1, 0 };

    assert_int_equal(
        setsockopt(w.clients[client], SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)),
        0);
    fd_close(&w.clients[client]);
}

static void b3_who_left_in_the_queue_takes_no_place(void **state)
{
    (void)state;
    begin(1000);
    serve();
    w.service.way = PLAN_WAY_FORK;
    park_one_for_its_turn(2);
    for (int i = 0; i < 10; i++)
        leave_with_a_reset(call(2));
    call(2);
    assert_int_equal(wake(), 12);
    assert_int_equal(w.row.park.count, 2);
    assert_int_equal(page_read(&w.row.counts->refused_by[ADMIT_WAITED]), 10);
    w.service.way = PLAN_WAY_DISPATCH;
    end();
}

/* Descriptors are short, so that places are few: the flood is over, and its source is
 * served. */
static void b3_who_left_in_the_park_makes_place_for_its_source(void **state)
{
    (void)state;
    begin(1000);
    serve();
    w.service.way = PLAN_WAY_FORK;
    for (int i = 0; i < 10; i++)
        park_one_for_its_turn(2);
    w.flow.files_limit = w.flow.files_base + 10 + PARK_SPARE_FILES;
    call(2);
    wake();
    assert_int_equal(page_read(&w.row.counts->refused_by[ADMIT_TURN]), 1);
    for (int i = 1; i < 9; i++)
        leave_with_a_reset(i);
    set_clock(now_ms + PARK_SWEEP_MS);
    call(2);
    wake();
    assert_int_equal(page_read(&w.row.counts->refused_by[ADMIT_TURN]), 1);
    assert_int_equal(page_read(&w.row.counts->refused_by[ADMIT_WAITED]), 8);
    assert_int_equal(w.row.park.count, 3); /* the first, the tenth, and the last */
    assert_int_equal(w.flow.parked, 3);
    w.service.way = PLAN_WAY_DISPATCH;
    end();
}

static void b6_whoever_comes_after_a_wake_ups_part_of_the_time_waits(void **state)
{
    (void)state;
    begin(1000);
    serve();
    w.service.way = PLAN_WAY_FORK;
    w.row.live = 1; /* somebody is served: there will be a next look */
    accept_takes_ms = PARK_TURN_MS;
    for (unsigned source = 2; source < 7; source++)
        call(source);
    wake();
    assert_int_equal(w.row.park.count, 5);
    w.row.live = 0;
    w.service.way = PLAN_WAY_DISPATCH;
    end();
}

/* ---- turns ------------------------------------------------------------------------- */

/* Of a source that may have no slot now the others are not even looked at: a flooder's
 * callers cost what one of them does. */
static void b21_a_look_asks_once_for_each_source(void **state)
{
    (void)state;
    begin(100);
    w.service.max_per_source = 1;
    serve();
    for (int i = 0; i < 1 + 50; i++)
        call(2);
    wake();
    assert_int_equal(w.row.live, 1);
    assert_int_equal(w.row.park.count, 50);
    assert_int_equal(look(), 1);
    end();
}

static void park_sources(unsigned count, unsigned each)
{
    for (unsigned i = 0; i < 1 + each; i++)
        for (unsigned source = 2; source < 2 + count; source++)
            call(source);
    while (wake() == INTAKE_BUDGET)
        continue;
    assert_int_equal(w.row.live, count);
    assert_int_equal(w.row.park.count, count * each);
}

static void b21_sixteen_sources_are_told_apart_in_a_look(void **state)
{
    (void)state;
    begin(100);
    w.service.max_per_source = 1;
    serve();
    park_sources(16, 3);
    assert_int_equal(look(), 16);
    end();
}

static void nobody_is_passed_over_where_more_sources_wait(void **state)
{
    (void)state;
    begin(100);
    w.service.max_per_source = 1;
    serve();
    park_sources(30, 2);
    assert_in_range(look(), 30, 60);
    w.service.max_per_source = 3;
    look();
    assert_int_equal(w.row.park.count, 0);
    for (size_t i = 0; i < 90; i++) /* by turns: everybody's first, second, third */
        assert_int_equal(w.opened[i], 2 + i % 30);
    end();
}

/* Somebody new begins with the turn that is on, not with all that were before it. */
static void b5_a_newcomer_takes_turns_with_who_waits(void **state)
{
    static const unsigned order[] = { 2, 2, 2, 2, 2, 3, 2, 3, 2, 3 };

    (void)state;
    begin(100);
    w.service.rate = "50/s:1";
    serve();
    for (int i = 0; i < 7; i++)
        call(2);
    wake();
    for (int i = 0; i < 4; i++) {
        set_clock(now_ms + 20);
        look();
    }
    assert_int_equal(w.opened_count, 5);
    for (int i = 0; i < 3; i++)
        call(3);
    wake();
    while (w.row.park.count > 0) {
        size_t before = w.opened_count;

        set_clock(now_ms + 20);
        look();
        assert_int_equal(w.opened_count, before + 1);
    }
    for (size_t i = 0; i < ARRAY_LEN(order); i++)
        assert_int_equal(w.opened[i], order[i]);
    end();
}

/* ---- who goes for another, and what is given back ---------------------------------- */

static bool is_open(int client)
{
    char byte;

    return recv(w.clients[client], &byte, 1, MSG_DONTWAIT | MSG_PEEK) == -1 &&
           errno == EAGAIN;
}

/* The plugin has not read it yet, or the clock has not looked at it since: neither is
 * silent. */
static void b5_who_has_just_spoken_is_not_the_one_who_goes(void **state)
{
    (void)state;
    for (int is_read = 0; is_read < 2; is_read++) {
        int first, second;
        char echo;

        begin(3);
        w.service.idle_timeout = w.service.first_byte_timeout = 60000;
        serve();
        first = call(2), second = call(2), call(4);
        wake();
        assert_int_equal(w.row.live, 3);
        assert_int_equal(send(w.clients[first], "x", 1, MSG_NOSIGNAL), 1);
        if (is_read) {
            STAGE_UNTIL(&w.flow, recv(w.clients[first], &echo, 1, MSG_DONTWAIT) == 1)
                continue;
        }
        call(3);
        wake();
        assert_int_equal(w.opened[w.opened_count - 1], 3);
        assert_true(is_open(first));
        assert_false(is_open(second));
        end();
    }
}

static void whoever_starts_or_goes_gives_back_his_place(void **state)
{
    struct list *node, *safe;
    int before;

    (void)state;
    begin(100);
    w.service.max_per_source = 1;
    serve();
    park_sources(5, 3);
    w.service.max_per_source = 4;
    look();
    assert_int_equal(w.row.park.count, 0);
    LIST_EACH(&w.row.by_age, node, safe)
    {
        const struct conn *conn = CONTAINER(node, struct conn, by_age);

        assert_false(park_has_source(&w.row, &conn->peer));
    }
    w.service.max_per_source = 1;
    before = descriptors_count();
    for (int i = 0; i < 4; i++)
        call(2);
    wake();
    assert_int_equal(w.row.park.count, 4);
    assert_int_equal(w.flow.parked, 4);
    assert_int_equal(descriptors_count(), before + 8);
    park_fini(&w.row);
    assert_int_equal(descriptors_count(), before + 4); /* the callers' own ends */
    assert_int_equal(w.flow.parked, 0);
    park_init(&w.row);
    end();
}

/* Who is on his way out holds a descriptor still. */
static void b11_each_descriptor_in_use_counts(void **state)
{
    uint64_t before;

    (void)state;
    begin(100);
    serve();
    before = admit_free_files(&w.flow);
    w.flow.farewell.count += 3;
    assert_int_equal(admit_free_files(&w.flow), before - 3);
    w.flow.farewell.count -= 3;
    w.flow.parked += 2;
    assert_int_equal(admit_free_files(&w.flow), before - 2);
    w.flow.parked -= 2;
    call(2);
    wake();
    assert_int_equal(admit_free_files(&w.flow), before - 1);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(b15_b17_an_error_that_passes_costs_one_try_of_a_wake_up),
        cmocka_unit_test(b11_b12_a_shortage_pauses_and_other_trouble_pauses_longer),
        cmocka_unit_test(b6_a_wake_up_takes_so_many_and_leaves_the_rest),
        cmocka_unit_test(b6_who_comes_behind_others_of_its_source_waits_for_its_turn),
        cmocka_unit_test(b3_who_left_in_the_queue_takes_no_place),
        cmocka_unit_test(b3_who_left_in_the_park_makes_place_for_its_source),
        cmocka_unit_test(b6_whoever_comes_after_a_wake_ups_part_of_the_time_waits),
        cmocka_unit_test(b21_a_look_asks_once_for_each_source),
        cmocka_unit_test(b21_sixteen_sources_are_told_apart_in_a_look),
        cmocka_unit_test(nobody_is_passed_over_where_more_sources_wait),
        cmocka_unit_test(b5_a_newcomer_takes_turns_with_who_waits),
        cmocka_unit_test(b5_who_has_just_spoken_is_not_the_one_who_goes),
        cmocka_unit_test(whoever_starts_or_goes_gives_back_his_place),
        cmocka_unit_test(b11_each_descriptor_in_use_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
