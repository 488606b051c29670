#include "flow/conn.h"

#include <errno.h>
#include <fcntl.h>
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
#include "base/mem.h"
#include "flow/host.h"

/* ---- a world of one row ------------------------------------------------------------ */

static struct world {
    struct plan plan;
    struct plan_service service;
    struct page_row counts;
    struct flow flow;
    struct row row;
    struct usher_service calls;

    /* what the plugin was told */
    struct usher_conn *conn, *other;
    unsigned opened, gone, finished, drained, ticks, depth;
    enum usher_reason reason;
    char got[1 << 18]; /* by data(): used bytes */
    size_t got_count;
    char rest[256];
    size_t rest_count;
    bool is_nested; /* a callback ran inside another */
} w;

static void enter(void)
{
    w.is_nested = w.is_nested || w.depth > 0;
    w.depth++;
}

static void leave(void)
{
    w.depth--;
}

static void on_opened(struct usher_conn *conn)
{
    enter();
    w.opened++;
    w.other = w.conn;
    w.conn = conn;
    leave();
}

static void on_gone(struct usher_conn *conn, enum usher_reason reason)
{
    enter();
    w.gone++;
    w.reason = reason;
    if (conn == w.conn)
        w.conn = NULL;
    leave();
}

static void on_drained(struct usher_conn *conn)
{
    (void)conn;
    enter();
    w.drained++;
    leave();
}

static void on_finished(struct usher_conn *conn, const void *rest, size_t count)
{
    enter();
    w.finished++;
    w.rest_count = count < sizeof(w.rest) ? count : sizeof(w.rest);
    memcpy(w.rest, rest, w.rest_count);
    usher_end(conn);
    leave();
}

static void keep_got(const void *bytes, size_t count)
{
    if (count > sizeof(w.got) - w.got_count)
        count = sizeof(w.got) - w.got_count;
    memcpy(w.got + w.got_count, bytes, count);
    w.got_count += count;
}

static size_t data_echo(struct usher_conn *conn, const void *bytes, size_t count)
{
    enter();
    keep_got(bytes, count);
    usher_write(conn, bytes, count);
    leave();
    return count;
}

/* Whole lines only. */
static size_t data_lines(struct usher_conn *conn, const void *bytes, size_t count)
{
    const char *end = memrchr(bytes, '\n', count);
    size_t used = end != NULL ? (size_t)(end - (const char *)bytes) + 1 : 0;

    (void)conn;
    enter();
    keep_got(bytes, used);
    leave();
    return used;
}

static void begin(size_t (*data)(struct usher_conn *, const void *, size_t))
{
    static char name[] = "row";

    memset(&w, 0, sizeof(w));
    w.service = stage_service(name);
    w.calls = (struct usher_service){ .opened = on_opened, .data = data,
                                      .finished = on_finished, .drained = on_drained,
                                      .gone = on_gone };
    stage_open(&w.flow, &w.plan);
}

static void begin_row(void)
{
    row_init(&w.row, &w.flow, &w.service, &w.counts);
    w.row.calls = &w.calls;
}

static void end(void)
{
    assert_int_equal(w.row.live, 0);
    assert_int_equal(page_read(&w.counts.active), 0);
    assert_int_equal(w.opened, w.gone);
    assert_false(w.is_nested);
    row_close(&w.row);
    stage_close(&w.flow);
}

/* What is ready now, and what comes within a millisecond. */
static void turn(void)
{
    stage_turn(&w.flow, 1);
}

#define UNTIL(condition) STAGE_UNTIL(&w.flow, condition)

/* ---- peers ------------------------------------------------------------------------- */

static int caller(int type)
{
    struct peer peer = { .kind = PEER_UNIX };
    int pair[2];

    assert_int_equal(
        socketpair(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
    assert_int_equal(conn_open(&w.row, pair[0], &peer), 0);
    conn_look_again(&w.flow);
    return pair[1];
}

/* One who has spoken by the time it is accepted; little is taken from us at a time. */
static int early_caller(const char *first)
{
    struct peer peer = { .kind = PEER_UNIX };
    int pair[2], small = 4096;

    assert_int_equal(
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
    setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
    assert_int_equal(send(pair[1], first, strlen(first), 0), (ssize_t)strlen(first));
    assert_int_equal(conn_open(&w.row, pair[0], &peer), 0);
    conn_look_again(&w.flow);
    return pair[1];
}

static int tcp_caller(const char *first)
{
    struct sockaddr_storage from;
    socklen_t length = sizeof(from);
    struct peer peer;
    int ours, theirs = stage_connection(&ours);

    if (first != NULL)
        assert_int_equal(send(ours, first, strlen(first), 0), (ssize_t)strlen(first));
    assert_int_equal(getpeername(theirs, (struct sockaddr *)&from, &length), 0);
    peer_set(&peer, &from, length);
    assert_int_equal(conn_open(&w.row, theirs, &peer), 0);
    conn_look_again(&w.flow);
    return ours;
}

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* Reads until `want` bytes or the end of file came; the loop runs meanwhile. */
static size_t hear(int fd, char *out, size_t want)
{
    size_t count = 0;
    ssize_t got = -1;

    UNTIL(count == want || got == 0) {
        got = recv(fd, out + count, want - count, MSG_DONTWAIT);
        if (got > 0)
            count += (size_t)got;
        else if (got == -1)
            assert_int_equal(errno, EAGAIN);
        if (count == want)
            break;
    }
    return count;
}

static bool is_at_end(int fd)
{
    char byte;
    ssize_t got = -1;

    UNTIL(got >= 0) {
        got = recv(fd, &byte, 1, MSG_DONTWAIT);
        if (got == -1 && errno != EAGAIN)
            return false;
    }
    return got == 0;
}

/* ---- no memory --------------------------------------------------------------------- */

static bool has_no_memory;

void *__real_mem_try(size_t size);
void *__wrap_mem_try(size_t size);

/* The linker puts it in front of mem_try(). */
void *__wrap_mem_try(size_t size)
{
    return has_no_memory ? NULL : __real_mem_try(size);
}

/* ---- tests ------------------------------------------------------------------------- */

static void a_connection_is_small(void **state)
{
    (void)state;
    assert_true(sizeof(struct conn) <= 256);
}

static void bytes_come_back_and_half_close_is_answered(void **state)
{
    char out[16];
    int fd;

    (void)state;
    begin(data_echo);
    begin_row();
    fd = caller(SOCK_STREAM);
    say(fd, "hello");
    assert_int_equal(hear(fd, out, 5), 5);
    assert_memory_equal(out, "hello", 5);
    assert_int_equal(w.gone, 0);
    shutdown(fd, SHUT_WR);
    assert_true(is_at_end(fd));
    UNTIL(w.gone == 1);
    assert_int_equal(w.reason, USHER_GONE_ENDED);
    assert_int_equal(w.finished, 1);
    assert_int_equal(page_read(&w.counts.accepted), 1);
    assert_int_equal(page_read(&w.counts.bytes_in), 5);
    assert_int_equal(page_read(&w.counts.bytes_out), 5);
    close(fd);
    end();
}

static void what_is_there_at_accept_is_served_at_once(void **state)
{
    char out[8];
    int fd;

    (void)state;
    begin(data_echo);
    begin_row();
    fd = tcp_caller("now");
    assert_int_equal(recv(fd, out, sizeof(out), 0), 3); /* the loop never ran */
    shutdown(fd, SHUT_WR);
    UNTIL(w.gone == 1);
    close(fd);
    end();
}

static void unused_input_comes_again_with_more_behind_it(void **state)
{
    int fd;

    (void)state;
    begin(data_lines);
    begin_row();
    fd = caller(SOCK_STREAM);
    say(fd, "on");
    turn();
    say(fd, "e\ntw");
    UNTIL(w.got_count == 4);
    assert_memory_equal(w.got, "one\n", 4);
    say(fd, "o");
    shutdown(fd, SHUT_WR);
    UNTIL(w.gone == 1);
    assert_int_equal(w.got_count, 4);
    assert_int_equal(w.rest_count, 3);
    assert_memory_equal(w.rest, "two", 3);
    close(fd);
    end();
}

static void a_full_buffer_that_nobody_uses_ends(void **state)
{
    char line[5000];
    int fd;

    (void)state;
    memset(line, 'x', sizeof(line));
    begin(data_lines);
    begin_row();
    fd = caller(SOCK_STREAM);
    assert_int_equal(send(fd, line, 4095, 0), 4095);
    turn();
    assert_int_equal(w.gone, 0);
    assert_int_equal(send(fd, line, 1, 0), 1);
    UNTIL(w.gone == 1);
    assert_int_equal(w.reason, USHER_GONE_INPUT);
    close(fd);
    end();
}

static size_t data_flood(struct usher_conn *conn, const void *bytes, size_t count)
{
    static char block[65536];

    (void)bytes;
    enter();
    w.got_count += count;
    assert_int_equal(usher_write(conn, block, sizeof(block)), 0);
    leave();
    return count;
}

static void a_peer_that_does_not_read_is_not_read_either(void **state)
{
    static char out[1 << 20];
    int fd, small = 4096;

    (void)state;
    begin(data_flood);
    begin_row();
    fd = caller(SOCK_STREAM);
    setsockopt(w.conn != NULL ? conn_of(w.conn)->fd : -1, SOL_SOCKET, SO_SNDBUF, &small,
               sizeof(small));
    say(fd, "a");
    UNTIL(w.got_count == 1);
    assert_true(usher_room(w.conn) < CONN_OUTPUT);
    say(fd, "b");
    turn();
    assert_int_equal(w.got_count, 1);
    assert_int_equal(w.drained, 0);

    assert_int_equal(hear(fd, out, 65536), 65536);
    UNTIL(w.drained >= 1);
    assert_int_equal(hear(fd, out, 65536), 65536);
    UNTIL(w.drained == 2);
    assert_int_equal(w.got_count, 2);
    assert_true(usher_room(w.conn) >= 65536);
    assert_null(conn_of(w.conn)->more);
    shutdown(fd, SHUT_WR);
    UNTIL(w.gone == 1);
    close(fd);
    end();
}

static size_t data_too_much(struct usher_conn *conn, const void *bytes, size_t count)
{
    static char block[CONN_OUTPUT + 1];

    (void)bytes;
    enter();
    assert_int_equal(usher_write(conn, block, sizeof(block)), -1);
    assert_int_equal(w.gone, 0);
    assert_int_equal(usher_write(conn, block, 1), -1);
    usher_end(conn);
    leave();
    return count;
}

static void writing_beyond_room_ends(void **state)
{
    int fd;

    (void)state;
    begin(data_too_much);
    begin_row();
    fd = caller(SOCK_STREAM);
    say(fd, "a");
    UNTIL(w.gone == 1);
    assert_int_equal(w.reason, USHER_GONE_OUTPUT);
    close(fd);
    end();
}

static size_t data_pause(struct usher_conn *conn, const void *bytes, size_t count)
{
    enter();
    if (w.got_count == 0)
        usher_pause(conn);
    else {
        keep_got(bytes, count);
        leave();
        return count;
    }
    keep_got(bytes, 1);
    leave();
    return 1;
}

static void pause_holds_input_and_its_end(void **state)
{
    int fd;

    (void)state;
    begin(data_pause);
    begin_row();
    fd = caller(SOCK_STREAM);
    say(fd, "abc");
    UNTIL(w.got_count == 1);
    say(fd, "def");
    shutdown(fd, SHUT_WR);
    turn();
    assert_int_equal(w.got_count, 1);
    assert_int_equal(w.finished, 0);
    usher_resume(w.conn);
    assert_int_equal(w.got_count, 1); /* not inside the call */
    UNTIL(w.gone == 1);
    assert_memory_equal(w.got, "abcdef", 6);
    assert_int_equal(w.got_count, 6);
    assert_int_equal(w.finished, 1);
    close(fd);
    end();
}

/* Whoever has not met the loop by the end of its batch meets it like all others. */
static void output_kept_at_accept_leaves_no_trace_in_later_batches(void **state)
{
    static char out[65536];
    int fd, second;

    (void)state;
    begin(data_flood);
    begin_row();
    fd = early_caller("a");
    assert_int_equal(w.got_count, 1);
    assert_true(usher_room(w.conn) < CONN_OUTPUT);
    assert_int_equal(hear(fd, out, sizeof(out)), sizeof(out));
    UNTIL(w.drained == 1);
    assert_int_equal(w.flow.fresh_count, 0);
    close(fd);
    UNTIL(w.gone == 1);

    second = caller(SOCK_STREAM); /* looks at its own batch only */
    assert_int_equal(w.gone, 1);
    close(second);
    UNTIL(w.gone == 2);
    end();
}

static void whoever_paused_at_accept_is_heard_after_resume(void **state)
{
    int fd;

    (void)state;
    begin(data_pause);
    begin_row();
    fd = early_caller("a");
    assert_int_equal(w.got_count, 1);
    usher_resume(w.conn);
    turn();
    say(fd, "bc");
    UNTIL(w.got_count == 3);
    assert_memory_equal(w.got, "abc", 3);
    close(fd);
    UNTIL(w.gone == 1);
    end();
}

static void whoever_ends_within_its_batch_is_not_looked_at_again(void **state)
{
    struct peer peer = { .kind = PEER_UNIX };
    int pair[2];

    (void)state;
    begin(data_echo);
    begin_row();
    assert_int_equal(
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
    say(pair[1], "a");
    assert_int_equal(conn_open(&w.row, pair[0], &peer), 0);
    assert_int_equal(w.flow.fresh_count, 1);
    conn_close(conn_of(w.conn), USHER_GONE_STOPPED);
    assert_int_equal(w.gone, 1);
    conn_look_again(&w.flow);
    assert_int_equal(w.flow.fresh_count, 0);
    close(pair[1]);
    end();
}

static size_t data_end_other(struct usher_conn *conn, const void *bytes, size_t count)
{
    (void)conn, (void)bytes;
    enter();
    usher_write(w.other, "bye", 3);
    usher_end(w.other);
    assert_int_equal(w.gone, 0);
    usher_abort(w.other); /* changes nothing: it is ending */
    leave();
    return count;
}

static void another_connection_may_be_ended(void **state)
{
    char out[3];
    int first, second;

    (void)state;
    begin(data_end_other);
    begin_row();
    first = caller(SOCK_STREAM);
    second = caller(SOCK_STREAM);
    say(second, "x");
    UNTIL(w.gone == 1);
    assert_int_equal(w.reason, USHER_GONE_ENDED);
    assert_int_equal(recv(first, out, sizeof(out), MSG_DONTWAIT), 3);
    shutdown(second, SHUT_WR);
    UNTIL(w.gone == 2);
    close(first);
    close(second);
    end();
}

static void opened_says_it_all(struct usher_conn *conn)
{
    enter();
    w.opened++;
    usher_write(conn, "reply", 5);
    usher_end(conn);
    assert_int_equal(w.gone, 0);
    leave();
}

/* reliability.md F14. */
static void unread_input_does_not_cost_the_peer_its_reply(void **state)
{
    char out[16];
    int fd;

    (void)state;
    begin(data_echo);
    w.calls.opened = opened_says_it_all;
    begin_row();
    fd = tcp_caller("something nobody reads");
    assert_int_equal(w.gone, 1);
    assert_int_equal(w.reason, USHER_GONE_ENDED);
    say(fd, "and more");
    assert_int_equal(hear(fd, out, 5), 5);
    assert_memory_equal(out, "reply", 5);
    assert_true(is_at_end(fd));
    close(fd);
    UNTIL(w.flow.farewell.count == 0);
    end();
}

/* Nor does an empty packet, which reads like an end. */
static void an_empty_packet_does_not_cost_the_peer_its_reply(void **state)
{
    char out[16] = "";
    int fd;

    (void)state;
    begin(data_lines);
    w.calls.opened = opened_says_it_all;
    begin_row();
    w.row.is_packets = true;
    fd = caller(SOCK_SEQPACKET);
    say(fd, "");
    say(fd, "and more");
    for (int64_t until_ms = clock_ms() + 4 * FAREWELL_FRESH_MS; clock_ms() < until_ms;)
        turn();
    assert_true(recv(fd, out, sizeof(out), MSG_DONTWAIT) > 0);
    assert_int_equal(recv(fd, out, sizeof(out), MSG_DONTWAIT), 0);
    close(fd);
    UNTIL(w.flow.farewell.count == 0);
    end();
}

static void a_reset_is_gone_peer_and_counted(void **state)
{
    struct linger at_once = { .l_onoff = 1, .l_linger = 0 };
    int fd;

    (void)state;
    begin(data_echo);
    begin_row();
    fd = tcp_caller(NULL);
    assert_int_equal(w.gone, 0);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    close(fd);
    UNTIL(w.gone == 1);
    assert_int_equal(w.reason, USHER_GONE_PEER);
    assert_int_equal(page_read(&w.counts.failed), 1);
    end();
}

static void abort_resets(void **state)
{
    char byte;
    int fd;

    (void)state;
    begin(data_echo);
    begin_row();
    fd = tcp_caller(NULL);
    usher_abort(w.conn);
    assert_int_equal(w.gone, 0);
    UNTIL(w.gone == 1);
    assert_int_equal(w.reason, USHER_GONE_ABORTED);
    assert_int_equal(recv(fd, &byte, 1, 0), -1);
    assert_int_equal(errno, ECONNRESET);
    close(fd);
    end();
}

static void on_tick(struct usher_conn *conn)
{
    enter();
    if (++w.ticks == 1)
        conn->service->host->timer(conn, 0, on_tick);
    else
        usher_end(conn);
    leave();
}

static void a_timer_runs_once_and_may_be_set_again(void **state)
{
    int fd;

    (void)state;
    begin(data_echo);
    begin_row();
    fd = caller(SOCK_STREAM);
    host_table.timer(w.conn, 60000, on_tick);
    host_table.timer(w.conn, 1, on_tick);
    UNTIL(w.gone == 1);
    assert_int_equal(w.ticks, 2);

    close(fd);
    fd = caller(SOCK_STREAM);
    host_table.timer(w.conn, 60000, on_tick); /* dies with it */
    host_table.timer(w.conn, -1, on_tick);
    shutdown(fd, SHUT_WR);
    UNTIL(w.gone == 2);
    close(fd);
    end();
}

static void on_watch(struct usher_conn *conn, int fd, unsigned what)
{
    char byte;

    enter();
    assert_int_equal(what, 1);
    assert_int_equal(read(fd, &byte, 1), 1);
    w.ticks++;
    conn->service->host->watch(conn, fd, 0, NULL);
    usher_end(conn);
    leave();
}

static void four_watches_and_no_fifth(void **state)
{
    int fd, pipes[5][2];

    (void)state;
    begin(data_echo);
    begin_row();
    fd = caller(SOCK_STREAM);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(pipe2(pipes[i], O_CLOEXEC), 0);
        assert_int_equal(host_table.watch(w.conn, pipes[i][0], 1, on_watch),
                         i < 4 ? 0 : -1);
    }
    assert_int_equal(host_table.watch(w.conn, pipes[0][0], 0, NULL), 0);
    assert_int_equal(host_table.watch(w.conn, pipes[4][0], 1, on_watch), 0);
    assert_int_equal(write(pipes[4][1], "x", 1), 1);
    UNTIL(w.gone == 1);
    assert_int_equal(w.ticks, 1);
    for (int i = 0; i < 5; i++) {
        close(pipes[i][0]);
        close(pipes[i][1]);
    }
    close(fd);
    end();
}

static void every_timeout_ends(void **state)
{
    static const struct {
        int64_t first, idle, total;
        bool speaks;
    } cases[] = {
        { 20, -1, -1, false }, { -1, 20, -1, false }, { -1, 20, -1, true },
        { -1, -1, 20, true },  { 60000, 20, -1, true }, { 20, 60000, 60000, false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t began_ms = clock_ms();
        int fd;

        begin(data_echo);
        w.service.first_byte_timeout = cases[i].first;
        w.service.idle_timeout = cases[i].idle;
        w.service.total_timeout = cases[i].total;
        begin_row();
        fd = caller(SOCK_STREAM);
        if (cases[i].speaks)
            say(fd, "x");
        UNTIL(w.gone == 1);
        assert_int_equal(w.reason, USHER_GONE_TIMEOUT);
        assert_true(clock_ms() - began_ms >= 19);
        close(fd);
        end();
    }
}

static void a_short_deadline_does_not_wait_for_a_long_one(void **state)
{
    int fd, silent;

    (void)state;
    begin(data_echo);
    w.service.first_byte_timeout = 30;
    w.service.idle_timeout = 60000;
    begin_row();
    fd = caller(SOCK_STREAM);
    say(fd, "x");
    UNTIL(w.got_count == 1);
    UNTIL(w.row.due_ms > clock_ms() + 1000); /* the timer is the idle one's now */

    silent = caller(SOCK_STREAM);
    UNTIL(w.gone == 1);
    assert_int_equal(w.reason, USHER_GONE_TIMEOUT);
    close(silent);
    close(fd);
    UNTIL(w.gone == 2);
    end();
}

static void write_block(struct usher_conn *conn)
{
    static char block[65536];

    enter();
    usher_write(conn, block, sizeof(block));
    leave();
}

static void opened_floods(struct usher_conn *conn)
{
    on_opened(conn);
    write_block(conn);
}

/* It takes whatever comes, and says nothing. */
static void reading_is_no_first_byte(void **state)
{
    static const int64_t firsts[] = { 350, -1 };
    static char out[65536];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(firsts); i++) {
        int64_t began_ms = clock_ms();
        int fd;

        begin(data_echo);
        w.calls.opened = opened_floods;
        w.calls.drained = write_block;
        w.service.first_byte_timeout = firsts[i];
        w.service.idle_timeout = 60000;
        begin_row();
        fd = early_caller("");
        UNTIL(w.gone == 1 || (firsts[i] == -1 && clock_ms() > began_ms + 450))
            while (recv(fd, out, sizeof(out), MSG_DONTWAIT) > 0)
                continue;
        assert_int_equal(w.gone, firsts[i] >= 0 ? 1 : 0);
        close(fd);
        UNTIL(w.gone == 1);
        assert_int_equal(w.reason, firsts[i] >= 0 ? USHER_GONE_TIMEOUT : USHER_GONE_PEER);
        end();
    }
}

static size_t data_take(struct usher_conn *conn, const void *bytes, size_t count)
{
    enter();
    keep_got(bytes, count);
    w.ticks = (unsigned)conn->service->host->take(conn);
    leave();
    return count;
}

static void a_taken_descriptor_is_left_alone(void **state)
{
    char out[8];
    int fd;

    (void)state;
    begin(data_take);
    begin_row();
    fd = caller(SOCK_STREAM);
    say(fd, "x");
    UNTIL(w.got_count == 1);
    say(fd, "yz");
    turn();
    assert_int_equal(w.got_count, 1);
    assert_int_equal(host_table.take(w.conn), -1);
    usher_end(w.conn);
    turn();
    assert_int_equal(w.gone, 0);
    assert_int_equal(recv((int)w.ticks, out, sizeof(out), 0), 2);
    close((int)w.ticks);
    host_table.done(w.conn);
    UNTIL(w.gone == 1);
    assert_int_equal(w.reason, USHER_GONE_ENDED);
    close(fd);
    end();
}

static void a_taken_one_that_is_told_of_its_end_is_as_old_as_before(void **state)
{
    char byte;
    int64_t opened_ms;
    int fd;

    (void)state;
    begin(data_take);
    w.service.total_timeout = 20;
    begin_row();
    fd = caller(SOCK_STREAM);
    opened_ms = conn_of(w.conn)->opened_ms;
    say(fd, "x");
    UNTIL(w.got_count == 1);
    assert_int_equal(hear(fd, &byte, 1), 0); /* that is how the plugin is told */
    assert_true(clock_ms() >= opened_ms + 15);
    UNTIL(w.row.due_ms > opened_ms + 60); /* and once more, and again */
    assert_int_equal(conn_of(w.conn)->opened_ms, opened_ms);
    close((int)w.ticks);
    host_table.done(w.conn);
    UNTIL(w.gone == 1);
    close(fd);
    end();
}

static void opened_takes(struct usher_conn *conn)
{
    on_opened(conn);
    w.ticks = (unsigned)conn->service->host->take(conn);
}

/* Nobody sees whether it rests: only total_timeout holds. */
static void a_taken_one_is_never_idle(void **state)
{
    struct conn *conn;
    int64_t opened_ms;
    int fd;

    (void)state;
    begin(data_echo);
    w.calls.opened = opened_takes;
    w.service.idle_timeout = 60000;
    begin_row();
    fd = caller(SOCK_STREAM);
    conn = conn_of(w.conn);
    opened_ms = conn->opened_ms;
    deadline_moved(conn, opened_ms + 100);
    assert_true(list_is_empty(&w.row.by_rest));
    assert_true(list_is_empty(&w.row.silence.taken));
    assert_int_equal(conn->rested_ms, opened_ms);
    close((int)w.ticks);
    host_table.done(w.conn);
    UNTIL(w.gone == 1);
    close(fd);
    end();
}

static size_t data_packets(struct usher_conn *conn, const void *bytes, size_t count)
{
    static char block[3000];

    (void)bytes;
    enter();
    for (size_t i = 1; i <= 30; i++) {
        memset(block, (int)i, sizeof(block));
        assert_int_equal(usher_write(conn, block, i * 100), 0);
    }
    leave();
    return count;
}

static void seqpacket_keeps_its_boundaries(void **state)
{
    char out[4000];
    int fd, small = 4096;

    (void)state;
    begin(data_packets);
    begin_row();
    w.row.is_packets = true;
    fd = caller(SOCK_SEQPACKET);
    setsockopt(conn_of(w.conn)->fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
    say(fd, "x");
    for (ssize_t i = 1; i <= 30; i++) {
        ssize_t got = -1;

        UNTIL(got != -1)
            got = recv(fd, out, sizeof(out), MSG_DONTWAIT);
        assert_int_equal(got, i * 100);
        assert_int_equal(out[i * 100 - 1], i);
    }
    UNTIL(w.drained == 1);
    close(fd);
    UNTIL(w.gone == 1);
    end();
}

static void a_row_with_packets_may_have_streams_too(void **state)
{
    char out[16] = "";
    int fd;

    (void)state;
    begin(data_echo);
    begin_row();
    w.row.is_packets = true;
    fd = tcp_caller("mine");
    UNTIL(recv(fd, out, sizeof(out), MSG_DONTWAIT) != -1)
        continue;
    assert_string_equal(out, "mine");
    close(fd);
    UNTIL(w.gone == 1);
    end();
}

static void a_packet_of_more_than_a_read_ends(void **state)
{
    static char packet[FLOW_READ + 1];
    int fd;

    (void)state;
    begin(data_echo);
    begin_row();
    w.row.is_packets = true;
    fd = caller(SOCK_SEQPACKET);
    assert_int_equal(send(fd, packet, FLOW_READ, MSG_NOSIGNAL), FLOW_READ);
    UNTIL(w.got_count == FLOW_READ);
    assert_int_equal(recv(fd, packet, sizeof(packet), 0), FLOW_READ);
    assert_int_equal(send(fd, packet, sizeof(packet), MSG_NOSIGNAL), sizeof(packet));
    UNTIL(w.gone == 1);
    assert_int_equal(w.reason, USHER_GONE_INPUT);
    assert_int_equal(w.got_count, FLOW_READ);
    close(fd);
    end();
}

static void an_empty_packet_is_no_end_of_file(void **state)
{
    int fd;

    (void)state;
    begin(data_echo);
    begin_row();
    w.row.is_packets = true;
    fd = caller(SOCK_SEQPACKET);
    say(fd, "");
    turn();
    assert_int_equal(w.finished, 0);
    say(fd, "one");
    UNTIL(w.got_count == 3);

    say(fd, "");
    say(fd, "two");
    say(fd, "");
    shutdown(fd, SHUT_WR);
    UNTIL(w.gone == 1);
    assert_int_equal(w.got_count, 6);
    assert_memory_equal(w.got, "onetwo", 6);
    assert_int_equal(w.finished, 1);
    assert_int_equal(w.reason, USHER_GONE_ENDED);
    close(fd);
    end();
}

static void needs_to_keep_input(int fd)
{
    say(fd, "half a line");
}

static size_t data_too_large_for_now(struct usher_conn *conn, const void *bytes,
                                     size_t count)
{
    static char block[65536];

    (void)bytes;
    enter();
    assert_int_equal(usher_write(conn, block, sizeof(block)), -1);
    leave();
    return count;
}

static void needs_to_keep_output(int fd)
{
    int small = 4096;

    setsockopt(conn_of(w.conn)->fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
    w.calls.data = data_too_large_for_now;
    say(fd, "x");
}

static void needs_a_timer(int fd)
{
    (void)fd;
    host_table.timer(w.conn, 60000, on_tick);
}

static void needs_a_watch(int fd)
{
    (void)fd;
    assert_int_equal(host_table.watch(w.conn, 0, 1, on_watch), -1);
}

static void is_ended_from_outside(int fd)
{
    (void)fd;
    usher_end(w.conn);
}

static void without_memory_one_connection_ends_and_no_other(void **state)
{
    static void (*const cases[])(int fd) = { needs_to_keep_input, needs_to_keep_output,
                                             needs_a_timer, needs_a_watch,
                                             is_ended_from_outside };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int lucky, fd;

        begin(data_lines);
        begin_row();
        w.flow.rows = &w.row;
        w.flow.row_count = 1;
        lucky = caller(SOCK_STREAM);
        fd = caller(SOCK_STREAM);
        has_no_memory = true;
        cases[i](fd);
        UNTIL(w.gone == 1);
        has_no_memory = false;
        assert_int_equal(w.reason, USHER_GONE_STOPPED);

        w.calls.data = data_lines;
        say(lucky, "a whole line\n");
        UNTIL(w.got_count >= 13);
        close(lucky);
        close(fd);
        UNTIL(w.gone == 2);
        w.flow.row_count = 0;
        end();
    }
}

static void without_memory_a_connection_whose_bytes_count_is_not_opened(void **state)
{
    struct peer peer = { .kind = PEER_UNIX };
    int pair[2];

    (void)state;
    begin(data_lines);
    w.service.log_connections = true;
    begin_row();
    assert_int_equal(
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
    has_no_memory = true;
    assert_int_equal(conn_open(&w.row, pair[0], &peer), -1);
    has_no_memory = false;
    close(pair[0]);
    close(pair[1]);
    end();
}

static void closing_all_tells_everyone_once(void **state)
{
    struct list *node, *safe;
    int fds[20];

    (void)state;
    begin(data_echo);
    begin_row();
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        fds[i] = caller(SOCK_STREAM);
    LIST_EACH(&w.row.by_age, node, safe)
        conn_close(CONTAINER(node, struct conn, by_age), USHER_GONE_STOPPED);
    assert_int_equal(w.gone, ARRAY_LEN(fds));
    assert_int_equal(w.reason, USHER_GONE_STOPPED);
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        close(fds[i]);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_is_small),
        cmocka_unit_test(bytes_come_back_and_half_close_is_answered),
        cmocka_unit_test(what_is_there_at_accept_is_served_at_once),
        cmocka_unit_test(unused_input_comes_again_with_more_behind_it),
        cmocka_unit_test(a_full_buffer_that_nobody_uses_ends),
        cmocka_unit_test(a_peer_that_does_not_read_is_not_read_either),
        cmocka_unit_test(writing_beyond_room_ends),
        cmocka_unit_test(pause_holds_input_and_its_end),
        cmocka_unit_test(output_kept_at_accept_leaves_no_trace_in_later_batches),
        cmocka_unit_test(whoever_paused_at_accept_is_heard_after_resume),
        cmocka_unit_test(whoever_ends_within_its_batch_is_not_looked_at_again),
        cmocka_unit_test(another_connection_may_be_ended),
        cmocka_unit_test(unread_input_does_not_cost_the_peer_its_reply),
        cmocka_unit_test(an_empty_packet_does_not_cost_the_peer_its_reply),
        cmocka_unit_test(a_reset_is_gone_peer_and_counted),
        cmocka_unit_test(abort_resets),
        cmocka_unit_test(a_timer_runs_once_and_may_be_set_again),
        cmocka_unit_test(four_watches_and_no_fifth),
        cmocka_unit_test(every_timeout_ends),
        cmocka_unit_test(a_short_deadline_does_not_wait_for_a_long_one),
        cmocka_unit_test(reading_is_no_first_byte),
        cmocka_unit_test(a_taken_descriptor_is_left_alone),
        cmocka_unit_test(a_taken_one_that_is_told_of_its_end_is_as_old_as_before),
        cmocka_unit_test(a_taken_one_is_never_idle),
        cmocka_unit_test(seqpacket_keeps_its_boundaries),
        cmocka_unit_test(a_row_with_packets_may_have_streams_too),
        cmocka_unit_test(a_packet_of_more_than_a_read_ends),
        cmocka_unit_test(an_empty_packet_is_no_end_of_file),
        cmocka_unit_test(without_memory_one_connection_ends_and_no_other),
        cmocka_unit_test(without_memory_a_connection_whose_bytes_count_is_not_opened),
        cmocka_unit_test(closing_all_tells_everyone_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
