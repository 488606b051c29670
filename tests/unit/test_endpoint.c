#include "sock/endpoint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"

#define TEN       "0123456789"
#define HUNDRED   TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN
#define PROTOCOLS "tcp, tcp4, tcp6, udp, udp4, udp6, unix, unix-dgram, unix-seqpacket, fd"

static void endpoints_are_split(void **state)
{
    static const struct {
        const char *text;
        enum endpoint_kind kind;
        int family;
        const char *host, *port;
    } cases[] = {
        {"tcp://:7", ENDPOINT_TCP, AF_UNSPEC, "", "7"},
        {"tcp://*:0", ENDPOINT_TCP, AF_UNSPEC, "*", "0"},
        {"tcp4://127.0.0.1:65535", ENDPOINT_TCP, AF_INET, "127.0.0.1", "65535"},
        {"tcp6://[::1]:echo", ENDPOINT_TCP, AF_INET6, "::1", "echo"},
        {"tcp6://*:7", ENDPOINT_TCP, AF_INET6, "*", "7"},
        {"udp://[fe80::1%eth0]:7", ENDPOINT_UDP, AF_UNSPEC, "fe80::1%eth0", "7"},
        {"udp4://host.example:9p", ENDPOINT_UDP, AF_INET, "host.example", "9p"},
        {"udp6://my_host-2:ip-v6", ENDPOINT_UDP, AF_INET6, "my_host-2", "ip-v6"},
        {"unix:///run/x.sock", ENDPOINT_UNIX, AF_UNIX, "/run/x.sock", ""},
        {"unix:///a://b:c", ENDPOINT_UNIX, AF_UNIX, "/a://b:c", ""},
        {"unix://@name", ENDPOINT_UNIX, AF_UNIX, "@name", ""},
        {"unix-dgram:///x", ENDPOINT_UNIX_DGRAM, AF_UNIX, "/x", ""},
        {"unix-seqpacket://@x", ENDPOINT_UNIX_SEQPACKET, AF_UNIX, "@x", ""},
        {"unix:///" HUNDRED "123456", ENDPOINT_UNIX, AF_UNIX, "/" HUNDRED "123456", ""},
        {"unix://@" HUNDRED "1234567", ENDPOINT_UNIX, AF_UNIX, "@" HUNDRED "1234567", ""},
        {"fd://My_name-1.x", ENDPOINT_FD, AF_UNSPEC, "My_name-1.x", ""},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct endpoint_spec spec;
        struct err err = ERR_EMPTY;

        if (endpoint_split(cases[i].text, &spec, &err) == -1)
            fail_msg("%s", err.text);
        assert_int_equal(spec.kind, cases[i].kind);
        assert_int_equal(spec.family, cases[i].family);
        assert_string_equal(spec.host, cases[i].host);
        assert_string_equal(spec.port, cases[i].port);
    }
}

static void mistakes_are_named(void **state)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"", ": an endpoint is written PROTOCOL://..."},
        {"7", "7: an endpoint is written PROTOCOL://..."},
        {"tcp:7", "tcp:7: an endpoint is written PROTOCOL://..."},
        {"echo://x", "echo://x: the protocol is none of " PROTOCOLS},
        {"TCP://:7", "TCP://:7: the protocol is none of " PROTOCOLS},
        {"://:7", "://:7: the protocol is none of " PROTOCOLS},
        {"tcp://:70000", "70000 is above 65535"},
        {"tcp://:65536", "65536 is above 65535"},
        {"tcp://:99999999999999999999", "99999999999999999999 is above 65535"},
        {"tcp://:007", "007: a port has no leading zeros"},
        {"tcp://:00", "00: a port has no leading zeros"},
        {"tcp://:-1", "\"-1\" is neither a port nor the name of one"},
        {"tcp://:+1", "\"+1\" is neither a port nor the name of one"},
        {"tcp://: 7", "\" 7\" is neither a port nor the name of one"},
        {"tcp://:7 ", "\"7 \" is neither a port nor the name of one"},
        {"tcp://:ECHO", "\"ECHO\" is neither a port nor the name of one"},
        {"tcp://:", "tcp://:: the port is missing"},
        {"tcp://", "tcp://: the port is missing"},
        {"tcp://[::1]", "tcp://[::1]: the port is missing"},
        {"tcp://[::1]:", "tcp://[::1]:: the port is missing"},
        {"tcp://:" HUNDRED, "tcp://:" HUNDRED ": the port is too long"},
        {"tcp://::1:7", "tcp://::1:7: an IPv6 address is written [ADDRESS]:PORT"},
        {"tcp://[::1:7", "tcp://[::1:7: an IPv6 address is written [ADDRESS]:PORT"},
        {"tcp://[::1]7", "tcp://[::1]7: an IPv6 address is written [ADDRESS]:PORT"},
        {"tcp://[]:7", "tcp://[]:7: \"\" is not an IPv6 address"},
        {"tcp://[1.2.3.4]:7", "tcp://[1.2.3.4]:7: \"1.2.3.4\" is not an IPv6 address"},
        {"tcp://[fe80::1%]:7", "tcp://[fe80::1%]:7: \"fe80::1%\" is not an IPv6 address"},
        {"tcp4://[::1]:7", "tcp4://[::1]:7: an IPv6 address, and the protocol says IPv4"},
        {"tcp6://1.2.3.4:7",
         "tcp6://1.2.3.4:7: an IPv4 address, and the protocol says IPv6"},
        {"tcp://127.1:7", "tcp://127.1:7: \"127.1\" is not an IPv4 address"},
        {"tcp://1.2.3.256:7", "tcp://1.2.3.256:7: \"1.2.3.256\" is not an IPv4 address"},
        {"tcp://a b:7", "tcp://a b:7: \"a b\" is neither an address nor a name"},
        {"tcp://a..b:7", "tcp://a..b:7: \"a..b\" is neither an address nor a name"},
        {"tcp://-a:7", "tcp://-a:7: \"-a\" is neither an address nor a name"},
        {"tcp://**:7", "tcp://**:7: \"**\" is neither an address nor a name"},
        {"tcp://a/b:7", "tcp://a/b:7: \"a/b\" is neither an address nor a name"},
        {"tcp://:7\n", "an endpoint has no control characters"},
        {"unix://x", "unix://x: neither an absolute path nor @NAME"},
        {"unix://", "unix://: neither an absolute path nor @NAME"},
        {"unix:///", "unix:///: the name is missing"},
        {"unix://@", "unix://@: the name is missing"},
        {"unix:///" HUNDRED "1234567",
         "unix:///" HUNDRED "1234567: 108 bytes of path are above 107"},
        {"unix://@" HUNDRED "12345678",
         "unix://@" HUNDRED "12345678: 108 bytes of path are above 107"},
        {"fd://", "fd://: the name is missing"},
        {"fd://a/b", "fd://a/b: a name has letters, digits, \".\", \"_\" and \"-\""},
        {"fd://" HUNDRED HUNDRED HUNDRED, NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct endpoint_spec spec;
        struct err err = ERR_EMPTY;
        int result = endpoint_split(cases[i].text, &spec, &err);

        assert_int_equal(result, -1);
        if (cases[i].want != NULL)
            assert_string_equal(err.text, cases[i].want);
    }
}

static void hosts_have_a_longest(void **state)
{
    struct endpoint_spec spec;
    struct err err = ERR_EMPTY;
    char text[400] = "tcp://";

    (void)state;
    memset(text + 6, 'a', 255);
    memcpy(text + 6 + 255, ":7", 3);
    assert_int_equal(endpoint_split(text, &spec, &err), 0);
    assert_int_equal(strlen(spec.host), 255);
    memset(text + 6, 'a', 256);
    memcpy(text + 6 + 256, ":7", 3);
    assert_int_equal(endpoint_split(text, &spec, &err), -1);
}

static void kinds_have_names(void **state)
{
    static const struct {
        const char *name;
        enum endpoint_kind kind;
        bool is_stream;
    } cases[] = {
        {"tcp", ENDPOINT_TCP, true},
        {"udp", ENDPOINT_UDP, false},
        {"unix", ENDPOINT_UNIX, true},
        {"unix-dgram", ENDPOINT_UNIX_DGRAM, false},
        {"unix-seqpacket", ENDPOINT_UNIX_SEQPACKET, true},
        {"fd", ENDPOINT_FD, false},
    };
    enum endpoint_kind kind;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_string_equal(endpoint_kind_name(cases[i].kind), cases[i].name);
        assert_int_equal(endpoint_kind_parse(cases[i].name, &kind), 0);
        assert_int_equal(kind, cases[i].kind);
        assert_int_equal(endpoint_is_stream(kind), cases[i].is_stream);
    }
    assert_int_equal(endpoint_kind_parse("tcp4", &kind), -1);
    assert_int_equal(endpoint_kind_parse("", &kind), -1);
}

static struct endpoint make(enum endpoint_kind kind, const char *address)
{
    struct endpoint endpoint = { .kind = kind };
    struct err err = ERR_EMPTY;

    if (kind == ENDPOINT_FD)
        endpoint.name = mem_text(address);
    else if (kind == ENDPOINT_TCP || kind == ENDPOINT_UDP)
        assert_int_equal(addr_parse(address, &endpoint.addr, &err), 0);
    else
        assert_int_equal(addr_parse_unix(address, &endpoint.addr, &err), 0);
    return endpoint;
}

static void endpoints_are_printed_and_compared(void **state)
{
    static const struct {
        enum endpoint_kind kind;
        const char *address, *want;
    } cases[] = {
        {ENDPOINT_TCP, "127.0.0.1:7", "tcp://127.0.0.1:7"},
        {ENDPOINT_TCP, "127.0.0.1:9", "tcp://127.0.0.1:9"},
        {ENDPOINT_TCP, "[::1]:7", "tcp://[::1]:7"},
        {ENDPOINT_UDP, "127.0.0.1:7", "udp://127.0.0.1:7"},
        {ENDPOINT_UNIX, "/run/x", "unix:///run/x"},
        {ENDPOINT_UNIX, "@x", "unix://@x"},
        {ENDPOINT_UNIX_DGRAM, "/run/x", "unix-dgram:///run/x"},
        {ENDPOINT_UNIX_SEQPACKET, "/run/x", "unix-seqpacket:///run/x"},
        {ENDPOINT_FD, "x", "fd://x"},
        {ENDPOINT_FD, "y", "fd://y"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct endpoint a = make(cases[i].kind, cases[i].address);
        char text[ADDR_TEXT + 32];

        assert_string_equal(endpoint_print(&a, text, sizeof text), cases[i].want);
        for (size_t j = 0; j < ARRAY_LEN(cases); j++) {
            struct endpoint b = make(cases[j].kind, cases[j].address);

            assert_int_equal(endpoint_equal(&a, &b), i == j);
            endpoint_free(&b);
        }
        endpoint_free(&a);
        assert_null(a.name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(endpoints_are_split),
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(hosts_have_a_longest),
        cmocka_unit_test(kinds_have_names),
        cmocka_unit_test(endpoints_are_printed_and_compared),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
