#include "sock/dgram.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/descriptors.h"

#include "base/addr.h"
#include "base/mem.h"

#define WAIT_MS 5000

/* A server socket with packet info, a client, and a batch. */
struct scene {
    struct dgram_batch *batch;
    int server, client;
    struct usher_address at;    /* where the server is */
    struct usher_address bound; /* what dgram_receive() knows of that */
};

static int set_int(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof value);
}

static struct usher_address name_of(int fd)
{
    struct usher_address name = { .length = sizeof name.storage };

    assert_int_equal(getsockname(fd, (struct sockaddr *)&name.storage, &name.length), 0);
    return name;
}

static int open_at(const char *text)
{
    struct usher_address at;
    struct err err = ERR_EMPTY;
    int fd;

    assert_int_equal(addr_parse(text, &at, &err), 0);
    fd = socket(at.storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_not_equal(fd, -1);
    assert_int_equal(bind(fd, (struct sockaddr *)&at.storage, at.length), 0);
    return fd;
}

/* Addresses that this machine lacks are left out, aloud. */
static bool has_ipv6(void)
{
    struct sockaddr_in6 at = {.sin6_family = AF_INET6,
                              .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool has = fd != -1 && bind(fd, (struct sockaddr *)&at, sizeof at) == 0;

    if (fd != -1)
        close(fd);
    if (!has)
        print_message("no IPv6 here\n");
    return has;
}

/* Both addresses have port 0: one is drawn. */
static struct scene scene_open(const char *server, const char *client)
{
    struct scene scene = { .batch = dgram_new() };

    scene.server = open_at(server);
    scene.at = name_of(scene.server);
    if (scene.at.storage.ss_family == AF_INET6)
        assert_int_equal(set_int(scene.server, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1), 0);
    else
        assert_int_equal(set_int(scene.server, IPPROTO_IP, IP_PKTINFO, 1), 0);
    scene.client = open_at(client);
    return scene;
}

static void scene_close(struct scene *scene)
{
    close(scene->server);
    close(scene->client);
    dgram_free(&scene->batch);
    assert_null(scene->batch);
}

static void wait_for(int fd)
{
    struct pollfd one = { .fd = fd, .events = POLLIN };

    assert_int_equal(poll(&one, 1, WAIT_MS), 1);
}

/* To `host` (text) at the server's port. */
static void send_to(struct scene *scene, const char *host, const void *bytes,
                    size_t count)
{
    struct usher_address to;
    struct err err = ERR_EMPTY;

    assert_int_equal(addr_parse_host(host, &to, &err), 0);
    addr_set_port(&to, addr_port(&scene->at));
    assert_int_equal(
        sendto(scene->client, bytes, count, 0, (struct sockaddr *)&to.storage, to.length),
        count);
}

static int receive(struct scene *scene, int limit)
{
    struct err err = ERR_EMPTY;
    int got;

    wait_for(scene->server);
    got = dgram_receive(scene->batch, scene->server, &scene->bound, limit, &err);
    if (got == -1)
        fail_msg("%s", err.text);
    return got;
}

static void assert_addr(const struct usher_address *address, const char *host,
                        unsigned port)
{
    char text[ADDR_TEXT];

    assert_string_equal(addr_print_host(address, text, sizeof text), host);
    assert_int_equal(addr_port(address), port);
}

static void ask_and_answer(const char *server, const char *client, const char *to)
{
    struct scene s = scene_open(server, client);
    const struct dgram *dgram = dgram_at(s.batch, 0);
    struct usher_address mine = name_of(s.client),
                         from = { .length = sizeof from.storage };
    char host[ADDR_TEXT], got[16] = "";

    send_to(&s, to, "hello", 5);
    assert_int_equal(receive(&s, DGRAM_BATCH), 1);
    assert_int_equal(dgram->count, 5);
    assert_memory_equal(dgram->bytes, "hello", 5);
    assert_false(dgram->is_cut);
    assert_false(dgram->to_many);
    assert_addr(&dgram->local, to, addr_port(&s.at));
    assert_addr(&dgram->peer, addr_print_host(&mine, host, sizeof host),
                addr_port(&mine));
    assert_int_equal(dgram_reply(s.batch, 0, "you", 3), 0);
    assert_int_equal(dgram_reply(s.batch, 0, "two", 3), -1);
    assert_int_equal(dgram_flush(s.batch, s.server), 1);
    assert_int_equal(dgram_flush(s.batch, s.server), 0);
    wait_for(s.client);
    assert_int_equal(recvfrom(s.client, got, sizeof got, 0,
                              (struct sockaddr *)&from.storage, &from.length),
                     3);
    assert_string_equal(got, "you");
    assert_addr(&from, to, addr_port(&s.at));
    assert_memory_equal(dgram->bytes, "hello", 5); /* the request is untouched */
    scene_close(&s);
}

static void a11_a_reply_leaves_from_where_it_was_asked(void **state)
{
    static const struct {
        const char *server, *client, *to;
    } cases[] = {
        {"0.0.0.0:0", "127.0.0.1:0", "127.0.0.1"},
        {"0.0.0.0:0", "127.0.0.1:0", "127.0.0.5"},
        {"0.0.0.0:0", "127.0.0.9:0", "127.1.2.3"},
        {"127.0.0.5:0", "127.0.0.1:0", "127.0.0.5"},
        {"[::]:0", "[::1]:0", "::1"},
        {"[::]:0", "127.0.0.1:0", "127.0.0.5"}, /* v4-mapped inside */
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (cases[i].server[0] != '[' || has_ipv6())
            ask_and_answer(cases[i].server, cases[i].client, cases[i].to);
    }
}
static void a7_a_burst_is_answered_whole(void **state)
{
    struct scene s = scene_open("127.0.0.1:0", "127.0.0.1:0");
    int answered = 0, batches = 0;
    char text[16];

    (void)state;
    assert_int_equal(set_int(s.client, SOL_SOCKET, SO_RCVBUF, 1 << 20), 0);
    for (int i = 0; i < 150; i++) {
        snprintf(text, sizeof text, "%03d", i);
        send_to(&s, "127.0.0.1", text, 3);
    }
    for (int got; answered < 150; answered += got, batches++) {
        got = receive(&s, DGRAM_BATCH);
        for (int i = 0; i < got; i++) {
            const struct dgram *dgram = dgram_at(s.batch, i);

            assert_int_equal(dgram_reply(s.batch, i, dgram->bytes, dgram->count), 0);
        }
        assert_int_equal(dgram_flush(s.batch, s.server), got);
    }
    assert_int_equal(batches, 3);
    for (int i = 0; i < 150; i++) {
        char got[16] = "", want[16];

        assert_int_equal(recv(s.client, got, sizeof got, 0), 3);
        snprintf(want, sizeof want, "%03d", i);
        assert_string_equal(got, want);
    }
    scene_close(&s);
}

static void the_limit_is_kept_and_the_rest_stays(void **state)
{
    struct scene s = scene_open("127.0.0.1:0", "127.0.0.1:0");

    (void)state;
    for (int i = 0; i < 5; i++)
        send_to(&s, "127.0.0.1", "x", 1);
    assert_int_equal(receive(&s, 2), 2);
    assert_int_equal(receive(&s, 2), 2);
    assert_int_equal(receive(&s, 2), 1);
    assert_int_equal(dgram_receive(s.batch, s.server, &s.bound, 2, NULL), 0);
    scene_close(&s);
}

static void a10_all_lengths_come_back_whole(void **state)
{
    static const size_t lengths[] = { 0, 1, 508, 1472, 2049, 4096, 9000, 65507 };
    static char bytes[65536], got[65536];
    struct scene s = scene_open("127.0.0.1:0", "127.0.0.1:0");

    (void)state;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(i * 7 + i / 251);
    for (size_t i = 0; i < 2 * ARRAY_LEN(lengths); i++) {
        size_t length = lengths[i / 2];
        const struct dgram *dgram = dgram_at(s.batch, 0);
        const char *reply = i % 2 == 0 ? dgram->bytes : bytes; /* in place, or copied */

        send_to(&s, "127.0.0.1", bytes, length);
        assert_int_equal(receive(&s, DGRAM_BATCH), 1);
        assert_int_equal(dgram->count, length);
        assert_int_equal(dgram_reply(s.batch, 0, reply, length), 0);
        assert_int_equal(dgram_flush(s.batch, s.server), 1);
        wait_for(s.client);
        assert_int_equal(recv(s.client, got, sizeof got, 0), length);
        assert_memory_equal(got, bytes, length);
    }
    send_to(&s, "127.0.0.1", "x", 1);
    assert_int_equal(receive(&s, DGRAM_BATCH), 1);
    assert_int_equal(dgram_reply(s.batch, 0, bytes, 65508), -1);
    scene_close(&s);
}

/* Only a UNIX peer can send that much. */
static void a10_what_is_cut_says_so(void **state)
{
    static char bytes[DGRAM_MAX + 1];
    struct usher_address bound = { .length = 0 };
    struct dgram_batch *batch = dgram_new();
    struct err err = ERR_EMPTY;
    int ends[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends), 0);
    set_int(ends[1], SOL_SOCKET, SO_SNDBUF, 1 << 20);
    for (size_t count = DGRAM_MAX; count <= DGRAM_MAX + 1; count++) {
        assert_int_equal(send(ends[1], bytes, count, 0), count);
        assert_int_equal(dgram_receive(batch, ends[0], &bound, 1, &err), 1);
        assert_int_equal(dgram_at(batch, 0)->is_cut, count > DGRAM_MAX);
        assert_int_equal(dgram_at(batch, 0)->count, DGRAM_MAX);
    }
    close(ends[0]);
    close(ends[1]);
    dgram_free(&batch);
}

static void a_reply_may_be_a_part_of_its_request(void **state)
{
    struct scene s = scene_open("127.0.0.1:0", "127.0.0.1:0");
    char got[16] = "";

    (void)state;
    send_to(&s, "127.0.0.1", "0123456789", 10);
    assert_int_equal(receive(&s, 1), 1);
    assert_int_equal(dgram_reply(s.batch, 0, dgram_at(s.batch, 0)->bytes + 3, 4), 0);
    assert_int_equal(dgram_flush(s.batch, s.server), 1);
    wait_for(s.client);
    assert_int_equal(recv(s.client, got, sizeof got, 0), 4);
    assert_string_equal(got, "3456");
    scene_close(&s);
}

static void a4_broadcast_and_multicast_are_noticed(void **state)
{
    static const char *const targets[] = {"127.255.255.255", "224.0.0.1", "239.1.2.3"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
        struct scene s = scene_open("0.0.0.0:0", "127.0.0.1:0");
        struct ip_mreqn group = {.imr_ifindex = (int)if_nametoindex("lo")};

        inet_pton(AF_INET, targets[i], &group.imr_multiaddr);
        assert_int_equal(set_int(s.client, SOL_SOCKET, SO_BROADCAST, 1), 0);
        if (IN_MULTICAST(ntohl(group.imr_multiaddr.s_addr))) {
            setsockopt(s.client, IPPROTO_IP, IP_MULTICAST_IF, &group, sizeof group);
            assert_int_equal(
                setsockopt(s.server, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof group),
                0);
        }
        send_to(&s, targets[i], "x", 1);
        assert_int_equal(receive(&s, 1), 1);
        assert_true(dgram_at(s.batch, 0)->to_many);
        assert_addr(&dgram_at(s.batch, 0)->local, targets[i], addr_port(&s.at));
        scene_close(&s);
    }
}

/* A socket that was passed in may serve both families: there the kernel does not say
 * that an address is broadcast. */
static void a4_ipv4_to_many_is_noticed_on_an_ipv6_socket(void **state)
{
    static const struct {
        const char *target;
        bool to_many;
    } cases[] = { { "127.255.255.255", true }, { "239.1.2.3", true },
                  { "127.0.0.1", false } };

    (void)state;
    if (!has_ipv6())
        skip();
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct scene s = scene_open("[::]:0", "127.0.0.1:0");
        struct ip_mreqn group = {.imr_ifindex = (int)if_nametoindex("lo")};
        int on = 1;

        inet_pton(AF_INET, cases[i].target, &group.imr_multiaddr);
        assert_int_equal(set_int(s.client, SOL_SOCKET, SO_BROADCAST, on), 0);
        if (IN_MULTICAST(ntohl(group.imr_multiaddr.s_addr))) {
            setsockopt(s.client, IPPROTO_IP, IP_MULTICAST_IF, &group, sizeof group);
            assert_int_equal(
                setsockopt(s.server, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof group),
                0);
        }
        send_to(&s, cases[i].target, "x", 1);
        assert_int_equal(receive(&s, 1), 1);
        assert_int_equal(dgram_at(s.batch, 0)->to_many, cases[i].to_many);
        assert_addr(&dgram_at(s.batch, 0)->local, cases[i].target, addr_port(&s.at));
        scene_close(&s);
    }
}

/* On the first link that carries IPv6 multicast; the packet stays on this machine
 * (ff01). */
static void a4_ipv6_multicast_is_noticed(void **state)
{
    struct if_nameindex *links;
    struct scene s;
    struct ipv6_mreq group;
    bool is_sent = false;

    (void)state;
    if (!has_ipv6())
        skip();
    links = if_nameindex();
    s = scene_open("[::]:0", "[::]:0");
    assert_non_null(links);
    inet_pton(AF_INET6, "ff01::1234", &group.ipv6mr_multiaddr);
    for (struct if_nameindex *link = links; !is_sent && link->if_index != 0; link++) {
        struct sockaddr_in6 to = {.sin6_family = AF_INET6,
                                  .sin6_addr = group.ipv6mr_multiaddr,
                                  .sin6_port = htons((uint16_t)addr_port(&s.at)),
                                  .sin6_scope_id = link->if_index};

        group.ipv6mr_interface = link->if_index;
        is_sent = setsockopt(s.server, IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, &group,
                             sizeof group) == 0 &&
                  sendto(s.client, "x", 1, 0, (struct sockaddr *)&to, sizeof to) == 1;
    }
    if_freenameindex(links);
    if (is_sent) {
        assert_int_equal(receive(&s, 1), 1);
        assert_true(dgram_at(s.batch, 0)->to_many);
    }
    scene_close(&s);
    if (!is_sent) {
        print_message("no link here carries IPv6 multicast\n");
        skip();
    }
}

/* A client that went away: the answer comes back as an ICMP error, and must disturb
 * nobody. */
static void a12_an_answer_nobody_wants_disturbs_nobody(void **state)
{
    struct scene s = scene_open("127.0.0.1:0", "127.0.0.1:0");

    (void)state;
    for (int i = 0; i < 20; i++) {
        int gone = s.client, there = open_at("127.0.0.1:0");

        send_to(&s, "127.0.0.1", "gone", 4);
        s.client = there;
        send_to(&s, "127.0.0.1", "here", 4);
        close(gone);
        assert_int_equal(receive(&s, DGRAM_BATCH), 2);
        assert_int_equal(dgram_reply(s.batch, 0, "a", 1), 0);
        assert_int_equal(dgram_reply(s.batch, 1, "b", 1), 0);
        assert_int_equal(dgram_flush(s.batch, s.server), 2);
        wait_for(s.client);
    }
    scene_close(&s);
}

/* ---- what the system says of an earlier reply -------------------------------------- */

static int receive_code, send_code; /* what the next call fails with; 0: it does not */
static unsigned sends;

int __real_recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags,
                    struct timespec *wait);
int __wrap_recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags,
                    struct timespec *wait);
int __real_sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags);
int __wrap_sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags);

/* The linker puts them in front of recvmmsg() and sendmmsg(). */
int __wrap_recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags,
                    struct timespec *wait)
{
    if (receive_code == 0)
        return __real_recvmmsg(fd, messages, count, flags, wait);
    errno = receive_code;
    return -1;
}

int __wrap_sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    sends++;
    if (send_code == 0)
        return __real_sendmmsg(fd, messages, count, flags);
    errno = send_code;
    send_code = 0;
    return -1;
}

static void a12_errors_of_earlier_replies_are_none_of_the_socket(void **state)
{
    static const int passing[] = { EAGAIN,       EINTR,       ECONNREFUSED, ECONNRESET,
                                   EHOSTUNREACH, EHOSTDOWN,   ENETUNREACH,  ENETDOWN,
                                   ENOPROTOOPT,  EPROTO,      EMSGSIZE,     ETIMEDOUT };
    static const int real[] = { EBADF, ENOMEM, ENOBUFS, EIO };
    struct scene s = scene_open("127.0.0.1:0", "127.0.0.1:0");
    struct err err = ERR_EMPTY;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(passing); i++) {
        receive_code = passing[i];
        assert_int_equal(dgram_receive(s.batch, s.server, &s.bound, 1, &err), 0);
    }
    for (size_t i = 0; i < ARRAY_LEN(real); i++) {
        receive_code = real[i];
        assert_int_equal(dgram_receive(s.batch, s.server, &s.bound, 1, &err), -1);
    }
    receive_code = 0;
    scene_close(&s);
}

/* Which the next reply meets instead of its own: it goes all the same. */
static void a12_the_error_of_an_earlier_reply_costs_none(void **state)
{
    struct scene s = scene_open("127.0.0.1:0", "127.0.0.1:0");
    char got;

    (void)state;
    for (int i = 0; i < 3; i++)
        send_to(&s, "127.0.0.1", "x", 1);
    assert_int_equal(receive(&s, DGRAM_BATCH), 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(dgram_reply(s.batch, i, "y", 1), 0);
    sends = 0;
    send_code = ECONNREFUSED;
    assert_int_equal(dgram_flush(s.batch, s.server), 3);
    assert_int_equal(sends, 2);
    for (int i = 0; i < 3; i++)
        assert_int_equal(recv(s.client, &got, 1, 0), 1);
    scene_close(&s);
}

/* One that cannot be sent (a port that is 0) does not hold back those behind it. */
static void what_cannot_be_sent_is_dropped_alone(void **state)
{
    struct scene s = scene_open("127.0.0.1:0", "127.0.0.1:0");
    struct usher_address *peer;
    char got;

    (void)state;
    for (int i = 0; i < 3; i++)
        send_to(&s, "127.0.0.1", "x", 1);
    assert_int_equal(receive(&s, DGRAM_BATCH), 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(dgram_reply(s.batch, i, "x", 1), 0);
    peer = (struct usher_address *)(uintptr_t)&dgram_at(s.batch, 1)->peer;
    addr_set_port(peer, 0);
    assert_int_equal(dgram_flush(s.batch, s.server), 2);
    assert_int_equal(recv(s.client, &got, 1, 0), 1);
    assert_int_equal(recv(s.client, &got, 1, 0), 1);
    assert_int_equal(recv(s.client, &got, 1, 0), -1);
    scene_close(&s);
}

static void a_socket_without_packet_info_is_served(void **state)
{
    struct scene s = scene_open("127.0.0.1:0", "127.0.0.1:0");
    char got;

    (void)state;
    assert_int_equal(set_int(s.server, IPPROTO_IP, IP_PKTINFO, 0), 0);
    send_to(&s, "127.0.0.1", "x", 1);
    assert_int_equal(receive(&s, 1), 1);
    assert_int_equal(dgram_at(s.batch, 0)->local.length, 0);
    assert_int_equal(dgram_reply(s.batch, 0, "y", 1), 0);
    assert_int_equal(dgram_flush(s.batch, s.server), 1);
    wait_for(s.client);
    assert_int_equal(recv(s.client, &got, 1, 0), 1);
    scene_close(&s);
}

/* An inherited socket may have more switched on than we did. */
static void other_control_messages_are_stepped_over(void **state)
{
    struct scene s = scene_open("0.0.0.0:0", "127.0.0.1:0");
    struct usher_address from = { .length = sizeof from.storage };
    char got;

    (void)state;
    set_int(s.server, SOL_SOCKET, SO_TIMESTAMP, 1);
    set_int(s.server, IPPROTO_IP, IP_RECVTTL, 1);
    set_int(s.server, IPPROTO_IP, IP_RECVTOS, 1);
    send_to(&s, "127.0.0.5", "x", 1);
    assert_int_equal(receive(&s, 1), 1);
    assert_addr(&dgram_at(s.batch, 0)->local, "127.0.0.5", addr_port(&s.at));
    assert_int_equal(dgram_reply(s.batch, 0, "y", 1), 0);
    assert_int_equal(dgram_flush(s.batch, s.server), 1);
    wait_for(s.client);
    assert_int_equal(
        recvfrom(s.client, &got, 1, 0, (struct sockaddr *)&from.storage, &from.length),
        1);
    assert_addr(&from, "127.0.0.5", addr_port(&s.at));
    scene_close(&s);
}

static int open_unix(const char *path)
{
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct usher_address at;
    struct err err = ERR_EMPTY;

    assert_int_not_equal(fd, -1);
    if (path == NULL)
        return fd;
    assert_int_equal(addr_parse_unix(path, &at, &err), 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at.storage, at.length), 0);
    return fd;
}

static void unix_peers_are_answered_by_their_names(void **state)
{
    char folder[] = "/tmp/test_dgramXXXXXX", path[64], abstract[64];
    const char *peers[3] = { path, abstract, NULL };

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/peer", folder);
    snprintf(abstract, sizeof abstract, "@%s", folder);
    for (int i = 0; i < 3; i++) {
        char server[64], got[8] = "", text[ADDR_TEXT], want[80];
        struct scene s = { .batch = dgram_new() };
        const struct dgram *dgram = dgram_at(s.batch, 0);

        snprintf(server, sizeof server, "%s/server", folder);
        s.server = open_unix(server);
        s.client = open_unix(peers[i]);
        s.at = name_of(s.server);
        assert_int_equal(connect(s.client, (struct sockaddr *)&s.at.storage, s.at.length),
                         0);
        assert_int_equal(send(s.client, "hello", 5, 0), 5);
        assert_int_equal(receive(&s, DGRAM_BATCH), 1);
        assert_int_equal(dgram->count, 5);
        assert_false(dgram->to_many);
        assert_true(addr_equal(&dgram->local, &s.at));
        if (peers[i] == NULL) {
            assert_int_equal(dgram->peer.length, 0);
            assert_int_equal(dgram_reply(s.batch, 0, "you", 3), -1);
        } else {
            snprintf(want, sizeof want, "unix:%s", peers[i]);
            assert_string_equal(addr_print(&dgram->peer, text, sizeof text), want);
            assert_int_equal(dgram_reply(s.batch, 0, "you", 3), 0);
            assert_int_equal(dgram_flush(s.batch, s.server), 1);
            assert_int_equal(recv(s.client, got, sizeof got, 0), 3);
            assert_string_equal(got, "you");
        }
        scene_close(&s);
        unlink(server);
        unlink(path);
    }
    rmdir(folder);
}

static void c10_descriptors_sent_by_a_peer_are_not_taken(void **state)
{
    struct scene s = { .batch = dgram_new() };
    char control[CMSG_SPACE(sizeof(int))] = "";
    struct iovec bytes = { .iov_base = control, .iov_len = 1 };
    struct msghdr msg = {.msg_iov = &bytes,
                         .msg_iovlen = 1,
                         .msg_control = control,
                         .msg_controllen = sizeof control};
    struct cmsghdr *head = CMSG_FIRSTHDR(&msg);
    int pair[2], before, zero = 0;

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair), 0);
    s.server = pair[0];
    s.client = pair[1];
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(head), &zero, sizeof zero);
    before = descriptors_count();
    for (int i = 0; i < 3; i++) {
        assert_int_equal(sendmsg(s.client, &msg, 0), 1);
        assert_int_equal(receive(&s, DGRAM_BATCH), 1);
        assert_int_equal(descriptors_count(), before);
    }
    scene_close(&s);
}

/* The same batch serves all sockets of a worker, whatever they are. */
static void one_batch_serves_different_sockets(void **state)
{
    struct scene a = scene_open("0.0.0.0:0", "127.0.0.1:0");
    struct scene b = scene_open("127.0.0.7:0", "127.0.0.1:0");
    int pair[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair), 0);
    for (int i = 0; i < 2; i++) {
        struct scene mixed = { .batch = a.batch, .server = pair[0] };

        send_to(&a, "127.0.0.5", "x", 1);
        assert_int_equal(receive(&a, DGRAM_BATCH), 1);
        assert_addr(&dgram_at(a.batch, 0)->local, "127.0.0.5", addr_port(&a.at));
        assert_int_equal(send(pair[1], "x", 1, 0), 1);
        assert_int_equal(receive(&mixed, DGRAM_BATCH), 1);
        assert_int_equal(dgram_at(a.batch, 0)->peer.length, 0);
        mixed.server = b.server;
        mixed.bound = b.bound;
        send_to(&b, "127.0.0.7", "x", 1);
        assert_int_equal(receive(&mixed, DGRAM_BATCH), 1);
        assert_addr(&dgram_at(a.batch, 0)->local, "127.0.0.7", addr_port(&b.at));
    }
    close(pair[0]);
    close(pair[1]);
    scene_close(&a);
    scene_close(&b);
}

static void a_descriptor_that_is_no_socket_is_an_error(void **state)
{
    struct dgram_batch *batch = dgram_new();
    struct usher_address bound = { .length = 0 };
    struct err err = ERR_EMPTY;
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    (void)state;
    assert_int_equal(dgram_receive(batch, fd, &bound, 1, &err), -1);
    assert_int_equal(err.code, ENOTSOCK);
    close(fd);
    dgram_free(&batch);
}

static void the_socket_is_asked_for_its_name_once(void **state)
{
    struct scene s = scene_open("127.0.0.1:0", "127.0.0.1:0");

    (void)state;
    send_to(&s, "127.0.0.1", "x", 1);
    assert_int_equal(receive(&s, DGRAM_BATCH), 1);
    assert_addr(&s.bound, "127.0.0.1", addr_port(&s.at));
    assert_addr(&dgram_at(s.batch, 0)->local, "127.0.0.1", addr_port(&s.at));

    addr_set_port(&s.bound, 7); /* whoever asked again would not believe it */
    send_to(&s, "127.0.0.1", "y", 1);
    assert_int_equal(receive(&s, DGRAM_BATCH), 1);
    assert_addr(&dgram_at(s.batch, 0)->local, "127.0.0.1", 7);
    scene_close(&s);
}

static size_t resident(const char *at, size_t count)
{
    static unsigned char pages[8192];
    size_t sum = 0;
    char *page = (char *)((uintptr_t)at & ~(uintptr_t)4095);

    assert_int_equal(mincore(page, count, pages), 0);
    for (size_t i = 0; i < count / 4096; i++)
        sum += pages[i] & 1;
    return sum;
}

static void untouched_slots_cost_nothing(void **state)
{
    struct scene s = scene_open("127.0.0.1:0", "127.0.0.1:0");
    static char bytes[60000];
    const char *first = dgram_at(s.batch, 0)->bytes;
    size_t all = (size_t)(dgram_at(s.batch, 63)->bytes - first) / 4096 * 4096;

    (void)state;
    assert_int_equal(resident(first, all), 0);
    send_to(&s, "127.0.0.1", "x", 1);
    assert_int_equal(receive(&s, DGRAM_BATCH), 1);
    assert_int_equal(resident(first, all), 1);
    for (int i = 0; i < 40; i++) {
        send_to(&s, "127.0.0.1", bytes, sizeof bytes);
        assert_int_equal(receive(&s, DGRAM_BATCH), 1);
    }
    assert_true(resident(first, all) > 10);
    assert_int_equal(dgram_receive(s.batch, s.server, &s.bound, DGRAM_BATCH, NULL), 0);
    assert_int_equal(resident(first, all), 0);
    scene_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a11_a_reply_leaves_from_where_it_was_asked),
        cmocka_unit_test(a7_a_burst_is_answered_whole),
        cmocka_unit_test(the_limit_is_kept_and_the_rest_stays),
        cmocka_unit_test(a10_all_lengths_come_back_whole),
        cmocka_unit_test(a10_what_is_cut_says_so),
        cmocka_unit_test(a_reply_may_be_a_part_of_its_request),
        cmocka_unit_test(a4_broadcast_and_multicast_are_noticed),
        cmocka_unit_test(a4_ipv4_to_many_is_noticed_on_an_ipv6_socket),
        cmocka_unit_test(a4_ipv6_multicast_is_noticed),
        cmocka_unit_test(a12_an_answer_nobody_wants_disturbs_nobody),
        cmocka_unit_test(a12_errors_of_earlier_replies_are_none_of_the_socket),
        cmocka_unit_test(a12_the_error_of_an_earlier_reply_costs_none),
        cmocka_unit_test(what_cannot_be_sent_is_dropped_alone),
        cmocka_unit_test(a_socket_without_packet_info_is_served),
        cmocka_unit_test(other_control_messages_are_stepped_over),
        cmocka_unit_test(unix_peers_are_answered_by_their_names),
        cmocka_unit_test(c10_descriptors_sent_by_a_peer_are_not_taken),
        cmocka_unit_test(one_batch_serves_different_sockets),
        cmocka_unit_test(a_descriptor_that_is_no_socket_is_an_error),
        cmocka_unit_test(the_socket_is_asked_for_its_name_once),
        cmocka_unit_test(untouched_slots_cost_nothing),
    };

    return cmocka_run_group_tests(tests, descriptors_at_start, descriptors_at_end);
}
