#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <pwd.h>

#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define USHER_BUILTIN ident
#include "../../services/ident/ident.c"
#include "support/mock_host.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct ident_conf hidden = { REPLY_HIDDEN };
static const struct ident_conf by_uid = { REPLY_UID };
static const struct ident_conf by_name = { REPLY_NAME };

/* ---- lines --------------------------------------------------------------------- */

#define BAD    " : ERROR : INVALID-PORT\r\n"
#define HIDDEN " : ERROR : HIDDEN-USER\r\n"

static const struct {
    const char *in, *out;
} lines[] = {
    {"6193, 23\r\n", "6193 , 23" HIDDEN},
    {"6193,23\r\n", "6193 , 23" HIDDEN},
    {"6193,23\n", "6193 , 23" HIDDEN},
    {" \t6193 \t, \t23\t \r\n", "6193 , 23" HIDDEN},
    {"1,65535\r\n", "1 , 65535" HIDDEN},
    {"00022 , 00007\r\n", "22 , 7" HIDDEN},
    {"1,2\r\n3,4\r\n", "1 , 2" HIDDEN "3 , 4" HIDDEN},
    {"\r\n", "0 , 0" BAD},
    {",\r\n", "0 , 0" BAD},
    {"1\r\n", "1 , 0" BAD},
    {"1,\r\n", "1 , 0" BAD},
    {",1\r\n", "0 , 1" BAD},
    {"0,1\r\n", "0 , 1" BAD},
    {"1,0\r\n", "1 , 0" BAD},
    {"65536,1\r\n", "65536 , 1" BAD},
    {"1,65536\r\n", "1 , 65536" BAD},
    {"4294967297,1\r\n", "0 , 1" BAD}, /* 1, had it wrapped */
    {"18446744073709551617,1\r\n", "0 , 1" BAD},
    {"-1,1\r\n", "0 , 0" BAD},
    {"+1,1\r\n", "0 , 0" BAD},
    {"1.5,1\r\n", "1 , 0" BAD},
    {"0x16,1\r\n", "0 , 0" BAD},
    {"2 2,1\r\n", "2 , 0" BAD},
    {"22,1 x\r\n", "22 , 1" BAD},
    {"22,1,1\r\n", "22 , 1" BAD},
    {"\xef\xbc\x91,1\r\n", "0 , 0" BAD}, /* a full-width digit */
    {"root\r\n1,2\r\n", "0 , 0" BAD "1 , 2" HIDDEN},
    {"%n%s,1\r\n", "0 , 0" BAD}, /* E11 */
    {"1,2", ""},
    {"1,2\r", ""},
};

static void run_line(size_t i, size_t first, size_t second)
{
    const char *in = lines[i].in;
    size_t cuts[] = { 0, first, second, strlen(in) };
    struct mock mock;

    assert_int_equal(mock_start(&mock, &usher_service_ident, &hidden), 0);
    mock_connect(&mock);
    for (int part = 0; part < 3; part++)
        if (cuts[part] < cuts[part + 1])
            mock_send(&mock, in + cuts[part], cuts[part + 1] - cuts[part]);
    assert_false(mock_is_gone(&mock)); /* many queries, one connection */
    mock_finish(&mock);
    assert_int_equal(mock.reason, USHER_GONE_ENDED);
    assert_int_equal(mock.out.count, strlen(lines[i].out));
    if (mock.out.count > 0)
        assert_string_equal(mock.out.at, lines[i].out);
    mock_stop(&mock);
}

static void e4_lines_are_answered_in_every_split(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(lines); i++)
        for (size_t second = 0; second <= strlen(lines[i].in); second++)
            for (size_t first = 0; first <= second; first++)
                run_line(i, first, second);
}

static void nul_bytes_are_no_digits(void **state)
{
    struct mock mock;

    (void)state;
    assert_int_equal(mock_start(&mock, &usher_service_ident, &hidden), 0);
    mock_connect(&mock);
    mock_send(&mock, "1\0,2\r\n1,2\0\r\n", 12);
    assert_string_equal(mock.out.at, "1 , 0" BAD "1 , 2" BAD);
    mock_stop(&mock);
}

/* E2, E5: a line of up to 1000 bytes is answered; of a longer one nothing acts, wherever
 * the cut is. */
static void e5_the_tail_of_a_long_line_never_acts(void **state)
{
    static char bytes[65536 + 8];
    static const size_t sizes[] = { 996, 997, 998, 999, 1000, 1001, 4096, 65536 };
    struct mock mock;

    (void)state;
    assert_int_equal(mock_start(&mock, &usher_service_ident, &hidden), 0);
    for (size_t i = 0; i < COUNT(sizes); i++) {
        bool is_good = sizes[i] + 2 <= IDENT_LINE_MAX;

        for (size_t step = 1; step <= sizes[i] + 7;
             step += sizes[i] > 1001 ? 4099 : 333) {
            memset(bytes, ' ', sizes[i]);
            memcpy(bytes + sizes[i] - 3, "7,8", 3);
            memcpy(bytes + sizes[i], "\r\n1,2\r\n", 7);
            mock_connect(&mock);
            for (size_t at = 0; at < sizes[i] + 7 && !mock_is_gone(&mock); at += step)
                mock_send(&mock, bytes + at,
                          sizes[i] + 7 - at < step ? sizes[i] + 7 - at : step);
            assert_int_equal(mock_is_gone(&mock), !is_good);
            if (is_good)
                assert_string_equal(mock.out.at, "7 , 8" HIDDEN "1 , 2" HIDDEN);
            else
                assert_int_equal(mock.out.count, 0);
            mock_finish(&mock);
        }
    }
    mock_stop(&mock);
}

/* B7: the work of one turn is bounded, and no query is lost by that. */
static void b7_10000_queries_are_answered_a_few_at_a_time(void **state)
{
    char *bytes = malloc(10000 * 5);
    size_t turns = 0, seen = 0;
    struct mock mock;

    (void)state;
    for (size_t i = 0; i < 10000; i++)
        memcpy(bytes + i * 5, "1,2\r\n", 5);
    assert_int_equal(mock_start(&mock, &usher_service_ident, &hidden), 0);
    mock_connect(&mock);
    mock_send(&mock, bytes, 10000 * 5);
    mock_finish(&mock);
    for (; !mock_is_gone(&mock); turns++) {
        assert_true(mock.out.count - seen <= 64 * strlen("1 , 2" HIDDEN));
        seen = mock.out.count;
        mock_expire(&mock);
    }
    assert_int_equal(mock.out.count, 10000 * strlen("1 , 2" HIDDEN));
    assert_int_equal(turns, 10000 / QUERIES_A_TURN);
    assert_int_equal(mock.reason, USHER_GONE_ENDED);
    mock_stop(&mock);
    free(bytes);
}

static void a_slow_reader_gets_all_answers(void **state)
{
    struct mock mock;

    (void)state;
    assert_int_equal(mock_start(&mock, &usher_service_ident, &hidden), 0);
    mock_connect(&mock);
    mock.window = 100;
    for (int i = 0; i < 3000; i++)
        mock_send(&mock, "1,2\r\n", 5);
    mock_finish(&mock);
    while (!mock_is_gone(&mock)) {
        mock_read(&mock, 5000);
        if (mock.is_paused && mock.timer_ms >= 0)
            mock_expire(&mock);
    }
    assert_int_equal(mock.out.count, 3000 * strlen("1 , 2" HIDDEN));
    mock_stop(&mock);
}

/* E2: whatever a name has, the reply is one line of a bounded length. */
static void e2_e12_names_are_printable_and_capped(void **state)
{
    static char name[65537];
    const struct ident_query query = { true, 65535, 65535 };
    char reply[IDENT_REPLY_MAX + 1];
    size_t length;

    (void)state;
    length = ident_user(&query, "UNIX", "a\r\nb: c\x1b\x7f\xff%n", reply);
    assert_string_equal(reply, "65535 , 65535 : USERID : UNIX :abc%n\r\n");
    assert_int_equal(length, strlen(reply));
    for (size_t size = 0; size < sizeof(name); size = size * 2 + 1) {
        memset(name, 'n', size);
        name[size] = '\0';
        length = ident_user(&query, "OTHER", name, reply);
        assert_int_equal(length, strlen(reply));
        assert_int_equal(length, strlen("65535 , 65535 : USERID : OTHER :\r\n") +
                                     (size < IDENT_NAME_MAX ? size : IDENT_NAME_MAX));
    }
}

/* ---- owners -------------------------------------------------------------------- */

struct pair {
    int listener, client, server;
    struct usher_address here, there; /* the server's end and the client's */
};

static void ask_names(int fd, struct usher_address *own, struct usher_address *other)
{
    own->length = other->length = sizeof(own->storage);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&own->storage, &own->length), 0);
    assert_int_equal(getpeername(fd, (struct sockaddr *)&other->storage, &other->length),
                     0);
}

static socklen_t loopback(int family, struct sockaddr_storage *out)
{
    memset(out, 0, sizeof(*out));
    out->ss_family = (sa_family_t)family;
    if (family == AF_INET6) {
        ((struct sockaddr_in6 *)(void *)out)->sin6_addr = in6addr_loopback;
        return sizeof(struct sockaddr_in6);
    }
    ((struct sockaddr_in *)(void *)out)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return sizeof(struct sockaddr_in);
}

/* A connection over loopback; mapped: an IPv6 listener, called over IPv4. */
static bool connect_pair(struct pair *pair, int family, bool is_mapped)
{
    struct sockaddr_storage address;
    socklen_t length = loopback(family, &address);
    int off = 0;

    if (is_mapped)
        ((struct sockaddr_in6 *)(void *)&address)->sin6_addr = in6addr_any;
    pair->listener = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (pair->listener == -1)
        return false;
    if (is_mapped)
        setsockopt(pair->listener, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    if (bind(pair->listener, (struct sockaddr *)&address, length) == -1) {
        close(pair->listener);
        return false;
    }
    assert_int_equal(listen(pair->listener, 5), 0);
    assert_int_equal(getsockname(pair->listener, (struct sockaddr *)&address, &length),
                     0);
    if (is_mapped) {
        in_port_t port = ((struct sockaddr_in6 *)(void *)&address)->sin6_port;

        length = loopback(AF_INET, &address);
        ((struct sockaddr_in *)(void *)&address)->sin_port = port;
    }
    pair->client = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(pair->client, (struct sockaddr *)&address, length), 0);
    pair->server = accept4(pair->listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(pair->server != -1);
    ask_names(pair->server, &pair->here, &pair->there);
    return true;
}

static void close_pair(struct pair *pair)
{
    close(pair->listener);
    close(pair->client);
    close(pair->server);
}

static struct owner_desk desk;

static void expect_owner(const struct usher_address *here,
                         const struct usher_address *there, enum owner want)
{
    uid_t uid = (uid_t)-1;

    assert_int_equal(owner_find(&desk, here, there, &uid), want);
    if (want == OWNER_FOUND)
        assert_int_equal(uid, geteuid());
}

static int open_desk(void **state)
{
    (void)state;
    return owner_open(&desk);
}

static int close_desk(void **state)
{
    (void)state;
    owner_close(&desk);
    return 0;
}

static void owners_are_found_in_every_family(void **state)
{
    static const struct {
        int family;
        bool is_mapped;
    } cases[] = {{AF_INET, false}, {AF_INET6, false}, {AF_INET6, true}};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct pair pair;
        struct usher_address client, server;

        if (!connect_pair(&pair, cases[i].family, cases[i].is_mapped))
            continue; /* no IPv6 here */
        ask_names(pair.client, &client, &server);
        expect_owner(&pair.here, &pair.there, OWNER_FOUND);
        expect_owner(&pair.there, &pair.here, OWNER_FOUND); /* the client is here too */
        expect_owner(&client, &server, OWNER_FOUND); /* as IPv4, where it is mapped */
        expect_owner(&server, &client, OWNER_FOUND);
        expect_owner(&server, &server, OWNER_NONE);
        close_pair(&pair);
    }
}

/* The kernel would show the listener instead: it is not what was asked for. */
static void a_listener_is_no_connection(void **state)
{
    struct pair pair;
    struct usher_address there;

    (void)state;
    assert_true(connect_pair(&pair, AF_INET, false));
    there = pair.there;
    set_port(&there, 1);
    expect_owner(&pair.here, &there, OWNER_NONE);
    set_port(&there, 0);
    expect_owner(&pair.here, &there, OWNER_NONE);
    close_pair(&pair);
}

static void wait_for_end(int fd)
{
    struct pollfd one = { .fd = fd, .events = POLLIN };

    assert_int_equal(poll(&one, 1, 5000), 1);
}

/* What a process has let go of belongs to nobody, though the kernel says uid 0. */
static void what_nobody_holds_is_not_roots(void **state)
{
    struct pair pair;

    (void)state;
    assert_true(connect_pair(&pair, AF_INET, false));
    close(pair.server); /* FIN_WAIT2, no process */
    wait_for_end(pair.client);
    expect_owner(&pair.here, &pair.there, OWNER_NONE);
    expect_owner(&pair.there, &pair.here, OWNER_FOUND); /* CLOSE_WAIT, ours */
    close(pair.client);                                 /* TIME_WAIT */
    expect_owner(&pair.here, &pair.there, OWNER_NONE);
    expect_owner(&pair.there, &pair.here, OWNER_NONE);
    close(pair.listener);
}

static void odd_addresses_are_unknown(void **state)
{
    struct usher_address none = { 0 }, four = { 0 }, six = { 0 };

    (void)state;
    loopback(AF_INET, &four.storage);
    loopback(AF_INET6, &six.storage);
    expect_owner(&none, &none, OWNER_UNKNOWN);
    expect_owner(&four, &six, OWNER_UNKNOWN);
    expect_owner(&four, &none, OWNER_UNKNOWN);
    none.storage.ss_family = AF_UNIX;
    expect_owner(&none, &none, OWNER_UNKNOWN);
}

/* Answers of a shared socket would reach any of the children. */
static void a_child_asks_for_itself(void **state)
{
    struct pair pair;
    pid_t child;
    int status;

    (void)state;
    assert_true(connect_pair(&pair, AF_INET, false));
    child = fork();
    if (child == 0) {
        uid_t uid;
        bool is_good = owner_find(&desk, &pair.here, &pair.there, &uid) == OWNER_FOUND;

        _exit(is_good && desk.pid == getpid() ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    expect_owner(&pair.here, &pair.there, OWNER_FOUND);
    close_pair(&pair);
}

/* ---- the service --------------------------------------------------------------- */

static struct pair call;

static void host_local(const struct usher_conn *conn, struct usher_address *out)
{
    (void)conn;
    *out = call.here;
}

static void host_peer(const struct usher_conn *conn, struct usher_address *out)
{
    (void)conn;
    *out = call.there;
}

static unsigned port_of(const struct usher_address *address)
{
    return ntohs(((const struct sockaddr_in *)(const void *)&address->storage)->sin_port);
}

static void expect_reply(const struct ident_conf *conf, unsigned here, unsigned there,
                         const char *want)
{
    struct usher_host host;
    char line[64], full[128];
    struct mock mock;

    assert_int_equal(mock_start(&mock, &usher_service_ident, conf), 0);
    host = *mock.instance.host;
    host.local = host_local;
    host.peer = host_peer;
    mock.instance.host = &host;
    mock_connect(&mock);
    mock_send(&mock, line,
              (size_t)snprintf(line, sizeof(line), "%u,%u\r\n", here, there));
    snprintf(full, sizeof(full), "%u , %u : %s\r\n", here, there, want);
    assert_string_equal(mock.out.at, full);
    mock_stop(&mock);
}

/* As the service learns it: not every source of names can be listed. */
static const char *listed_name(uid_t uid)
{
    const struct passwd *who;

    setpwent();
    while ((who = getpwent()) != NULL && who->pw_uid != uid)
        ;
    return who != NULL ? who->pw_name : NULL;
}

static void replies_tell_what_the_row_says(void **state)
{
    const char *me = listed_name(geteuid());
    unsigned here, there;
    char want[64];

    (void)state;
    assert_true(connect_pair(&call, AF_INET, false));
    here = port_of(&call.here);
    there = port_of(&call.there);
    expect_reply(&hidden, here, there, "ERROR : HIDDEN-USER");
    expect_reply(&hidden, here, here, "ERROR : HIDDEN-USER");
    snprintf(want, sizeof(want), "USERID : OTHER :%u", (unsigned)geteuid());
    expect_reply(&by_uid, here, there, want);
    if (me != NULL)
        snprintf(want, sizeof(want), "USERID : UNIX :%s", me);
    expect_reply(&by_name, here, there, want);
    expect_reply(&by_name, 1, there, "ERROR : NO-USER");
    expect_reply(&by_name, here, 1, "ERROR : NO-USER");
    call.there.storage.ss_family = AF_UNIX;
    expect_reply(&by_name, here, there, "ERROR : UNKNOWN-ERROR");
    close_pair(&call);
}

static void an_owner_without_a_name_is_a_number(void **state)
{
    struct name all[] = {{1, (char *)(uintptr_t) "one"},
                           {7, (char *)(uintptr_t) "seven"},
                           {7, (char *)(uintptr_t) "septem"}};
    const struct names names = { .all = all, .count = 3 };

    (void)state;
    assert_string_equal(names_find(&names, 1), "one");
    assert_string_equal(names_find(&names, 7), "seven");
    assert_null(names_find(&names, 8));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(e4_lines_are_answered_in_every_split),
        cmocka_unit_test(nul_bytes_are_no_digits),
        cmocka_unit_test(e5_the_tail_of_a_long_line_never_acts),
        cmocka_unit_test(b7_10000_queries_are_answered_a_few_at_a_time),
        cmocka_unit_test(a_slow_reader_gets_all_answers),
        cmocka_unit_test(e2_e12_names_are_printable_and_capped),
        cmocka_unit_test_setup_teardown(owners_are_found_in_every_family, open_desk,
                                        close_desk),
        cmocka_unit_test_setup_teardown(a_listener_is_no_connection, open_desk,
                                        close_desk),
        cmocka_unit_test_setup_teardown(what_nobody_holds_is_not_roots, open_desk,
                                        close_desk),
        cmocka_unit_test_setup_teardown(odd_addresses_are_unknown, open_desk, close_desk),
        cmocka_unit_test_setup_teardown(a_child_asks_for_itself, open_desk, close_desk),
        cmocka_unit_test(replies_tell_what_the_row_says),
        cmocka_unit_test(an_owner_without_a_name_is_a_number),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
