/* Who may come in: the tree against a reference that tries one rule after the other. */
#include "flow/access.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "support/slow.h"

#include "base/addr.h"
#include "base/mem.h"
#include "conf/admission.h"

#define NONE ((struct usher_list){0, NULL})
#define LIST(...)                                                                        \
    ((struct usher_list){sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *),    \
                         (const char *const[]){__VA_ARGS__}})

static struct access *make(struct usher_list allow, struct usher_list deny)
{
    struct access *access;
    struct err err = ERR_EMPTY;

    if (access_new(&allow, &deny, &access, &err) == -1)
        fail_msg("%s", err.text);
    return access;
}

static struct peer peer_of(const char *text)
{
    struct usher_address addr;
    struct peer peer;

    assert_int_equal(addr_parse_host(text, &addr, NULL), 0);
    peer_set(&peer, &addr.storage, addr.length);
    return peer;
}

static bool asks(const struct access *access, const char *text, const char **rule_out)
{
    struct peer peer = peer_of(text);
    struct access_caller caller = { .peer = &peer };

    return access_allows(access, &caller, rule_out);
}

/* ---- what the manual says -------------------------------------------------------- */

static void without_rules_everybody_may(void **state)
{
    struct access *access = make(NONE, NONE);
    struct peer nobody = { .kind = PEER_NONE };
    const char *rule;

    (void)state;
    assert_null(access);
    assert_true(asks(access, "192.0.2.1", &rule));
    assert_string_equal(rule, "no rule: allowed");
    assert_true(access_allows(access, &(struct access_caller){ .peer = &nobody }, NULL));
    assert_false(access_wants_ids(access));
    assert_false(access_wants_local(access));
    assert_int_equal(access_steps(access, &nobody), 0);
    access_free(&access);
}

struct answer {
    const char *peer;
    bool may;
    const char *rule;
};

static void check_answers(struct access *access, const struct answer *answers,
                          size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *rule;

        assert_int_equal(asks(access, answers[i].peer, &rule), answers[i].may);
        assert_string_equal(rule, answers[i].rule);
    }
    access_free(&access);
    assert_null(access);
}

static void the_longest_prefix_decides_and_says_which_it_was(void **state)
{
    static const struct answer answers[] = {
        {"10.1.2.3", true, "allow 10.0.0.0/8"},
        {"10.9.0.1", false, "deny 10.9.0.0/16"},
        {"10.9.9.9", true, "allow 10.9.9.9"},
        {"::ffff:10.9.0.1", false, "deny 10.9.0.0/16"},
        {"11.0.0.1", false, "not in allow: denied"},
        {"2001:db8::7", true, "allow 2001:db8::/32"},
        {"2001:db8:1::7", false, "deny 2001:db8:1::/48"},
        {"fe80::1", true, "allow fe80::/10"},
    };

    (void)state;
    check_answers(make(LIST("10.0.0.0/8", "10.9.9.9", "2001:db8::/32", "fe80::/10"),
                       LIST("10.9.0.0/16", "2001:db8:1::/48")),
                  answers, ARRAY_LEN(answers));
}

static void a_tie_denies(void **state)
{
    static const struct answer answers[] = {
        {"10.1.2.3", false, "deny 10.0.0.0/8"},
        {"192.0.2.1", false, "deny 192.0.2.1"},
        {"192.0.2.2", false, "deny all"},
        {"::5", false, "deny all"},
    };

    (void)state;
    check_answers(make(LIST("10.0.0.0/8", "192.0.2.1", "all"),
                       LIST("all", "::ffff:192.0.2.1", "10.0.0.0/8")),
                  answers, ARRAY_LEN(answers));
}

static void without_allow_the_rest_may(void **state)
{
    static const struct answer answers[] = {
        {"10.1.2.3", false, "deny 10.0.0.0/8"},
        {"11.1.2.3", true, "no rule: allowed"},
        {"::1", true, "no rule: allowed"},
    };

    (void)state;
    check_answers(make(NONE, LIST("10.0.0.0/8")), answers, ARRAY_LEN(answers));
}

static void everybody_is_the_shortest_prefix_of_all(void **state)
{
    static const struct answer answers[] = {
        {"10.1.2.3", true, "allow all"},
        {"10.0.0.1", false, "deny 10.0.0.0/24"},
        {"2001:db8::1", false, "deny ::/0"},
    };

    (void)state;
    check_answers(make(LIST("all"), LIST("10.0.0.0/24", "::/0")), answers,
                  ARRAY_LEN(answers));
}

/* A prefix that was a fork of the tree before it was a rule. */
static void a_rule_that_comes_late_has_its_own_bits(void **state)
{
    static const struct answer answers[] = {
        {"10.3.0.1", false, "deny 10.0.0.0/8"},
        {"10.1.0.1", true, "allow 10.1.0.0/16"},
        {"2001:db8:3::", false, "deny 2001:db8::/32"},
    };

    (void)state;
    check_answers(make(LIST("10.1.0.0/16", "10.200.0.0/16", "2001:db8:1::/48",
                            "2001:db8:8000::/48"),
                       LIST("10.0.0.0/8", "2001:db8::/32")),
                  answers, ARRAY_LEN(answers));
}

static void the_scope_of_an_address_plays_no_part(void **state)
{
    struct access *access = make(LIST("fe80::1"), NONE);
    struct peer peer = peer_of("fe80::1");

    (void)state;
    peer.scope = 7;
    peer.port = 99;
    assert_true(access_allows(access, &(struct access_caller){ .peer = &peer }, NULL));
    access_free(&access);
}

static void lists_that_are_wrong_make_no_rules(void **state)
{
    struct usher_list none = NONE, bad = LIST("10.0.0.0/8", "10.0.0.1/8");
    struct access *access;
    struct err err = ERR_EMPTY;

    (void)state;
    assert_int_equal(access_new(&none, &bad, &access, &err), -1);
    assert_null(access);
    assert_string_equal(err.text,
                        "deny: \"10.0.0.1/8\" has bits behind its prefix; the network "
                        "is \"10.0.0.0/8\"");
    assert_int_equal(access_new(&bad, &none, &access, &err), -1);
    assert_non_null(strstr(err.text, "allow: "));
}

/* ---- local callers, users, groups ------------------------------------------------ */

static bool asks_at(const struct access *access, const char *from, const char *at,
                    const char **rule_out)
{
    struct usher_address local = { 0 };
    struct peer peer = peer_of(from);
    struct access_caller caller = { .peer = &peer, .local = at != NULL ? &local : NULL };

    if (at != NULL)
        assert_int_equal(addr_parse_host(at, &local, NULL), 0);
    return access_allows(access, &caller, rule_out);
}

static void local_callers_are_those_of_this_machine(void **state)
{
    static const struct {
        const char *from, *at;
        bool is_local;
    } table[] = {
        {"127.0.0.1", "127.0.0.1", true},
        {"127.9.9.9", "192.0.2.1", true},
        {"127.0.0.1", NULL, true},
        {"::1", "::1", true},
        {"::ffff:127.0.0.1", "::1", true},
        {"192.0.2.1", "192.0.2.1", true},
        {"192.0.2.1", "::ffff:192.0.2.1", true},
        {"2001:db8::1", "2001:db8::1", true},
        {"192.0.2.2", "192.0.2.1", false},
        {"2001:db8::2", "2001:db8::1", false},
        {"192.0.2.1", "2001:db8::1", false},
        {"126.255.255.255", "127.0.0.1", false},
        {"128.0.0.1", "127.0.0.1", false},
        {"::2", "::1", false},
    };
    struct access *allow = make(LIST("local"), NONE), *deny = make(NONE, LIST("local"));

    (void)state;
    assert_true(access_wants_local(allow));
    assert_true(access_wants_local(deny));
    assert_false(access_wants_ids(deny));
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        const char *rule;

        assert_int_equal(asks_at(allow, table[i].from, table[i].at, &rule),
                         table[i].is_local);
        assert_string_equal(rule,
                            table[i].is_local ? "allow local" : "not in allow: denied");
        assert_int_equal(asks_at(deny, table[i].from, table[i].at, &rule),
                         !table[i].is_local);
        assert_string_equal(rule, table[i].is_local ? "deny local" : "no rule: allowed");
    }
    access_free(&allow);
    access_free(&deny);
}

/* What cannot be known is never what lets somebody in. */
static void an_unknown_local_address_lets_nobody_in(void **state)
{
    struct access *allow = make(LIST("local"), NONE), *deny = make(NONE, LIST("local"));

    (void)state;
    assert_false(asks_at(allow, "192.0.2.1", NULL, NULL));
    assert_false(asks_at(deny, "192.0.2.1", NULL, NULL));
    access_free(&allow);
    access_free(&deny);
}

static void local_is_as_long_as_an_address(void **state)
{
    struct access *access = make(LIST("local"), LIST("127.0.0.0/8", "127.0.0.5", "all"));
    const char *rule;

    (void)state;
    assert_true(asks_at(access, "127.0.0.1", NULL, &rule));
    assert_string_equal(rule, "allow local");
    assert_false(asks_at(access, "127.0.0.5", NULL, &rule));
    assert_string_equal(rule, "deny 127.0.0.5");
    access_free(&access);
    access = make(LIST("127.0.0.5", "all"), LIST("local"));
    assert_false(asks_at(access, "127.0.0.5", NULL, &rule));
    assert_string_equal(rule, "deny local");
    access_free(&access);
}

static bool asks_as(const struct access *access, uid_t uid, gid_t gid,
                    const char **rule_out)
{
    struct peer peer = { .kind = PEER_UNIX };
    struct access_caller caller = {
        .peer = &peer, .has_ids = true, .uid = uid, .gid = gid};

    return access_allows(access, &caller, rule_out);
}

static void unix_callers_go_by_user_and_group(void **state)
{
    struct access *access =
        make(LIST("uid:1000", "uid:5", "gid:50"), LIST("uid:1001", "gid:99"));
    const char *rule;

    (void)state;
    assert_true(access_wants_ids(access));
    assert_true(asks_as(access, 1000, 1000, &rule));
    assert_string_equal(rule, "allow uid:1000");
    assert_true(asks_as(access, 7, 50, &rule));
    assert_string_equal(rule, "allow gid:50");
    assert_false(asks_as(access, 1001, 50, &rule));
    assert_string_equal(rule, "deny uid:1001");
    assert_false(asks_as(access, 1000, 99, &rule));
    assert_string_equal(rule, "deny gid:99");
    assert_false(asks_as(access, 7, 7, &rule));
    assert_string_equal(rule, "not in allow: denied");
    assert_false(asks(access, "127.0.0.1", &rule));
    assert_string_equal(rule, "not in allow: denied");
    access_free(&access);
}

static void unix_callers_are_local_and_no_network_takes_them_in(void **state)
{
    struct access *local = make(LIST("local"), NONE),
                  *nets = make(LIST("0.0.0.0/0", "::/0"), NONE),
                  *all = make(LIST("all"), LIST("uid:3"));
    const char *rule;

    (void)state;
    assert_true(asks_as(local, 1, 1, NULL));
    assert_false(asks_as(nets, 1, 1, NULL));
    assert_true(asks_as(all, 1, 1, &rule));
    assert_string_equal(rule, "allow all");
    assert_false(asks_as(all, 3, 1, NULL));
    access_free(&local);
    access_free(&nets);
    access_free(&all);
}

/* D1: a look-up that failed never lets anybody in. */
static void d1_a_caller_of_whom_nothing_is_known_is_denied(void **state)
{
    struct access *deny = make(NONE, LIST("uid:3")),
                  *allow = make(LIST("uid:0", "all"), NONE),
                  *net = make(NONE, LIST("10.0.0.0/8"));
    struct peer peer = { .kind = PEER_UNIX }, nobody = { .kind = PEER_NONE };
    struct access_caller caller = { .peer = &peer }, ghost = { .peer = &nobody };
    const char *rule;

    (void)state;
    assert_false(access_allows(deny, &caller, &rule));
    assert_string_equal(rule, "the caller's user is not known: denied");
    assert_true(access_allows(allow, &caller, &rule));
    assert_string_equal(rule, "allow all");
    assert_true(access_allows(net, &caller, NULL));
    assert_false(access_allows(net, &ghost, &rule));
    assert_string_equal(rule, "the caller's address is not known: denied");
    access_free(&deny);
    access_free(&allow);
    access_free(&net);
}

/* ---- the reference --------------------------------------------------------------- */

static uint64_t seed;

static unsigned draw(unsigned below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(seed >> 33) % below;
}

#define RULES 12

/* A rule as the reference has it: everything is 128 bits long. */
struct naive {
    unsigned char ip[16];
    unsigned prefix; /* of the 128: IPv4 has 96 more */
    bool is_ipv4, denies;
    char text[64];
};

static bool naive_bit(const unsigned char *ip, unsigned number)
{
    return (ip[number / 8] >> (7 - number % 8)) & 1;
}

/* Few different bytes, so that rules and addresses meet. */
static void draw_ip(unsigned char ip[16], bool is_ipv4)
{
    static const unsigned char bytes[] = { 0, 0, 1, 2, 10, 127, 128, 192, 254, 255 };

    for (unsigned i = 0; i < 16; i++)
        ip[i] = bytes[draw(sizeof(bytes))];
    if (is_ipv4) {
        memset(ip, 0, 10);
        ip[10] = ip[11] = 0xff;
    } else {
        ip[0] = draw(2) == 0 ? 0x20 : 0xfe;
    }
}

static void draw_rule(struct naive *rule)
{
    char host[INET6_ADDRSTRLEN];
    bool is_mapped = draw(4) == 0;

    rule->is_ipv4 = draw(2) == 0;
    rule->denies = draw(2) == 0;
    draw_ip(rule->ip, rule->is_ipv4);
    rule->prefix = rule->is_ipv4 ? 96 + draw(33) : draw(129);
    for (unsigned i = rule->prefix; i < 128; i++)
        rule->ip[i / 8] &= (unsigned char)~(0x80u >> i % 8);
    if (rule->is_ipv4 && !is_mapped) {
        inet_ntop(AF_INET, rule->ip + 12, host, sizeof(host));
        snprintf(rule->text, sizeof(rule->text), "%s/%u", host, rule->prefix - 96);
    } else {
        inet_ntop(AF_INET6, rule->ip, host, sizeof(host));
        snprintf(rule->text, sizeof(rule->text), "%s/%u", host, rule->prefix);
    }
}

static bool naive_matches(const struct naive *rule, const unsigned char ip[16],
                          bool is_ipv4)
{
    if (rule->is_ipv4 != is_ipv4)
        return false;
    for (unsigned i = 0; i < rule->prefix; i++)
        if (naive_bit(rule->ip, i) != naive_bit(ip, i))
            return false;
    return true;
}

static bool naive_allows(const struct naive *rules, size_t count,
                         const unsigned char ip[16], bool is_ipv4)
{
    int longest = -1;
    bool has_allow = false, verdict = false;

    for (size_t i = 0; i < count; i++) {
        const struct naive *rule = &rules[i];

        has_allow = has_allow || !rule->denies;
        if (!naive_matches(rule, ip, is_ipv4) || (int)rule->prefix < longest)
            continue;
        verdict = !rule->denies && ((int)rule->prefix > longest || verdict);
        longest = (int)rule->prefix;
    }
    return longest == -1 ? !has_allow : verdict;
}

static struct access *make_from(const struct naive *rules, size_t count)
{
    const char **allow = mem_array(count, sizeof(*allow));
    const char **deny = mem_array(count, sizeof(*deny));
    struct usher_list allows = { 0, allow }, denies = { 0, deny };
    struct access *access;

    for (size_t i = 0; i < count; i++)
        if (rules[i].denies)
            deny[denies.count++] = rules[i].text;
        else
            allow[allows.count++] = rules[i].text;
    access = make(allows, denies);
    mem_free(&allow);
    mem_free(&deny);
    return access;
}

/* The peer of an address; IPv4 comes either way. */
static struct peer draw_peer(const unsigned char ip[16], bool is_ipv4)
{
    struct sockaddr_storage storage = { 0 };
    struct peer peer;

    if (is_ipv4 && draw(2) == 0) {
        struct sockaddr_in *in4 = (struct sockaddr_in *)&storage;

        in4->sin_family = AF_INET;
        memcpy(&in4->sin_addr, ip + 12, 4);
        peer_set(&peer, &storage, sizeof(*in4));
    } else {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&storage;

        in6->sin6_family = AF_INET6;
        in6->sin6_scope_id = draw(3);
        memcpy(&in6->sin6_addr, ip, 16);
        peer_set(&peer, &storage, sizeof(*in6));
    }
    return peer;
}

static bool tree_allows(const struct access *access, const unsigned char ip[16],
                        bool is_ipv4)
{
    struct peer peer = draw_peer(ip, is_ipv4);

    return access_allows(access, &(struct access_caller){ .peer = &peer }, NULL);
}

/* An address of nobody, or one that a rule means: the last of its network, or the one
 * after it. */
static void draw_target(unsigned char ip[16], const struct naive *rules, size_t count,
                        bool *is_ipv4)
{
    const struct naive *rule = &rules[draw((unsigned)count)];

    *is_ipv4 = rule->is_ipv4;
    draw_ip(ip, *is_ipv4);
    if (draw(3) == 0)
        return;
    for (unsigned i = 0; i < rule->prefix; i++) {
        ip[i / 8] &= (unsigned char)~(0x80u >> i % 8);
        ip[i / 8] |= (unsigned char)(rule->ip[i / 8] & (0x80u >> i % 8));
    }
    if (rule->prefix > (rule->is_ipv4 ? 96u : 0u) && draw(3) == 0)
        ip[(rule->prefix - 1) / 8] ^= (unsigned char)(0x80u >> (rule->prefix - 1) % 8);
    /* A bit of IPv6 that was turned may have made IPv4 of it. */
    *is_ipv4 = IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)(const void *)ip);
}

static void d3_ten_thousand_random_tables_say_what_the_reference_says(void **state)
{
    unsigned answers[2] = { 0, 0 };

    (void)state;
    seed = 3;
    for (unsigned i = 0; i < slow_count(10000); i++) {
        uint64_t began = seed;
        struct naive rules[RULES];
        size_t count = 1 + draw(RULES);
        struct access *access;

        for (size_t j = 0; j < count; j++)
            draw_rule(&rules[j]);
        access = make_from(rules, count);
        for (unsigned j = 0; j < 8; j++) {
            _Alignas(16) unsigned char ip[16];
            bool is_ipv4, want;

            draw_target(ip, rules, count, &is_ipv4);
            want = naive_allows(rules, count, ip, is_ipv4);
            answers[want]++;
            if (tree_allows(access, ip, is_ipv4) != want)
                fail_msg("table %u, address %u, seed %llu", i, j,
                         (unsigned long long)began);
        }
        access_free(&access);
    }
    /* Both answers come often, or the draw is no test. */
    assert_true(answers[false] > slow_count(10000) && answers[true] > slow_count(10000));
}

/* Trees that are large enough for an index: IPv4 and IPv6, prefixes before and behind
 * it. */
static void d3_a_large_table_says_what_the_reference_says(void **state)
{
    const unsigned many = slow_count(4000);
    struct naive *rules = mem_array(many, sizeof(*rules));
    unsigned answers[2] = { 0, 0 };
    struct access *access;

    (void)state;
    seed = 33;
    for (size_t i = 0; i < many; i++)
        draw_rule(&rules[i]);
    access = make_from(rules, many);
    for (unsigned i = 0; i < 10000; i++) {
        _Alignas(16) unsigned char ip[16];
        bool is_ipv4, want;

        draw_target(ip, rules, many, &is_ipv4);
        want = naive_allows(rules, many, ip, is_ipv4);
        answers[want]++;
        if (tree_allows(access, ip, is_ipv4) != want)
            fail_msg("address %u", i);
    }
    assert_true(answers[false] > 1000 && answers[true] > 1000);
    access_free(&access);
    mem_free(&rules);
}

static void d9_one_more_deny_never_lets_more_in(void **state)
{
    (void)state;
    seed = 9;
    for (unsigned i = 0; i < 2000; i++) {
        struct naive rules[RULES];
        size_t count = 1 + draw(RULES - 1);
        struct access *before, *after;

        for (size_t j = 0; j <= count; j++)
            draw_rule(&rules[j]);
        rules[count].denies = true;
        before = make_from(rules, count);
        after = make_from(rules, count + 1);
        for (unsigned j = 0; j < 8; j++) {
            _Alignas(16) unsigned char ip[16];
            bool is_ipv4;

            draw_target(ip, rules, count + 1, &is_ipv4);
            if (tree_allows(after, ip, is_ipv4) && !tree_allows(before, ip, is_ipv4))
                fail_msg("table %u: %s lets somebody in", i, rules[count].text);
        }
        access_free(&before);
        access_free(&after);
    }
}

/* D4: of each length the first and the last address are in, their neighbours are not. */
static void check_edges(const char *net, unsigned prefix, unsigned bits)
{
    struct usher_address addr;
    unsigned char ip[16] = { 0 }, first;
    struct access *access;
    char text[64];

    snprintf(text, sizeof(text), "%s/%u", net, prefix);
    access = make(LIST(text), NONE);
    assert_int_equal(addr_parse_host(net, &addr, NULL), 0);
    assert_true(asks(access, net, NULL));
    for (unsigned i = 0; i < bits; i++) {
        struct peer peer;

        peer_set(&peer, &addr.storage, addr.length);
        memcpy(ip, peer.ip, 16);
        first = (unsigned char)(0x80u >> i % 8);
        peer.ip[(128 - bits + i) / 8] ^= first;
        assert_int_equal(
            access_allows(access, &(struct access_caller){ .peer = &peer }, NULL),
            i >= prefix);
    }
    access_free(&access);
}

static void d4_each_bit_of_the_prefix_counts_and_none_behind_it(void **state)
{
    (void)state;
    for (unsigned prefix = 0; prefix <= 32; prefix++)
        check_edges("0.0.0.0", prefix, 32);
    /* Bits before ::ffff:0:0/96 would be IPv4 if they were turned: none here are. */
    for (unsigned prefix = 0; prefix <= 128; prefix++)
        check_edges("::", prefix, 128);
}

/* ---- what it costs --------------------------------------------------------------- */

static struct access *make_large(size_t count)
{
    char **texts = mem_array(count, sizeof(*texts));
    struct usher_list deny = {count, (const char *const *)texts}, none = NONE;
    struct access *access;

    for (size_t i = 0; i < count; i++)
        texts[i] = mem_print("%u.%u.%u.0/24", 1 + draw(223), draw(256), draw(256));
    assert_int_equal(access_new(&none, &deny, &access, NULL), 0);
    for (size_t i = 0; i < count; i++)
        mem_free(&texts[i]);
    mem_free(&texts);
    return access;
}

static unsigned most_steps(const struct access *access)
{
    unsigned most = 0;

    for (unsigned i = 0; i < 10000; i++) {
        _Alignas(16) unsigned char ip[16];
        struct peer peer;
        unsigned steps;

        draw_ip(ip, true);
        ip[12] = (unsigned char)draw(256);
        ip[13] = (unsigned char)draw(256);
        ip[14] = (unsigned char)draw(256);
        peer = draw_peer(ip, true);
        steps = access_steps(access, &peer);
        most = steps > most ? steps : most;
    }
    return most;
}

/* Steps, not nanoseconds: a test that measures time is a test that fails at night. */
static void a_hundred_thousand_rules_cost_hardly_more_than_ten(void **state)
{
    struct access *few, *many;
    unsigned of_few, of_many;

    (void)state;
    seed = 1;
    few = make_large(10);
    many = make_large(slow_count(100000));
    of_few = most_steps(few);
    of_many = most_steps(many);
    print_message("steps at most: %u with 10 rules, %u with 100000\n", of_few, of_many);
    assert_true(of_few <= 8);
    assert_true(of_many <= 9); /* 8 bits behind the index, and where it leads */
    access_free(&few);
    access_free(&many);
}

/* Each prefix of one address: as deep as a tree can be. */
static void the_deepest_tree_has_a_step_per_bit(void **state)
{
    char texts[129][8];
    const char *items[129];
    struct usher_list deny = { 129, items }, none = NONE;
    struct access *access;
    struct peer peer = peer_of("::");

    (void)state;
    for (unsigned i = 0; i <= 128; i++) {
        snprintf(texts[i], sizeof(texts[i]), "::/%u", i);
        items[i] = texts[i];
    }
    assert_int_equal(access_new(&none, &deny, &access, NULL), 0);
    assert_int_equal(access_steps(access, &peer), 129);
    access_free(&access);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_rules_everybody_may),
        cmocka_unit_test(the_longest_prefix_decides_and_says_which_it_was),
        cmocka_unit_test(a_tie_denies),
        cmocka_unit_test(without_allow_the_rest_may),
        cmocka_unit_test(everybody_is_the_shortest_prefix_of_all),
        cmocka_unit_test(a_rule_that_comes_late_has_its_own_bits),
        cmocka_unit_test(the_scope_of_an_address_plays_no_part),
        cmocka_unit_test(lists_that_are_wrong_make_no_rules),
        cmocka_unit_test(local_callers_are_those_of_this_machine),
        cmocka_unit_test(an_unknown_local_address_lets_nobody_in),
        cmocka_unit_test(local_is_as_long_as_an_address),
        cmocka_unit_test(unix_callers_go_by_user_and_group),
        cmocka_unit_test(unix_callers_are_local_and_no_network_takes_them_in),
        cmocka_unit_test(d1_a_caller_of_whom_nothing_is_known_is_denied),
        cmocka_unit_test(d3_ten_thousand_random_tables_say_what_the_reference_says),
        cmocka_unit_test(d3_a_large_table_says_what_the_reference_says),
        cmocka_unit_test(d9_one_more_deny_never_lets_more_in),
        cmocka_unit_test(d4_each_bit_of_the_prefix_counts_and_none_behind_it),
        cmocka_unit_test(a_hundred_thousand_rules_cost_hardly_more_than_ten),
        cmocka_unit_test(the_deepest_tree_has_a_step_per_bit),
    };

    return cmocka_run_group_tests_name("access", tests, NULL, NULL);
}
