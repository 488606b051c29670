#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../services/redirect/redirect.h"
#include "support/mock_host.h"

extern const struct usher_service usher_service_redirect;

#define TURNS 1000
#define UNTIL_DOING(condition, step)                                                     \
    for (int turns = 0; !(condition); mock_turn(&mock, 10)) {                            \
        assert_true(turns++ < TURNS);                                                    \
        step;                                                                            \
    }
#define UNTIL(condition) UNTIL_DOING(condition, (void)0)

static struct redirect_conf conf;
static struct mock mock;

/* Starts the service with a socket on loopback as its target: that socket. */
static int begin(int type)
{
    struct sockaddr_in *to = (struct sockaddr_in *)(void *)&conf.target.storage;
    int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    memset(&conf, 0, sizeof(conf));
    conf =
        (struct redirect_conf){ .connect_timeout = 1000, .idle = 1000, .max_peers = 3 };
    to->sin_family = AF_INET;
    to->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    conf.target.length = sizeof(*to);
    assert_int_equal(bind(fd, (struct sockaddr *)to, sizeof(*to)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)to, &conf.target.length), 0);
    if (type == SOCK_STREAM)
        assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(mock_start(&mock, &usher_service_redirect, &conf), 0);
    return fd;
}

static bool is_unlucky; /* the system draws the port that is connected to */

int __real_connect(int fd, const struct sockaddr *to, socklen_t length);
int __wrap_connect(int fd, const struct sockaddr *to, socklen_t length);

int __wrap_connect(int fd, const struct sockaddr *to, socklen_t length)
{
    if (is_unlucky)
        assert_int_equal(bind(fd, to, length), 0);
    return __real_connect(fd, to, length);
}

/* ---- connections ------------------------------------------------------------------- */

/* A caller whose connection to the target stands: the target's end of it. */
static int call(int listener)
{
    const struct stream *stream;
    int fd = -1;

    mock_connect(&mock);
    stream = mock.conn.mine;
    UNTIL(stream->is_connected);
    UNTIL_DOING(fd != -1,
                fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC));
    return fd;
}

static void bytes_go_both_ways_and_each_end_for_itself(void **state)
{
    int listener = begin(SOCK_STREAM), target = call(listener);
    char got[16];

    (void)state;
    assert_int_equal(mock.timer_ms, -1);
    mock_send(&mock, "hello", 5);
    assert_int_equal(recv(target, got, sizeof(got), 0), 5);
    mock_finish(&mock);
    assert_int_equal(recv(target, got, sizeof(got), 0), 0);
    assert_false(mock_is_gone(&mock));

    assert_int_equal(send(target, "answer", 6, 0), 6);
    UNTIL(mock.out.count == 6);
    close(target);
    UNTIL(mock_is_gone(&mock));
    assert_int_equal(mock.reason, USHER_GONE_ENDED);
    mock_stop(&mock);
    close(listener);
}

/* B19: a caller that does not read; a target that does not either. */
static void neither_side_is_read_faster_than_the_other_takes(void **state)
{
    static char block[1 << 16];
    int listener = begin(SOCK_STREAM), target = call(listener);
    size_t sent = 0, got = 0;
    ssize_t count;

    (void)state;
    mock.window = 1000;
    for (int i = 0; i < 200; i++) {
        count = send(target, block, sizeof(block), MSG_NOSIGNAL);
        sent += count > 0 ? (size_t)count : 0;
        mock_turn(&mock, 0);
        assert_true(mock.unread <= mock.window + MOCK_ROOM);
    }
    UNTIL_DOING(mock.out.count == sent, mock_read(&mock, sizeof(block)));

    mock.window = SIZE_MAX;
    mock_read(&mock, SIZE_MAX);
    for (int i = 0; i < 200 && !mock.is_paused; i++)
        mock_send(&mock, block, sizeof(block));
    assert_true(mock.is_paused);
    sent = mock.in.count;
    assert_true(sent > 0);
    while (mock.in.count > 0) {
        count = recv(target, block, sizeof(block), 0);
        got += count > 0 ? (size_t)count : 0;
        mock_turn(&mock, 10);
    }
    assert_true(got >= sent);
    mock_reset(&mock);
    mock_stop(&mock);
    close(target);
    close(listener);
}

static void a_target_that_ends_first_hears_on(void **state)
{
    int listener = begin(SOCK_STREAM), target = call(listener), pair[2];
    char got[16];

    (void)state;
    assert_int_equal(
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
    mock.take_fd = pair[0];
    shutdown(target, SHUT_WR);
    UNTIL(mock.is_taken);
    assert_int_equal(recv(pair[1], got, sizeof(got), 0), 0);

    assert_int_equal(send(pair[1], "more", 4, 0), 4);
    UNTIL(recv(target, got, sizeof(got), 0) == 4);
    close(pair[1]);
    UNTIL(mock_is_gone(&mock));
    assert_int_equal(recv(target, got, sizeof(got), 0), 0);
    mock_stop(&mock);
    close(target);
    close(listener);
}

static void what_breaks_on_one_side_breaks_on_the_other(void **state)
{
    struct linger at_once = { .l_onoff = 1, .l_linger = 0 };
    int listener = begin(SOCK_STREAM), target = call(listener);
    char byte;

    (void)state;
    setsockopt(target, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    close(target);
    UNTIL(mock_is_gone(&mock));
    assert_int_equal(mock.reason, USHER_GONE_ABORTED);

    target = call(listener);
    mock_reset(&mock);
    assert_int_equal(recv(target, &byte, 1, 0), -1);
    assert_int_equal(errno, ECONNRESET);
    close(target);

    mock_connect(&mock);
    mock_expire(&mock); /* connect_timeout */
    assert_true(mock_is_gone(&mock));
    close(listener);
    mock_connect(&mock); /* refused */
    UNTIL(mock_is_gone(&mock));
    assert_int_equal(mock.reason, USHER_GONE_ABORTED);
    mock_stop(&mock);
}

/* ---- datagrams --------------------------------------------------------------------- */

static void be_peer(uint16_t port)
{
    struct sockaddr_in *peer = (struct sockaddr_in *)(void *)&mock.peer.storage;

    memset(&mock.peer, 0, sizeof(mock.peer));
    peer->sin_family = AF_INET;
    peer->sin_port = htons(port);
    mock.peer.length = sizeof(*peer);
}

/* The request as the target sees it, with the socket that it came from. */
static struct sockaddr_in heard(int target, const char *want)
{
    struct sockaddr_in from;
    socklen_t length = sizeof(from);
    char got[64];
    ssize_t count =
        recvfrom(target, got, sizeof(got), 0, (struct sockaddr *)&from, &length);

    assert_int_equal(count, (ssize_t)strlen(want));
    assert_memory_equal(got, want, strlen(want));
    return from;
}

static void tell(int target, const struct sockaddr_in *to, const char *text)
{
    assert_int_equal(sendto(target, text, strlen(text), 0, (const struct sockaddr *)to,
                            sizeof(*to)),
                     (ssize_t)strlen(text));
}

static void each_peer_has_a_socket_until_it_is_silent(void **state)
{
    int target = begin(SOCK_DGRAM);
    struct sockaddr_in first, second, again;

    (void)state;
    be_peer(1);
    mock_datagram(&mock, "one", 3);
    first = heard(target, "one");
    be_peer(2);
    mock_datagram(&mock, "two", 3);
    second = heard(target, "two");
    be_peer(1);
    mock_datagram(&mock, "three", 5);
    again = heard(target, "three");
    assert_int_equal(first.sin_port, again.sin_port);
    assert_int_not_equal(first.sin_port, second.sin_port);

    tell(target, &first, "ONE");
    UNTIL(mock.replies == 1);
    assert_memory_equal(mock.reply, "ONE", 3);
    while (mock.service_timer_ms >= 0)
        mock_expire_service(&mock);
    for (size_t i = 0; i < MOCK_WATCHES; i++)
        assert_int_equal(mock.watches[i].fd, -1);
    mock_stop(&mock);
    close(target);
}

static void answers_find_requests_that_are_long_enough(void **state)
{
    int target = begin(SOCK_DGRAM);
    struct sockaddr_in from;

    (void)state;
    be_peer(1);
    mock_datagram(&mock, "1", 1);
    mock_datagram(&mock, "12345", 5);
    heard(target, "1");
    from = heard(target, "12345");
    tell(target, &from, "54321");
    UNTIL(mock.replies == 1);
    tell(target, &from, "x");
    UNTIL(mock.replies == 2);
    tell(target, &from, "y"); /* nobody asked */
    mock_turn(&mock, 100);
    assert_int_equal(mock.replies, 2);

    mock_datagram(&mock, "1", 1);
    heard(target, "1");
    tell(target, &from, "z");
    UNTIL(mock.replies == 1);
    mock.does_amplify = true;
    tell(target, &from, "and much longer");
    UNTIL(mock.replies == 2);
    mock_stop(&mock);
    close(target);
}

static bool is_taken(in_port_t port)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = port };
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool is_refused;

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    is_refused = bind(fd, (const struct sockaddr *)&at, sizeof(at)) == -1;
    close(fd);
    return is_refused;
}

static void the_longest_silent_makes_room(void **state)
{
    int target = begin(SOCK_DGRAM);
    unsigned watched = 0;
    struct sockaddr_in from[50];

    (void)state;
    for (uint16_t port = 1; port <= 50; port++) {
        be_peer(port);
        mock_datagram(&mock, "x", 1);
        from[port - 1] = heard(target, "x");
    }
    for (size_t i = 0; i < 50; i++) /* for late answers, that nobody else gets them */
        assert_true(is_taken(from[i].sin_port));
    tell(target, &from[0], "X");
    mock_turn(&mock, 50);
    assert_int_equal(mock.replies, 0);
    for (uint16_t port = 51; port <= 150; port++) {
        be_peer(port);
        mock_datagram(&mock, "x", 1);
        heard(target, "x");
    }
    /* but not for ever */
    assert_false(is_taken(from[0].sin_port) && is_taken(from[1].sin_port));
    for (size_t i = 0; i < MOCK_WATCHES; i++)
        watched += mock.watches[i].fd != -1;
    assert_int_equal(watched, conf.max_peers);
    mock_stop(&mock);
    close(target);
}

static void without_a_limit_silence_costs_nobody_the_socket(void **state)
{
    int target = begin(SOCK_DGRAM);
    struct sockaddr_in from;

    (void)state;
    conf.idle = -1;
    be_peer(1);
    mock_datagram(&mock, "x", 1);
    from = heard(target, "x");
    assert_int_equal(mock.service_timer_ms, -1);
    tell(target, &from, "X");
    UNTIL(mock.replies == 1);
    mock_stop(&mock);
    close(target);
}

static void nobody_is_connected_with_itself(void **state)
{
    int listener = begin(SOCK_STREAM);

    (void)state;
    close(listener);
    is_unlucky = true;
    mock_connect(&mock);
    UNTIL(mock_is_gone(&mock));
    assert_int_equal(mock.reason, USHER_GONE_ABORTED);
    mock_stop(&mock);

    is_unlucky = false;
    listener = begin(SOCK_DGRAM);
    close(listener);
    is_unlucky = true;
    be_peer(1);
    mock_datagram(&mock, "x", 1);
    mock_turn(&mock, 50);
    assert_int_equal(mock.replies, 0);
    mock_stop(&mock);
    is_unlucky = false;
}

static void a_target_is_asked_for(void **state)
{
    static const struct redirect_conf bare = { .idle = 1000 };
    struct redirect_conf nowhere = { .idle = 1000 };
    char error[100];

    (void)state;
    assert_int_equal(usher_service_redirect.check(&bare, error, sizeof(error)), -1);
    assert_string_equal(error, "target: must be given");
    nowhere.target.length = sizeof(struct sockaddr_in);
    nowhere.target.storage.ss_family = AF_INET;
    assert_int_equal(usher_service_redirect.check(&nowhere, error, sizeof(error)), -1);
    assert_string_equal(error, "target: there is no port 0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_go_both_ways_and_each_end_for_itself),
        cmocka_unit_test(neither_side_is_read_faster_than_the_other_takes),
        cmocka_unit_test(a_target_that_ends_first_hears_on),
        cmocka_unit_test(what_breaks_on_one_side_breaks_on_the_other),
        cmocka_unit_test(each_peer_has_a_socket_until_it_is_silent),
        cmocka_unit_test(answers_find_requests_that_are_long_enough),
        cmocka_unit_test(the_longest_silent_makes_room),
        cmocka_unit_test(without_a_limit_silence_costs_nobody_the_socket),
        cmocka_unit_test(nobody_is_connected_with_itself),
        cmocka_unit_test(a_target_is_asked_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
