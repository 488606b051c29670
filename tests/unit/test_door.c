#include "flow/door.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/descriptors.h"
#include "support/stage.h"

#include "base/fd.h"
#include "flow/conn.h"
#include "flow/hand_over.h"
#include "flow/worker.h"
#include "wire/channel.h"

/* ---- a worker with both sides: row 0 hands over, row 1 is offered, row 2 is not ---- */

static struct world {
    struct plan plan;
    struct plan_service services[3];
    struct pages *pages;
    struct page_row *counts;
    struct flow flow;
    struct row rows[3];
    struct usher_service mux, echo;
    struct worker_offer offers[3];
    int ends[2]; /* of the door */
    int caller;  /* the last one's end */

    unsigned shown, finished, gone;
    enum usher_reason reason;
    char rest[64];
    size_t rest_count;
} w;

static size_t mux_data(struct usher_conn *conn, const void *bytes, size_t count)
{
    const char *end = memchr(bytes, '\n', count);
    char name[64] = "";

    w.shown++;
    if (end == NULL)
        return 0;
    memcpy(name, bytes, (size_t)(end - (const char *)bytes));
    if (hand_over(conn, name) == -1) {
        assert_int_equal(output_write(conn, "no", 2), 0);
        conn_end(conn);
    } else {
        assert_int_equal(hand_over(conn, name), -1); /* it is going already */
        assert_int_equal(output_write(conn, "late", 4), -1);
    }
    return strlen(name) + 1;
}

static void mux_finished(struct usher_conn *conn, const void *rest, size_t count)
{
    w.finished++;
    w.rest_count = count;
    memcpy(w.rest, rest, count);
    conn_end(conn);
}

static void mux_gone(struct usher_conn *conn, enum usher_reason reason)
{
    (void)conn;
    w.gone++;
    w.reason = reason;
}

static size_t echo_data(struct usher_conn *conn, const void *bytes, size_t count)
{
    output_write(conn, bytes, count);
    return count;
}

static void begin(void)
{
    static char names[][8] = { "mux", "Echo", "Hidden" };
    struct err err = ERR_EMPTY;

    memset(&w, 0, sizeof(w));
    w.mux = (struct usher_service){ .needs = USHER_NEEDS_HAND_OVER, .max_input = 32,
                                    .data = mux_data, .finished = mux_finished,
                                    .gone = mux_gone };
    w.echo = (struct usher_service){ .data = echo_data };
    w.plan.services = w.services;
    w.plan.service_count = 3;
    stage_pages(&w.flow, &w.pages);
    w.counts = w.flow.page->rows;
    w.flow.rows = w.rows;
    w.flow.row_count = 3;
    stage_open(&w.flow, &w.plan);
    for (unsigned i = 0; i < 3; i++) {
        w.services[i] = stage_service(names[i]);
        w.services[i].number = i;
        w.services[i].tcpmux = i == 1;
        row_init(&w.rows[i], &w.flow, &w.services[i], &w.counts[i]);
        w.rows[i].calls = i == 0 ? &w.mux : &w.echo;
    }
    assert_int_equal(fd_pair(w.ends, &err), 0);
    for (unsigned i = 0; i < 3; i++)
        w.offers[i] = (struct worker_offer){ names[i], w.ends[0] };
    w.flow.offers = w.offers + 1; /* more than the receiver offers: it must not believe
                                     us */
    w.flow.offer_count = 2;
}

static void open_door(void)
{
    struct err err = ERR_EMPTY;

    assert_int_equal(door_open(&w.flow, w.ends[1], &err), 0);
}

static void end(void)
{
    for (unsigned i = 0; i < 3; i++) {
        struct list *node, *safe;

        LIST_EACH(&w.rows[i].by_age, node, safe)
            conn_close(CONTAINER(node, struct conn, by_age), USHER_GONE_STOPPED);
        assert_int_equal(w.rows[i].live, 0);
        row_close(&w.rows[i]);
    }
    door_free(&w.flow);
    close(w.ends[0]);
    stage_close(&w.flow);
    pages_close(&w.pages);
}

static void turn(void)
{
    stage_turn(&w.flow, 1);
}

#define UNTIL(condition) STAGE_UNTIL(&w.flow, condition)

/* ---- callers ----------------------------------------------------------------------- */

static int caller(const char *first)
{
    struct sockaddr_storage from;
    socklen_t length = sizeof(from);
    struct peer peer;
    int ours, theirs = stage_connection(&ours);

    if (first != NULL)
        assert_int_equal(send(ours, first, strlen(first), 0), (ssize_t)strlen(first));
    assert_int_equal(getpeername(theirs, (struct sockaddr *)&from, &length), 0);
    peer_set(&peer, &from, length);
    w.caller = ours;
    assert_int_equal(conn_open(&w.rows[0], theirs, &peer), 0);
    conn_look_again(&w.flow);
    return ours;
}

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* Exactly these bytes come next, and nothing after them. */
static void hears(int fd, const char *want)
{
    char got[128] = "";
    size_t count = 0;

    UNTIL(count >= strlen(want)) {
        ssize_t part = recv(fd, got + count, sizeof(got) - 1 - count, MSG_DONTWAIT);

        assert_true(part > 0 || (part == -1 && errno == EAGAIN));
        count += part > 0 ? (size_t)part : 0;
    }
    assert_string_equal(got, want);
}

static void hears_end(int fd)
{
    char byte;
    ssize_t got = -1;

    UNTIL(got != -1) {
        got = recv(fd, &byte, 1, MSG_DONTWAIT);
        assert_true(got != -1 || errno == EAGAIN);
    }
    assert_int_equal(got, 0);
}

/* ---- tests ------------------------------------------------------------------------- */

static void what_follows_the_name_reaches_the_other_row(void **state)
{
    int fd;

    (void)state;
    begin();
    open_door();
    fd = caller("eCHO\nfirst");
    hears(fd, "+Go\r\nfirst");
    assert_int_equal(w.reason, USHER_GONE_HANDED);
    assert_int_equal(w.rows[0].live, 0);
    assert_int_equal(w.rows[1].live, 1);
    assert_int_equal(page_read(&w.counts[0].bytes_in), 5);
    assert_int_equal(page_read(&w.counts[1].accepted), 1);
    say(fd, "again");
    hears(fd, "again");
    shutdown(fd, SHUT_WR);
    hears_end(fd);
    close(fd);
    end();
}

static bool has_no_memory;

void *__real_mem_try(size_t size);
void *__wrap_mem_try(size_t size);

/* The linker puts it in front of mem_try(). */
void *__wrap_mem_try(size_t size)
{
    return has_no_memory ? NULL : __real_mem_try(size);
}

static void who_had_to_wait_is_not_served_past_a_limit(void **state)
{
    int fd;

    (void)state;
    for (unsigned taken = 0; taken < 2; taken++) {
        begin();
        open_door();
        w.services[1].max_connections = 1;
        fd = caller("echo\n");
        has_no_memory = true;
        hears(fd, "+Go\r\n");
        page_add(&w.counts[1].active, taken); /* a sibling has taken the slot */
        has_no_memory = false;
        if (taken > 0)
            hears_end(fd);
        else {
            say(fd, "x");
            hears(fd, "x");
        }
        assert_int_equal(w.rows[1].live, 1 - taken);
        assert_int_equal(page_read(&w.counts[1].refused_by[ADMIT_WAITED]), taken);
        close(fd);
        end();
    }
}

static void who_waits_when_the_door_closes_is_told(void **state)
{
    int fd;

    (void)state;
    begin();
    open_door();
    w.services[1].banner_busy = "busy\r\n";
    fd = caller("echo\n");
    has_no_memory = true;
    hears(fd, "+Go\r\n");
    door_close(&w.flow);
    has_no_memory = false;
    hears(fd, "busy\r\n");
    assert_int_equal(page_read(&w.counts[1].refused_by[ADMIT_WAITED]), 1);
    hears_end(fd);
    close(fd);
    end();
}

static const char *late_words; /* the caller says them and ends, while we look */

int __real_poll(struct pollfd *fds, nfds_t count, int wait_ms);
int __wrap_poll(struct pollfd *fds, nfds_t count, int wait_ms);

int __wrap_poll(struct pollfd *fds, nfds_t count, int wait_ms)
{
    if (late_words != NULL) {
        say(w.caller, late_words);
        shutdown(w.caller, SHUT_WR);
        late_words = NULL;
    }
    return __real_poll(fds, count, wait_ms);
}

static void what_comes_while_we_look_stands_before_the_end(void **state)
{
    int fd;

    (void)state;
    begin();
    open_door();
    late_words = "echo\nlate";
    fd = caller(NULL);
    hears(fd, "+Go\r\nlate");
    hears_end(fd);
    close(fd);

    late_words = "ec";
    fd = caller(NULL);
    UNTIL(w.gone == 2)
        continue;
    assert_int_equal(w.finished, 1);
    assert_int_equal(w.rest_count, 2);
    hears_end(fd);
    close(fd);
    end();
}

static void part_of_a_line_waits_without_turning_the_loop(void **state)
{
    int fd;

    (void)state;
    begin();
    open_door();
    fd = caller(NULL);
    say(fd, "ec");
    UNTIL(w.shown == 1)
        continue;
    for (int i = 0; i < 20; i++)
        turn();
    assert_int_equal(w.shown, 1);
    say(fd, "ho");
    UNTIL(w.shown == 2)
        continue;
    say(fd, "\nx");
    hears(fd, "+Go\r\nx");
    say(fd, "y"); /* a byte alone wakes the new owner: the mark is low again */
    hears(fd, "y");
    close(fd);
    end();
}

static void the_end_of_file_comes_with_what_was_left(void **state)
{
    int fd;

    (void)state;
    begin();
    fd = caller("ec");
    UNTIL(w.shown == 1)
        continue;
    shutdown(fd, SHUT_WR);
    UNTIL(w.gone == 1)
        continue;
    assert_int_equal(w.finished, 1);
    assert_int_equal(w.rest_count, 2);
    assert_memory_equal(w.rest, "ec", 2);
    hears_end(fd);
    close(fd);
    close(w.ends[1]);
    end();
}

static void a_reset_is_noticed_behind_what_was_left(void **state)
{
    struct linger at_once = { .l_onoff = 1 };
    int fd;

    (void)state;
    begin();
    fd = caller("ec");
    UNTIL(w.shown == 1)
        continue;
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    close(fd);
    UNTIL(w.gone == 1)
        continue;
    assert_int_equal(w.reason, USHER_GONE_PEER);
    close(w.ends[1]);
    end();
}

static void a_line_without_end_is_too_much(void **state)
{
    int fd;

    (void)state;
    begin();
    fd = caller("0123456789012345678901234567890123456789");
    UNTIL(w.gone == 1)
        continue;
    assert_int_equal(w.reason, USHER_GONE_INPUT);
    hears_end(fd); /* and no reset: what is left was taken */
    close(fd);
    close(w.ends[1]);
    end();
}

/* C2: the receiver asks its own plan. */
static void c2_the_receiver_does_not_believe_the_sender(void **state)
{
    int fd;

    (void)state;
    begin();
    open_door();
    fd = caller("hidden\n");
    hears(fd, DOOR_NONE);
    hears_end(fd);
    assert_int_equal(w.reason, USHER_GONE_HANDED);
    assert_int_equal(page_read(&w.counts[2].accepted), 0);
    close(fd);
    fd = caller("mux\n"); /* not offered to us */
    hears(fd, "no");
    close(fd);
    end();
}

static void a_full_row_says_so(void **state)
{
    int first, second;

    (void)state;
    begin();
    open_door();
    w.services[1].max_connections = 0;
    first = caller("echo\nlost");
    hears(first, DOOR_BUSY);
    hears_end(first);
    assert_int_equal(page_read(&w.counts[1].refused), 1);
    w.services[1].max_connections = 1;
    second = caller("echo\nx");
    hears(second, "+Go\r\nx");
    close(first);
    close(second);
    end();
}

static void callers_wait_for_a_door_that_is_full(void **state)
{
    enum { CALLERS = 50 };
    int fds[CALLERS], small = 1;

    (void)state;
    begin();
    assert_int_equal(setsockopt(w.ends[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)),
                     0);
    for (int i = 0; i < CALLERS; i++)
        fds[i] = caller("echo\nx");
    turn();
    assert_true(w.gone > 0 && w.gone < CALLERS);
    open_door();
    for (int i = 0; i < CALLERS; i++)
        hears(fds[i], "+Go\r\nx");
    assert_int_equal(w.gone, CALLERS);
    for (int i = 0; i < CALLERS; i++)
        close(fds[i]);
    end();
}

static void who_waits_for_the_door_has_deadlines(void **state)
{
    int fd = -1, small = 1;

    (void)state;
    begin();
    w.services[0].total_timeout = 30;
    assert_int_equal(setsockopt(w.ends[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)),
                     0);
    while (w.flow.handing.next == &w.flow.handing)
        fd = caller("echo\n");
    UNTIL(w.rows[0].live == 0)
        continue;
    assert_int_equal(w.reason, USHER_GONE_TIMEOUT);
    close(fd);
    close(w.ends[1]);
    end();
}

static void a_door_that_is_gone_is_no_service(void **state)
{
    int fd;

    (void)state;
    begin();
    close(w.ends[1]);
    fd = caller("echo\nx");
    hears(fd, DOOR_NONE);
    hears_end(fd);
    assert_int_equal(w.reason, USHER_GONE_ENDED);
    close(fd);
    end();
}

static void who_is_in_the_door_when_it_closes_is_served(void **state)
{
    int fd;

    (void)state;
    begin();
    fd = caller("echo\nx");
    open_door();
    door_close(&w.flow);
    assert_null(w.flow.door);
    hears(fd, "+Go\r\nx");
    close(fd);
    end();
}

/* ---- C10: what a bad sender sends -------------------------------------------------- */

static void send_record(const char *text, int passed)
{
    struct record_out out = RECORD_OUT_EMPTY;
    struct err err = ERR_EMPTY;

    record_begin(&out, text);
    record_add(&out, "service", "Echo");
    record_end(&out);
    assert_int_equal(channel_send_fd(w.ends[0], &out, passed, &err), 0);
    record_out_free(&out);
}

static void send_many(int fd, size_t count)
{
    static char line[] = "caller service=Echo";
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(253 * sizeof(int))];
    } control;
    struct iovec bytes = { line, sizeof(line) - 1 };
    struct msghdr message = { .msg_iov = &bytes, .msg_iovlen = 1, .msg_control = &control,
                              .msg_controllen = CMSG_SPACE(count * sizeof(int)) };
    struct cmsghdr *header;

    memset(&control, 0, sizeof(control));
    header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(count * sizeof(int));
    for (size_t i = 0; i < count; i++)
        memcpy(CMSG_DATA(header) + i * sizeof(int), &fd, sizeof(fd));
    assert_true(sendmsg(w.ends[0], &message, MSG_NOSIGNAL) > 0);
}

static void c10_bad_packets_leave_nothing_behind(void **state)
{
    int dgram = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int unconnected = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int ours, theirs = stage_connection(&ours), fd;
    int before;

    (void)state;
    begin();
    open_door();
    assert_int_equal(listen(listener, 1), 0);
    before = descriptors_count();
    for (int i = 0; i < 20; i++) {
        send_record("caller", -1);
        send_record("caller", dgram);
        send_record("caller", listener);
        send_record("caller", unconnected);
        send_record("caller", w.ends[0]);
        send_record("guest", theirs);
        assert_int_equal(send(w.ends[0], "\\", 1, MSG_NOSIGNAL), 1);
        assert_int_equal(send(w.ends[0], "", 0, MSG_NOSIGNAL), 0);
        for (int j = 0; j < 5; j++)
            turn();
        send_many(theirs, 2);
        send_many(theirs, 253);
        for (int j = 0; j < 5; j++)
            turn();
    }
    assert_int_equal(descriptors_count(), before);
    assert_int_equal(w.rows[1].live, 0);
    fd = caller("echo\nstill here");
    hears(fd, "+Go\r\nstill here");
    close(fd);
    close(dgram);
    close(listener);
    close(unconnected);
    close(ours);
    close(theirs);
    end();
}

static bool is_everybody_named;

int __real_getpeername(int fd, struct sockaddr *addr, socklen_t *length);
int __wrap_getpeername(int fd, struct sockaddr *addr, socklen_t *length);

/* TCP names no peer of a listener. Of which protocols that is true is not our affair. */
int __wrap_getpeername(int fd, struct sockaddr *addr, socklen_t *length)
{
    const struct sockaddr_in in4 = { .sin_family = AF_INET, .sin_port = htons(1),
                                     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

    if (!is_everybody_named)
        return __real_getpeername(fd, addr, length);
    memcpy(addr, &in4, sizeof(in4));
    *length = sizeof(in4);
    return 0;
}

static void c10_a_listener_is_no_caller_whatever_its_peer(void **state)
{
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int dgram = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int ours, theirs = stage_connection(&ours);

    (void)state;
    begin();
    open_door();
    w.services[1].max_connections = 0;
    assert_int_equal(listen(listener, 1), 0);
    is_everybody_named = true;
    send_record("caller", listener);
    send_record("caller", dgram);
    send_record("caller", theirs);
    hears(ours, DOOR_BUSY);
    is_everybody_named = false;
    assert_int_equal(page_read(&w.counts[1].refused), 1); /* only this one was judged */
    close(listener);
    close(dgram);
    close(theirs);
    close(ours);
    end();
}

/* ---- what a sender that lies, or a shortage, may not do ---------------------------- */

static int send_caller(int *ours)
{
    int theirs = stage_connection(ours);

    send_record("caller", theirs);
    return theirs;
}

/* As the last reader left it, or somebody who means no good. */
static void what_a_caller_brings_is_set_as_the_row_wants_it(void **state)
{
    int ours, theirs, much = 4096;

    (void)state;
    begin();
    open_door();
    theirs = stage_connection(&ours);
    setsockopt(theirs, SOL_SOCKET, SO_RCVLOWAT, &much, sizeof(much));
    assert_int_equal(fd_set_nonblock(theirs, false), 0);
    send_record("caller", theirs);
    hears(ours, "+Go\r\n");
    assert_true((fcntl(theirs, F_GETFL) & O_NONBLOCK) != 0);
    say(ours, "x");
    hears(ours, "x");
    close(theirs);
    close(ours);
    end();
}

static void a_rate_counts_who_comes_through_the_door(void **state)
{
    struct err err = ERR_EMPTY;
    int first, second;

    (void)state;
    begin();
    w.services[1].rate = "1/h:1";
    assert_int_equal(admit_open(&w.rows[1], &err), 0);
    open_door();
    first = caller("echo\n");
    hears(first, "+Go\r\n");
    second = caller("echo\n");
    hears(second, DOOR_BUSY);
    hears_end(second);
    close(first);
    close(second);
    end();
}

/* Somebody who is received where there is no number left would be lost. */
static void c10_who_finds_no_descriptor_waits_in_the_door(void **state)
{
    struct rlimit before, none;
    int ours, theirs, last;

    (void)state;
    if (!descriptors_have_a_limit())
        return;
    begin();
    open_door();
    theirs = send_caller(&ours);
    last = dup(0);
    assert_int_not_equal(last, -1);
    close(last); /* the lowest that is free */
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = (rlim_t)last;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    for (int i = 0; i < 5; i++)
        turn();
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(w.rows[1].live, 0);
    hears(ours, "+Go\r\n");
    close(theirs);
    close(ours);
    end();
}

static void who_waits_for_memory_when_the_door_goes_is_let_go(void **state)
{
    int ours, theirs, before = descriptors_count();
    char byte;

    (void)state;
    begin();
    open_door();
    theirs = send_caller(&ours);
    has_no_memory = true;
    hears(ours, "+Go\r\n");
    has_no_memory = false;
    close(theirs);
    end();
    assert_int_equal(recv(ours, &byte, 1, MSG_DONTWAIT), 0);
    close(ours);
    assert_int_equal(descriptors_count(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_follows_the_name_reaches_the_other_row),
        cmocka_unit_test(who_had_to_wait_is_not_served_past_a_limit),
        cmocka_unit_test(who_waits_when_the_door_closes_is_told),
        cmocka_unit_test(what_comes_while_we_look_stands_before_the_end),
        cmocka_unit_test(part_of_a_line_waits_without_turning_the_loop),
        cmocka_unit_test(the_end_of_file_comes_with_what_was_left),
        cmocka_unit_test(a_reset_is_noticed_behind_what_was_left),
        cmocka_unit_test(a_line_without_end_is_too_much),
        cmocka_unit_test(c2_the_receiver_does_not_believe_the_sender),
        cmocka_unit_test(a_full_row_says_so),
        cmocka_unit_test(callers_wait_for_a_door_that_is_full),
        cmocka_unit_test(who_waits_for_the_door_has_deadlines),
        cmocka_unit_test(a_door_that_is_gone_is_no_service),
        cmocka_unit_test(who_is_in_the_door_when_it_closes_is_served),
        cmocka_unit_test(c10_bad_packets_leave_nothing_behind),
        cmocka_unit_test(c10_a_listener_is_no_caller_whatever_its_peer),
        cmocka_unit_test(what_a_caller_brings_is_set_as_the_row_wants_it),
        cmocka_unit_test(a_rate_counts_who_comes_through_the_door),
        cmocka_unit_test(c10_who_finds_no_descriptor_waits_in_the_door),
        cmocka_unit_test(who_waits_for_memory_when_the_door_goes_is_let_go),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
