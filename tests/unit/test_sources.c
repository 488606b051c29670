#include "flow/sources.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "base/addr.h"
#include "base/err.h"

static const struct sources_secret secret = { { 0x0123456789abcdef,
                                                0xfedcba9876543210 } };

/* Pages of its own, zeroed, and countable. */
static struct sources *new_table(void)
{
    void *at = mmap(NULL, sizeof(struct sources), PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    assert_ptr_not_equal(at, MAP_FAILED);
    return at;
}

static void free_table(struct sources *sources)
{
    munmap(sources, sizeof(*sources));
}

static struct peer peer_of(const char *host)
{
    struct usher_address address;
    struct err err = ERR_EMPTY;
    struct peer peer;

    if (strchr(host, ':') != NULL && inet_pton(AF_INET6, host,
            &((struct sockaddr_in6 *)&address.storage)->sin6_addr) == 1) {
        address.storage.ss_family = AF_INET6;
        ((struct sockaddr_in6 *)&address.storage)->sin6_scope_id = 0;
        address.length = sizeof(struct sockaddr_in6);
    } else
        assert_int_equal(addr_parse_host(host, &address, &err), 0);
    peer_set(&peer, &address.storage, address.length);
    return peer;
}

static struct source_key key_of(unsigned row, const char *host)
{
    struct peer peer = peer_of(host);

    return sources_key(&secret, row, &peer, 0);
}

static struct source_key key_of_ip6(uint64_t half)
{
    struct peer peer = { .kind = PEER_IP, .ip = { 0x20, 0x01 } };

    for (int i = 2; i < 8; i++)
        peer.ip[i] = (unsigned char)(half >> 8 * (7 - i));
    return sources_key(&secret, 0, &peer, 0);
}

static struct source_key key_of_ip4(uint32_t number)
{
    struct peer peer = { .kind = PEER_IP, .ip = { [10] = 0xff, [11] = 0xff } };

    for (int i = 0; i < 4; i++)
        peer.ip[12 + i] = (unsigned char)(number >> 8 * (3 - i));
    return sources_key(&secret, 0, &peer, 0);
}

static bool same(struct source_key a, struct source_key b)
{
    return a.address == b.address && a.row == b.row && a.set == b.set;
}

static void a_source_is_an_ipv4_address_or_half_an_ipv6_one(void **state)
{
    static const struct {
        const char *a, *b;
        bool is_same;
    } cases[] = {
        { "192.0.2.1", "192.0.2.1", true },
        { "192.0.2.1", "192.0.2.2", false },
        { "192.0.2.1", "::ffff:192.0.2.1", true },
        { "2001:db8::1", "2001:db8::ffff:1", true },
        { "2001:db8::1", "2001:db8:0:1::1", false },
        { "::1", "::2", true },
        { "fe80::1", "fe80::2", false }, /* neighbours are not one host */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(same(key_of(1, cases[i].a), key_of(1, cases[i].b)),
                         cases[i].is_same);
    assert_false(same(key_of(1, "192.0.2.1"), key_of(2, "192.0.2.1")));
}

static void links_tell_link_local_sources_apart(void **state)
{
    struct peer a = peer_of("fe80::1"), b = peer_of("fe80::1");

    (void)state;
    b.scope = 3;
    assert_false(same(sources_key(&secret, 1, &a, 0), sources_key(&secret, 1, &b, 0)));
}

static void unix_peers_are_their_user(void **state)
{
    struct peer peer = { .kind = PEER_UNIX };

    (void)state;
    assert_true(
        same(sources_key(&secret, 1, &peer, 7), sources_key(&secret, 1, &peer, 7)));
    assert_false(
        same(sources_key(&secret, 1, &peer, 7), sources_key(&secret, 1, &peer, 8)));
    assert_true(sources_key(&secret, 1, &peer, 7).set >= 2 * SOURCES_IP_SETS);
}

static void an_entry_stays_and_counts(void **state)
{
    struct sources *table = new_table();
    struct source_key key = key_of(3, "192.0.2.7"), other = key_of(3, "192.0.2.8");
    uint32_t number = sources_find(table, &key, 10);

    (void)state;
    assert_int_not_equal(number, 0);
    assert_int_equal(sources_find(table, &key, 20), number);
    assert_int_equal(sources_active(table, &key), 0);
    source_hold(sources_at(table, number));
    source_hold(sources_at(table, number));
    assert_int_equal(sources_active(table, &key), 2);
    assert_int_equal(sources_active(table, &other), 0);
    source_let_go(sources_at(table, number));
    assert_int_equal(sources_active(table, &key), 1);
    source_let_go(sources_at(table, number));
    source_let_go(sources_at(table, number)); /* never below 0 */
    assert_int_equal(sources_active(table, &key), 0);
    free_table(table);
}

/* IPv4 sources that share the first's set. */
static void find_neighbours(struct source_key *keys, size_t count)
{
    size_t found = 1;

    keys[0] = key_of_ip4(1);
    for (uint32_t number = 2; found < count; number++) {
        keys[found] = key_of_ip4(number);
        found += keys[found].set == keys[0].set;
    }
}

static void who_rests_for_longest_makes_room_and_holders_never(void **state)
{
    struct source_key keys[SOURCES_WAYS + 2];
    uint32_t numbers[SOURCES_WAYS];
    struct sources *table = new_table();

    (void)state;
    find_neighbours(keys, SOURCES_WAYS + 2);
    for (int i = 0; i < SOURCES_WAYS; i++) {
        numbers[i] = sources_find(table, &keys[i], 100 + i);
        source_hold(sources_at(table, numbers[i]));
    }
    assert_int_equal(sources_find(table, &keys[SOURCES_WAYS], 500), 0); /* the crowd */

    source_let_go(sources_at(table, numbers[5]));
    source_let_go(sources_at(table, numbers[2]));
    assert_int_equal(sources_find(table, &keys[2], 400), numbers[2]);
    assert_int_equal(sources_find(table, &keys[SOURCES_WAYS], 500), numbers[5]);
    assert_int_equal(sources_active(table, &keys[5]), 0);
    sources_at(table, numbers[2])->pinned = 1;
    sources_at(table, numbers[5])->pinned = 1;
    assert_int_equal(sources_find(table, &keys[SOURCES_WAYS + 1], 600), 0);
    free_table(table);
}

static void a_new_owner_finds_a_full_bucket(void **state)
{
    struct source_key keys[SOURCES_WAYS + 1];
    struct sources *table = new_table();
    uint32_t number;

    (void)state;
    find_neighbours(keys, SOURCES_WAYS + 1);
    for (int i = 0; i < SOURCES_WAYS; i++)
        sources_at(table, sources_find(table, &keys[i], 100 + i))->bucket.spent = 5;
    number = sources_find(table, &keys[SOURCES_WAYS], 500);
    assert_int_equal(number, sources_find(table, &keys[SOURCES_WAYS], 501));
    assert_int_equal(sources_at(table, number)->bucket.spent, 0);
    free_table(table);
}

static size_t resident_pages(struct sources *table)
{
    static unsigned char is_there[sizeof(struct sources) / 4096 + 2];
    size_t count = 0;

    assert_int_equal(mincore(table, sizeof(*table), is_there), 0);
    for (size_t i = 0; i < (sizeof(*table) + 4095) / 4096; i++)
        count += is_there[i] & 1;
    return count;
}

static void b20_a_million_ipv6_sources_leave_memory_flat_and_ipv4_unharmed(void **state)
{
    struct sources *table = new_table();
    struct source_key probe = key_of(0, "192.0.2.1");
    uint32_t number = sources_find(table, &probe, 1), crowd = 0;
    size_t most = sizeof(struct source_entry) * SOURCES_IP_SETS * SOURCES_WAYS / 4096 + 2;

    (void)state;
    source_hold(sources_at(table, number));
    for (uint32_t i = 0; i < 1000000; i++) {
        struct source_key key = key_of_ip6(i);
        uint32_t found = sources_find(table, &key, 2 + i);

        crowd += found == 0;
        if (found != 0 && i % 4 == 0) /* a quarter of them hold for good */
            source_hold(sources_at(table, found));
    }
    assert_true(crowd > 0); /* their own family is full, ... */
    assert_true(resident_pages(table) <= most + 1);
    assert_int_equal(sources_find(table, &probe, 9), number); /* ... ours is not */
    assert_int_equal(sources_active(table, &probe), 1);
    for (uint32_t i = 0; i < 1000; i++) {
        struct source_key key = key_of_ip4(0x0a000000 + i);

        assert_int_not_equal(sources_find(table, &key, 10), 0);
    }
    free_table(table);
}

static void sets_are_filled_evenly_and_nobody_can_aim(void **state)
{
    static unsigned used[SOURCES_IP_SETS];
    struct sources_secret other = { { 1, 2 } };
    unsigned most = 0, moved = 0;

    (void)state;
    memset(used, 0, sizeof(used));
    for (uint32_t i = 0; i < 2 * SOURCES_IP_SETS; i++) {
        struct source_key key = key_of_ip4(0xc0000000 + i); /* neighbours: 192.0.0.0/19 */
        struct peer peer = { .kind = PEER_IP,
                             .ip = { [10] = 0xff,
                                     [11] = 0xff,
                                     [12] = 192,
                                     [14] = (unsigned char)(i >> 8),
                                     [15] = (unsigned char)i } };

        if (++used[key.set] > most)
            most = used[key.set];
        moved += sources_key(&other, 0, &peer, 0).set != key.set;
    }
    assert_true(most <= 12); /* 2 on average */
    assert_true(moved > 2 * SOURCES_IP_SETS - 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_source_is_an_ipv4_address_or_half_an_ipv6_one),
        cmocka_unit_test(links_tell_link_local_sources_apart),
        cmocka_unit_test(unix_peers_are_their_user),
        cmocka_unit_test(an_entry_stays_and_counts),
        cmocka_unit_test(who_rests_for_longest_makes_room_and_holders_never),
        cmocka_unit_test(a_new_owner_finds_a_full_bucket),
        cmocka_unit_test(b20_a_million_ipv6_sources_leave_memory_flat_and_ipv4_unharmed),
        cmocka_unit_test(sets_are_filled_evenly_and_nobody_can_aim),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
