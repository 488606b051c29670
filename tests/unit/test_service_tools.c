#include "flow/service_tools.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/stage.h"

#include "base/addr.h"
#include "base/mem.h"
#include "flow/host.h"
#include "flow/listener.h"
#include "flow/request.h"

/* ---- a world of one row that listens to datagrams ---------------------------------- */

static struct world {
    struct plan plan;
    struct plan_service service;
    struct page_row counts;
    struct flow flow;
    struct row row;
    struct listener listener;

    unsigned ready, expired, closed;
    int ready_fd;
    unsigned ready_what;
} w;

static const struct usher_host *host;

static void on_ready(const struct usher_instance *service, int fd, unsigned what)
{
    assert_ptr_equal(service, &w.row.instance);
    w.ready++;
    w.ready_fd = fd;
    w.ready_what = what;
}

static void on_expired(const struct usher_instance *service)
{
    assert_ptr_equal(service, &w.row.instance);
    w.expired++;
}

static void begin(void)
{
    static char name[] = "row";
    static struct page_row counts;

    memset(&w, 0, sizeof(w));
    host = &host_table;
    w.counts = counts;
    w.service = stage_service(name);
    stage_open(&w.flow, &w.plan);
    row_init(&w.row, &w.flow, &w.service, &w.counts);
}

static void end(void)
{
    row_close(&w.row);
    stage_close(&w.flow);
}

static void turn(void)
{
    stage_turn(&w.flow, 1);
}

#define UNTIL(condition) STAGE_UNTIL(&w.flow, condition)

/* ---- watches ----------------------------------------------------------------------- */

static void a_descriptor_is_watched_until_it_is_not(void **state)
{
    int pair[2];

    (void)state;
    begin();
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(host->service_watch(&w.row.instance, pair[0], 1, on_ready), 0);
    turn();
    assert_int_equal(w.ready, 0);

    assert_int_equal(write(pair[1], "x", 1), 1);
    UNTIL(w.ready > 0);
    assert_int_equal(w.ready_fd, pair[0]);
    assert_int_equal(w.ready_what, 1);

    assert_int_equal(host->service_watch(&w.row.instance, pair[0], 2, on_ready), 0);
    w.ready = 0;
    UNTIL(w.ready > 0);
    assert_int_equal(w.ready_what, 2);
    assert_int_equal(host->service_watch(&w.row.instance, pair[0], 3, on_ready), 0);
    w.ready = 0;
    UNTIL(w.ready > 0);
    assert_int_equal(w.ready_what, 3);

    assert_int_equal(host->service_watch(&w.row.instance, pair[0], 0, on_ready), 0);
    assert_int_equal(host->service_watch(&w.row.instance, pair[0], 0, on_ready), 0);
    w.ready = 0;
    turn();
    assert_int_equal(w.ready, 0);
    assert_int_equal(host->service_watch(&w.row.instance, -1, 1, on_ready), -1);
    end();
    close(pair[0]);
    close(pair[1]);
}

static void drop_it(const struct usher_instance *service, int fd, unsigned what)
{
    on_ready(service, fd, what);
    assert_int_equal(host->service_watch(service, fd, 0, drop_it), 0);
    close(fd);
}

static void a_callback_may_drop_its_own_watch(void **state)
{
    int pair[2];

    (void)state;
    begin();
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(host->service_watch(&w.row.instance, pair[0], 2, drop_it), 0);
    UNTIL(w.ready > 0);
    turn();
    assert_int_equal(w.ready, 1);
    end();
    close(pair[1]);
}

/* What is left at the end is dropped with the row, watches and timer. */
static void there_is_a_limit(void **state)
{
    struct rlimit limit = { SERVICE_WATCHES + 64, SERVICE_WATCHES + 64 }, before;
    static int fds[SERVICE_WATCHES + 1];

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    limit.rlim_max = before.rlim_max;
    if (before.rlim_max < limit.rlim_cur)
        skip();
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    begin();
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        int result;

        fds[i] = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        assert_int_not_equal(fds[i], -1);
        result = host->service_watch(&w.row.instance, fds[i], 1, on_ready);
        assert_int_equal(result, i < SERVICE_WATCHES ? 0 : -1);
    }
    assert_int_equal(host->service_watch(&w.row.instance, fds[7], 0, on_ready), 0);
    assert_int_equal(
        host->service_watch(&w.row.instance, fds[SERVICE_WATCHES], 1, on_ready), 0);
    host->service_timer(&w.row.instance, 0, on_expired);
    end();
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        close(fds[i]);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

static void the_timer_runs_once(void **state)
{
    (void)state;
    begin();
    host->service_timer(&w.row.instance, 10, on_expired);
    UNTIL(w.expired > 0);
    turn();
    assert_int_equal(w.expired, 1);
    host->service_timer(&w.row.instance, 1000000, on_expired);
    host->service_timer(&w.row.instance, 0, on_expired);
    UNTIL(w.expired > 1);
    host->service_timer(&w.row.instance, 0, on_expired);
    host->service_timer(&w.row.instance, -1, on_expired);
    turn();
    assert_int_equal(w.expired, 2);
    end();
}

static void a_forked_child_has_neither(void **state)
{
    (void)state;
    begin();
    w.flow.is_child = true;
    assert_int_equal(host->service_watch(&w.row.instance, 0, 1, on_ready), -1);
    host->service_timer(&w.row.instance, 0, on_expired);
    turn();
    assert_int_equal(w.expired, 0);
    w.flow.is_child = false;
    end();
}

/* ---- tickets ----------------------------------------------------------------------- */

static int bound(struct usher_address *out)
{
    struct err err = ERR_EMPTY;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    assert_int_equal(addr_parse("127.0.0.1:0", out, &err), 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&out->storage, out->length), 0);
    out->length = sizeof(out->storage);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&out->storage, &out->length), 0);
    return fd;
}

/* A request of count bytes that came to our socket from the client's. */
static struct usher_ticket ticket_for(const struct usher_address *client, size_t count)
{
    struct dgram dgram = { .bytes = "0123456789", .count = count, .peer = *client };
    struct request request = { .head = { .size = sizeof(request.head),
                                         .service = &w.row.instance },
                               .row = &w.row, .dgram = &dgram, .answer_fd = -1 };
    struct usher_ticket ticket;

    w.flow.asked = &w.listener;
    host->ticket(&request.head, &ticket);
    w.flow.asked = NULL;
    return ticket;
}

static int begin_tickets(struct usher_address *client)
{
    struct usher_address ours;

    begin();
    w.listener = (struct listener){ .row = &w.row, .fd = bound(&ours) };
    w.flow.listeners = &w.listener;
    w.flow.listener_count = 1;
    return bound(client);
}

static void end_tickets(int client)
{
    w.flow.listener_count = 0;
    end();
    close(w.listener.fd);
    close(client);
}

static void a_late_answer_is_sent_once(void **state)
{
    struct usher_address address;
    int client = begin_tickets(&address);
    struct usher_ticket ticket = ticket_for(&address, 5);
    char got[16];

    (void)state;
    assert_int_equal(ticket.size, sizeof(ticket));
    assert_int_equal(host->answer(&w.row.instance, &ticket, "later", 5), 0);
    assert_int_equal(recv(client, got, sizeof(got), 0), 5);
    assert_memory_equal(got, "later", 5);
    assert_int_equal(page_read(&w.counts.replied), 1);
    assert_int_equal(page_read(&w.counts.bytes_out), 5);

    assert_int_equal(host->answer(&w.row.instance, &ticket, "again", 5), -1);
    assert_int_equal(page_read(&w.counts.dropped), 1);
    assert_int_equal(recv(client, got, sizeof(got), MSG_DONTWAIT), -1);
    w.service.amplify = true;
    assert_int_equal(host->answer(&w.row.instance, &ticket, "again", 5), 0);
    assert_int_equal(host->answer(&w.row.instance, &ticket, "and longer", 10), 0);
    end_tickets(client);
}

/* The rules of reply(), reliability.md A5 and A6. */
static void a_late_answer_is_never_longer(void **state)
{
    struct usher_address address;
    int client = begin_tickets(&address);
    struct usher_ticket ticket = ticket_for(&address, 4), empty = ticket_for(&address, 0);
    char got[16];

    (void)state;
    assert_int_equal(host->answer(&w.row.instance, &ticket, "12345", 5), -1);
    assert_int_equal(host->answer(&w.row.instance, &empty, "", 0), -1);
    ticket = ticket_for(&address, 4);
    ticket.is_to_many = true;
    assert_int_equal(host->answer(&w.row.instance, &ticket, "1", 1), -1);
    assert_int_equal(page_read(&w.counts.dropped), 3);
    assert_int_equal(recv(client, got, sizeof(got), MSG_DONTWAIT), -1);
    end_tickets(client);
}

static void no_answer_without_a_socket(void **state)
{
    struct usher_address address;
    int client = begin_tickets(&address), fd = w.listener.fd;
    struct usher_ticket ticket = ticket_for(&address, 5), strange = ticket;

    (void)state;
    w.listener.fd = -1; /* drained meanwhile */
    assert_int_equal(host->answer(&w.row.instance, &ticket, "later", 5), -1);
    w.listener.fd = fd;
    for (int i = -1; i < 3; i += 2) {
        strange.endpoint = i;
        strange.is_used = false;
        assert_int_equal(host->answer(&w.row.instance, &strange, "later", 5), -1);
    }
    strange.endpoint = 0;
    strange.is_used = false;
    w.listener.row = NULL; /* another row's */
    assert_int_equal(host->answer(&w.row.instance, &strange, "later", 5), -1);
    assert_int_equal(page_read(&w.counts.dropped), 4);
    assert_int_equal(page_read(&w.counts.dropped_by[UDP_UNSENT]), 4);
    end_tickets(client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_descriptor_is_watched_until_it_is_not),
        cmocka_unit_test(a_callback_may_drop_its_own_watch),
        cmocka_unit_test(there_is_a_limit),
        cmocka_unit_test(the_timer_runs_once),
        cmocka_unit_test(a_forked_child_has_neither),
        cmocka_unit_test(a_late_answer_is_sent_once),
        cmocka_unit_test(a_late_answer_is_never_longer),
        cmocka_unit_test(no_answer_without_a_socket),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
