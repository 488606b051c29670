#include "flow/udp.h"

#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/addr.h"
#include "base/mem.h"

static struct usher_address address(const char *text)
{
    struct usher_address out = { 0 };
    struct err err = ERR_EMPTY;

    assert_int_equal(addr_parse(text, &out, &err), 0);
    return out;
}

/* A table with a UDP endpoint on 50000, and on 50001 one that is off, and TCP on
 * 50002. */
static void make_udp(struct udp *udp)
{
    struct endpoint on[] = { { .kind = ENDPOINT_UDP, .addr = address("127.0.0.1:50000") },
                             { .kind = ENDPOINT_TCP,
                               .addr = address("127.0.0.1:50002") } };
    struct endpoint off[] = { { .kind = ENDPOINT_UDP,
                                .addr = address("127.0.0.1:50001") } };
    struct plan_service services[] = {
        { .name = (char[]){ "on" },
          .enabled = true,
          .endpoints = on,
          .endpoint_count = 2 },
        { .name = (char[]){ "off" }, .endpoints = off, .endpoint_count = 1 },
    };
    struct plan plan = { .services = services, .service_count = 2 };

    udp_init(udp, &plan);
}

/* reliability.md A1 to A6, A10. */
static void every_rule_stands(void **state)
{
    static const struct {
        const char *peer;
        size_t asked, reply;
        bool is_cut, to_many, amplify, low;
        enum udp_verdict want;
    } cases[] = {
        { "192.0.2.1:40000", 10, 10, false, false, false, false, UDP_ANSWER },
        { "192.0.2.1:40000", 10, 0, false, false, false, false, UDP_ANSWER },
        { "192.0.2.1:40000", 10, 11, false, false, false, false, UDP_LONGER },
        { "192.0.2.1:40000", 10, 11, false, false, true, false, UDP_ANSWER },
        { "192.0.2.1:40000", 0, 0, false, false, false, false, UDP_EMPTY },
        { "192.0.2.1:40000", 0, 4, false, false, true, false, UDP_ANSWER },
        { "192.0.2.1:40000", 9, 9, true, false, true, true, UDP_CUT },
        { "192.0.2.1:0", 9, 9, false, false, true, true, UDP_PORT_ZERO },
        { "192.0.2.1:1", 9, 9, false, false, false, false, UDP_LOW_PORT },
        { "192.0.2.1:19", 9, 9, false, false, true, false, UDP_LOW_PORT },
        { "[2001:db8::1]:1023", 9, 9, false, false, false, false, UDP_LOW_PORT },
        { "192.0.2.1:1024", 9, 9, false, false, false, false, UDP_ANSWER },
        { "192.0.2.1:19", 9, 9, false, false, false, true, UDP_ANSWER },
        { "192.0.2.1:50000", 9, 9, false, false, true, true, UDP_OWN_PORT },
        { "[::1]:50000", 9, 9, false, false, false, false, UDP_OWN_PORT },
        { "192.0.2.1:50001", 9, 9, false, false, false, false, UDP_ANSWER },
        { "192.0.2.1:50002", 9, 9, false, false, false, false, UDP_ANSWER },
        { "192.0.2.1:40000", 9, 9, false, true, true, true, UDP_TO_MANY },
        { "224.0.0.1:40000", 9, 9, false, false, true, true, UDP_FROM_MANY },
        { "255.255.255.255:40000", 9, 9, false, false, false, false, UDP_FROM_MANY },
        { "[ff02::1]:40000", 9, 9, false, false, false, false, UDP_FROM_MANY },
        { "0.0.0.0:40000", 9, 9, false, false, false, false, UDP_FROM_MANY },
    };
    static struct udp udp;

    (void)state;
    make_udp(&udp);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct plan_service service = { .amplify = cases[i].amplify,
                                        .reply_from_low_ports = cases[i].low };
        struct dgram request = { .count = cases[i].asked, .is_cut = cases[i].is_cut,
                                 .to_many = cases[i].to_many,
                                 .peer = address(cases[i].peer) };
        enum udp_verdict got = udp_judge(&udp, &service, &request, cases[i].reply);

        if (got != cases[i].want)
            fail_msg("case %zu: %s, not %s", i, udp_verdict_name(got),
                     udp_verdict_name(cases[i].want));
    }
}

static void unix_peers_need_a_name_and_nothing_else(void **state)
{
    static struct udp udp;
    struct plan_service service = { 0 };
    struct dgram request = { .count = 0 };

    (void)state;
    make_udp(&udp);
    assert_int_equal(udp_judge(&udp, &service, &request, 9), UDP_UNNAMED);
    request.peer.storage.ss_family = AF_UNIX;
    request.peer.length = sizeof(sa_family_t);
    assert_int_equal(udp_judge(&udp, &service, &request, 9), UDP_UNNAMED);
    assert_int_equal(addr_parse_unix("@peer", &request.peer, NULL), 0);
    assert_int_equal(udp_judge(&udp, &service, &request, 9), UDP_ANSWER);
}

static int bound_socket(const char *where, struct usher_address *out)
{
    struct usher_address to = address(where);
    int fd = socket(to.storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&to.storage, to.length), 0);
    out->length = sizeof(out->storage);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&out->storage, &out->length), 0);
    return fd;
}

/* A11: a client with a connected socket hears it only then. */
static void a_late_reply_leaves_from_the_address_that_was_asked(void **state)
{
    struct usher_address server, client, local = address("127.0.0.5:0"), from = { 0 };
    int server_fd = bound_socket("0.0.0.0:0", &server);
    int client_fd = bound_socket("127.0.0.1:0", &client);
    struct pollfd ready = { .fd = client_fd, .events = POLLIN };
    char byte;

    (void)state;
    assert_int_equal(udp_send(server_fd, &client, &local, "x", 1), 0);
    assert_int_equal(poll(&ready, 1, 5000), 1);
    from.length = sizeof(from.storage);
    assert_int_equal(recvfrom(client_fd, &byte, 1, 0, (struct sockaddr *)&from.storage,
                              &from.length), 1);
    assert_true(addr_same_host(&from, &local));
    assert_int_equal(addr_port(&from), addr_port(&server));

    local.length = 0; /* not known: as the system likes */
    assert_int_equal(udp_send(server_fd, &client, &local, "y", 1), 0);
    assert_int_equal(poll(&ready, 1, 5000), 1);
    close(server_fd);
    close(client_fd);
}

static void a_late_reply_over_ipv6_does_so_too(void **state)
{
    struct usher_address server, client, local = address("[::1]:0");
    int probe = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct pollfd ready = { .events = POLLIN };
    int server_fd;

    (void)state;
    if (probe == -1 || bind(probe, (struct sockaddr *)&local.storage, local.length) == -1)
        skip();
    close(probe);
    server_fd = bound_socket("[::]:0", &server);
    ready.fd = bound_socket("[::1]:0", &client);
    assert_int_equal(udp_send(server_fd, &client, &local, "x", 1), 0);
    assert_int_equal(poll(&ready, 1, 5000), 1);
    close(server_fd);
    close(ready.fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_rule_stands),
        cmocka_unit_test(unix_peers_need_a_name_and_nothing_else),
        cmocka_unit_test(a_late_reply_leaves_from_the_address_that_was_asked),
        cmocka_unit_test(a_late_reply_over_ipv6_does_so_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
