/* Addresses: what is read, what is refused in which words, and that printing is its
 * mirror. */
#include "base/addr.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"

static struct usher_address parsed(const char *text)
{
    struct usher_address addr;
    struct err err = ERR_EMPTY;

    if (addr_parse(text, &addr, &err) == -1)
        fail_msg("%s", err.text);
    return addr;
}

static struct usher_address host(const char *text)
{
    struct usher_address addr;
    struct err err = ERR_EMPTY;

    if (addr_parse_host(text, &addr, &err) == -1)
        fail_msg("%s", err.text);
    return addr;
}

static struct usher_address unix_path(const char *path)
{
    struct usher_address addr;
    struct err err = ERR_EMPTY;

    if (addr_parse_unix(path, &addr, &err) == -1)
        fail_msg("%s", err.text);
    return addr;
}

/* As the kernel gives it to an IPv6 socket; no text of ours makes one. */
static struct usher_address mapped(uint8_t last, unsigned port)
{
    struct usher_address addr;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)(void *)&addr.storage;
    const uint8_t bytes[16] = {[10] = 0xff, 0xff, 127, 0, 0, last};

    memset(&addr, 0, sizeof addr);
    addr.length = sizeof *six;
    six->sin6_family = AF_INET6;
    six->sin6_port = htons((uint16_t)port);
    memcpy(&six->sin6_addr, bytes, sizeof bytes);
    return addr;
}

static const struct usher_address nothing;

static void hosts_are_read_and_printed(void **state)
{
    static const struct {
        const char *text, *want;
        int family;
    } cases[] = {
        {"127.0.0.1", "127.0.0.1", AF_INET},
        {"0.0.0.0", "0.0.0.0", AF_INET},
        {"255.255.255.255", "255.255.255.255", AF_INET},
        {"::1", "::1", AF_INET6},
        {"[::1]", "::1", AF_INET6},
        {"::", "::", AF_INET6},
        {"2001:DB8:0:0:0:0:0:1", "2001:db8::1", AF_INET6},
        {"fe80::1%lo", "fe80::1%lo", AF_INET6},
        {"[fe80::1%1]", "fe80::1%lo", AF_INET6},
        {"fe80::1%4000000000", "fe80::1%4000000000", AF_INET6},
        {"::ffff:10.1.2.3", "10.1.2.3", AF_INET},
        {"[::ffff:10.1.2.3]", "10.1.2.3", AF_INET},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct usher_address addr = host(cases[i].text);
        char out[ADDR_TEXT];

        assert_string_equal(addr_print_host(&addr, out, sizeof out), cases[i].want);
        assert_int_equal(addr.storage.ss_family, cases[i].family);
        assert_int_equal(addr.length, cases[i].family == AF_INET
                                          ? sizeof(struct sockaddr_in)
                                          : sizeof(struct sockaddr_in6));
        assert_int_equal(addr_port(&addr), 0);
    }
}

static void what_is_no_host_is_refused(void **state)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"", "\"\" is not an address"},
        {"localhost", "\"localhost\" is not an address"},
        {"127.1", "\"127.1\" is not an address"},
        {"127.0.0.256", "\"127.0.0.256\" is not an address"},
        {"127.0.0.01", "\"127.0.0.01\" is not an address"},
        {"0x7f.0.0.1", "\"0x7f.0.0.1\" is not an address"},
        {"[127.0.0.1]", "\"[127.0.0.1]\" is not an address"},
        {"[::1", "\"[::1\" is not an address"},
        {"[]", "\"[]\" is not an address"},
        {":::", "\":::\" is not an address"},
        {"::1 ", "\"::1 \" is not an address"},
        {"a\nb", "\"a\\x0ab\" is not an address"},
        {"fe80::1%", "\"fe80::1%\" names no interface of this machine"},
        {"fe80::1%nowhere0", "\"fe80::1%nowhere0\" names no interface of this machine"},
        {"fe80::1%4294967296",
         "\"fe80::1%4294967296\" names no interface of this machine"},
        {"1111111111111111111111111111111111111111111111111111111111111111111111111111",
         "\"1111111111111111111111111111111111111111111111111111111111111111111111111111"
         "\" "
         "is not an address"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct usher_address addr;
        struct err err = ERR_EMPTY;

        assert_int_equal(addr_parse_host(cases[i].text, &addr, &err), -1);
        assert_string_equal(err.text, cases[i].want);
    }
}

static void addresses_with_ports_are_read_and_printed(void **state)
{
    static const struct {
        const char *text, *want;
        unsigned port;
    } cases[] = {
        {"127.0.0.1:7", "127.0.0.1:7", 7},
        {"127.0.0.1:0", "127.0.0.1:0", 0},
        {"[::1]:65535", "[::1]:65535", 65535},
        {"[fe80::1%lo]:80", "[fe80::1%lo]:80", 80},
        {"[::ffff:10.0.0.1]:80", "10.0.0.1:80", 80},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct usher_address addr = parsed(cases[i].text), again;
        char out[ADDR_TEXT];

        assert_string_equal(addr_print(&addr, out, sizeof out), cases[i].want);
        assert_int_equal(addr_port(&addr), cases[i].port);
        again = parsed(out);
        assert_true(addr_equal(&addr, &again));
    }
}

static void what_is_no_address_with_a_port_is_refused(void **state)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"", "\"\" is not ADDRESS:PORT"},
        {"127.0.0.1", "\"127.0.0.1\" is not ADDRESS:PORT"},
        {":7", "\":7\" is not ADDRESS:PORT"},
        {"::1:7", "\"::1:7\" is not ADDRESS:PORT (write [ADDRESS]:PORT)"},
        {"127.0.0.1:", "\"\" is not a port"},
        {"127.0.0.1:65536", "\"65536\" is not a port"},
        {"127.0.0.1:-1", "\"-1\" is not a port"},
        {"127.0.0.1:07", "\"07\" is not a port"},
        {"127.0.0.1:echo", "\"echo\" is not a port"},
        {"localhost:7", "\"localhost\" is not an address"},
        {"[::1]", "\"[::1]\" is not ADDRESS:PORT"},
        {"[::1]x:7", "\"[::1]x:7\" is not ADDRESS:PORT"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct usher_address addr;
        struct err err = ERR_EMPTY;

        assert_int_equal(addr_parse(cases[i].text, &addr, &err), -1);
        assert_string_equal(err.text, cases[i].want);
    }
}

static void unix_names_are_read_and_printed(void **state)
{
    static const struct {
        const char *text, *want;
        size_t length; /* of sun_path as the kernel is told */
    } cases[] = {
        {"/run/x", "unix:/run/x", 7},
        {"@name", "unix:@name", 5},
        {"x", "unix:x", 2},
        {"/a\nb", "unix:/a\\x0ab", 5},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct usher_address addr = unix_path(cases[i].text);
        char out[ADDR_TEXT];

        assert_string_equal(addr_print(&addr, out, sizeof out), cases[i].want);
        assert_string_equal(addr_print_host(&addr, out, sizeof out), cases[i].want);
        assert_int_equal(addr.length,
                         offsetof(struct sockaddr_un, sun_path) + cases[i].length);
        assert_int_equal(addr_port(&addr), 0);
        addr_set_port(&addr, 7);
        assert_string_equal(addr_print(&addr, out, sizeof out), cases[i].want);
    }
}

static void unix_names_have_a_longest_and_a_shortest(void **state)
{
    struct usher_address addr;
    struct err err = ERR_EMPTY;
    char path[110], out[ADDR_TEXT];

    (void)state;
    memset(path, 'x', sizeof path - 1);
    path[107] = '\0';
    addr = unix_path(path);
    assert_int_equal(addr.length, sizeof(struct sockaddr_un));
    assert_memory_equal(addr_print(&addr, out, sizeof out), "unix:xxx", 8);
    assert_int_equal(strlen(out), 5 + 107);
    memset(path, 'x', 108);
    path[108] = '\0';
    assert_int_equal(addr_parse_unix(path, &addr, &err), -1);
    assert_string_equal(err.text, "a socket's path of 108 bytes is above 107");
    assert_int_equal(addr_parse_unix("", &addr, &err), -1);
    assert_string_equal(err.text, "\"\" is not a socket's path");
    assert_int_equal(addr_parse_unix("@", &addr, &err), -1);
    assert_string_equal(err.text, "\"@\" is not a socket's path");
}

static void the_longest_texts_fit(void **state)
{
    struct usher_address addr = unix_path("/x");
    struct sockaddr_un *un = (struct sockaddr_un *)(void *)&addr.storage;
    char out[ADDR_TEXT];

    (void)state;
    memset(un->sun_path, '\x01', sizeof un->sun_path); /* no NUL: the kernel allows it */
    addr.length = sizeof *un;
    addr_print(&addr, out, sizeof out);
    assert_true(strlen(out) < sizeof out);
    assert_string_equal(out + strlen(out) - 7, "\\x01...");
    addr = parsed("[1111:2222:3333:4444:5555:6666:7777:8888%4000000000]:65535");
    addr_print(&addr, out, sizeof out);
    assert_string_equal(out,
                        "[1111:2222:3333:4444:5555:6666:7777:8888%4000000000]:65535");
    addr_print(&addr, out, 10);
    assert_string_equal(out, "[1111:222");
}

static void odd_addresses_are_printed_too(void **state)
{
    struct usher_address addr = nothing;
    char out[ADDR_TEXT];

    (void)state;
    assert_string_equal(addr_print(&addr, out, sizeof out), "unix");
    addr.length = sizeof(sa_family_t);
    addr.storage.ss_family = AF_UNIX;
    assert_string_equal(addr_print(&addr, out, sizeof out), "unix");
    addr.storage.ss_family = AF_NETLINK;
    assert_string_equal(addr_print(&addr, out, sizeof out), "family-16");
    assert_int_equal(addr_port(&addr), 0);
}

static void v4_mapped_is_ipv4_everywhere(void **state)
{
    struct usher_address six = mapped(1, 7), four = parsed("127.0.0.1:7");
    char out[ADDR_TEXT];

    (void)state;
    assert_string_equal(addr_print(&six, out, sizeof out), "127.0.0.1:7");
    assert_string_equal(addr_print_host(&six, out, sizeof out), "127.0.0.1");
    assert_true(addr_equal(&six, &four));
    assert_true(addr_same_host(&four, &six));
    assert_true(addr_is_loopback(&six));
    addr_normalize(&six);
    assert_int_equal(six.length, four.length);
    assert_memory_equal(&six.storage, &four.storage, sizeof(struct sockaddr_in));
    addr_normalize(&six);
    assert_int_equal(addr_port(&six), 7);
}

static void addresses_are_compared(void **state)
{
    static const struct {
        const char *a, *b;
        bool equal, same_host;
    } cases[] = {
        {"127.0.0.1:7", "127.0.0.1:7", true, true},
        {"127.0.0.1:7", "127.0.0.1:8", false, true},
        {"127.0.0.1:7", "127.0.0.2:7", false, false},
        {"[::1]:7", "[::1]:7", true, true},
        {"[::1]:7", "[::2]:7", false, false},
        {"[::1]:7", "127.0.0.1:7", false, false},
        {"[fe80::1%1]:7", "[fe80::1%2]:7", false, false},
        {"[fe80::1%1]:7", "[fe80::1%1]:9", false, true},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct usher_address a = parsed(cases[i].a), b = parsed(cases[i].b);

        assert_int_equal(addr_equal(&a, &b), cases[i].equal);
        assert_int_equal(addr_equal(&b, &a), cases[i].equal);
        assert_int_equal(addr_same_host(&a, &b), cases[i].same_host);
    }
}

static void unix_addresses_are_compared_by_name(void **state)
{
    struct usher_address a = unix_path("/a"), b = unix_path("/b"),
                         named = unix_path("@a"), longer = unix_path("@ab"),
                         four = parsed("127.0.0.1:7"), again = unix_path("/a");

    (void)state;
    again.length = sizeof(struct sockaddr_un); /* as some kernels' answers: NULs behind */
    assert_true(addr_equal(&a, &again));
    assert_false(addr_equal(&a, &b));
    assert_false(addr_equal(&a, &named));
    assert_false(addr_equal(&named, &longer));
    assert_true(addr_same_host(&a, &b));
    assert_false(addr_same_host(&a, &four));
    assert_true(addr_equal(&nothing, &nothing));
    assert_false(addr_equal(&nothing, &a));
}

static void kinds_of_addresses_are_known(void **state)
{
    static const struct {
        const char *text;
        bool any, loopback, multicast;
    } cases[] = {
        {"0.0.0.0", true, false, false},
        {"::", true, false, false},
        {"127.0.0.1", false, true, false},
        {"127.255.255.255", false, true, false},
        {"126.255.255.255", false, false, false},
        {"128.0.0.0", false, false, false},
        {"::1", false, true, false},
        {"::2", false, false, false},
        {"223.255.255.255", false, false, false},
        {"224.0.0.0", false, false, true},
        {"239.255.255.255", false, false, true},
        {"240.0.0.0", false, false, false},
        {"255.255.255.255", false, false, true},
        {"255.255.255.254", false, false, false},
        {"ff02::1", false, false, true},
        {"fe80::1", false, false, false},
        {"0.0.0.1", false, false, false},
    };
    struct usher_address path = unix_path("/x"), any = mapped(1, 7);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct usher_address addr = host(cases[i].text);

        assert_int_equal(addr_is_any(&addr), cases[i].any);
        assert_int_equal(addr_is_loopback(&addr), cases[i].loopback);
        assert_int_equal(addr_is_multicast(&addr), cases[i].multicast);
    }
    assert_true(addr_is_loopback(&path));
    assert_false(addr_is_any(&path));
    assert_false(addr_is_multicast(&path));
    assert_false(addr_is_any(&any));
    assert_false(addr_is_loopback(&nothing));
}

static void logs_show_as_much_as_they_may(void **state)
{
    static const struct {
        const char *text, *prefix;
    } cases[] = {
        {"192.0.2.77:4000", "192.0.2.0/24"},
        {"[2001:db8:1:2:3:4:5:6]:80", "2001:db8:1::/48"},
        {"[fe80::1%lo]:80", "fe80::/48"},
    };
    struct usher_address path = unix_path("@x"), six = mapped(9, 7);
    char out[ADDR_TEXT];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct usher_address addr = parsed(cases[i].text);

        addr_set_privacy(ADDR_FULL);
        assert_string_equal(addr_print_log(&addr, out, sizeof out), cases[i].text);
        addr_set_privacy(ADDR_PREFIX);
        assert_string_equal(addr_print_log(&addr, out, sizeof out), cases[i].prefix);
        addr_set_privacy(ADDR_NONE);
        assert_string_equal(addr_print_log(&addr, out, sizeof out), "-");
    }
    addr_set_privacy(ADDR_PREFIX);
    assert_string_equal(addr_print_log(&path, out, sizeof out), "unix:@x");
    assert_string_equal(addr_print_log(&six, out, sizeof out), "127.0.0.0/24");
    addr_set_privacy(ADDR_FULL);
}

static void every_printed_address_is_read_again(void **state)
{
    uint32_t random = 4711;

    (void)state;
    for (int i = 0; i < 10000; i++) {
        struct usher_address addr = host(i % 2 == 0 ? "0.0.0.0" : "::"), again;
        struct sockaddr_in *four = (struct sockaddr_in *)(void *)&addr.storage;
        struct sockaddr_in6 *six = (struct sockaddr_in6 *)(void *)&addr.storage;
        uint8_t *bytes = i % 2 == 0 ? (uint8_t *)&four->sin_addr : six->sin6_addr.s6_addr;
        char out[ADDR_TEXT];

        for (size_t n = 0; n < (i % 2 == 0 ? 4 : 16); n++) {
            random = random * 1664525u + 1013904223u;
            bytes[n] = (random & 0x10000000) != 0 ? (uint8_t)(random >> 16) : 0;
        }
        addr_set_port(&addr, random >> 16);
        again = parsed(addr_print(&addr, out, sizeof out));
        assert_true(addr_equal(&addr, &again));
        again = host(addr_print_host(&addr, out, sizeof out));
        assert_true(addr_same_host(&addr, &again));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hosts_are_read_and_printed),
        cmocka_unit_test(what_is_no_host_is_refused),
        cmocka_unit_test(addresses_with_ports_are_read_and_printed),
        cmocka_unit_test(what_is_no_address_with_a_port_is_refused),
        cmocka_unit_test(unix_names_are_read_and_printed),
        cmocka_unit_test(unix_names_have_a_longest_and_a_shortest),
        cmocka_unit_test(the_longest_texts_fit),
        cmocka_unit_test(odd_addresses_are_printed_too),
        cmocka_unit_test(v4_mapped_is_ipv4_everywhere),
        cmocka_unit_test(addresses_are_compared),
        cmocka_unit_test(unix_addresses_are_compared_by_name),
        cmocka_unit_test(kinds_of_addresses_are_known),
        cmocka_unit_test(logs_show_as_much_as_they_may),
        cmocka_unit_test(every_printed_address_is_read_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
