#include "flow/sources.h"

#include <stdbool.h>
#include <string.h>

_Static_assert(sizeof(struct source_entry) == 32, "two entries a cache line");

/* ---- the hash: SipHash-1-3 of two words -------------------------------------------- */

static uint64_t turn(uint64_t word, int bits)
{
    return word << bits | word >> (64 - bits);
}

static void mix(uint64_t v[4])
{
    v[0] += v[1], v[1] = turn(v[1], 13) ^ v[0], v[0] = turn(v[0], 32);
    v[2] += v[3], v[3] = turn(v[3], 16) ^ v[2];
    v[0] += v[3], v[3] = turn(v[3], 21) ^ v[0];
    v[2] += v[1], v[1] = turn(v[1], 17) ^ v[2], v[2] = turn(v[2], 32);
}

static uint64_t hash(const struct sources_secret *secret, uint64_t address, uint64_t row)
{
    uint64_t k0 = secret->words[0], k1 = secret->words[1];
    uint64_t v[4] = { k0 ^ 0x736f6d6570736575u, k1 ^ 0x646f72616e646f6du,
                      k0 ^ 0x6c7967656e657261u, k1 ^ 0x7465646279746573u };
    uint64_t words[] = { address, row | UINT64_C(16) << 56 };

    for (int i = 0; i < 2; i++) {
        v[3] ^= words[i];
        mix(v);
        v[0] ^= words[i];
    }
    v[2] ^= 0xff;
    mix(v);
    mix(v);
    mix(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* ---- keys -------------------------------------------------------------------------- */

static uint64_t big_endian(const unsigned char *bytes, size_t count)
{
    uint64_t value = 0;

    for (size_t i = 0; i < count; i++)
        value = value << 8 | bytes[i];
    return value;
}

/* All of a link share fe80::/64: there the interface's own half is what tells hosts
 * apart. */
static uint64_t half_of(const struct peer *peer)
{
    if (peer->ip[0] == 0xfe && (peer->ip[1] & 0xc0) == 0x80)
        return big_endian(peer->ip + 8, 8) ^ peer->scope;
    return big_endian(peer->ip, 8);
}

struct source_key sources_key(const struct sources_secret *secret, unsigned row,
                              const struct peer *peer, uint32_t uid)
{
    struct source_key key = { .row = (uint16_t)(row + 1) };
    uint32_t first = 2 * SOURCES_IP_SETS, count = SOURCES_UNIX_SETS;

    if (peer->kind != PEER_IP)
        key.address = uid;
    else if (peer_is_ipv4(peer)) {
        key.address = big_endian(peer->ip + 12, 4);
        first = 0, count = SOURCES_IP_SETS;
    } else {
        key.address = half_of(peer);
        first = SOURCES_IP_SETS, count = SOURCES_IP_SETS;
    }
    key.set = first + (uint32_t)(hash(secret, key.address, key.row) & (count - 1));
    return key;
}

/* ---- entries ----------------------------------------------------------------------- */

static uint16_t row_of(const struct source_entry *source)
{
    return atomic_load_explicit(&source->row, memory_order_relaxed);
}

static bool is_it(const struct source_entry *source, const struct source_key *key)
{
    return row_of(source) == key->row &&
           atomic_load_explicit(&source->address, memory_order_relaxed) == key->address;
}

static bool is_better(const struct source_entry *source, const struct source_entry *best)
{
    if (source_active(source) > 0 || source->pinned > 0)
        return false;
    return best == NULL || (row_of(best) != 0 && (row_of(source) == 0 ||
           source->bucket.since_ms < best->bucket.since_ms));
}

static void give(struct source_entry *source, const struct source_key *key)
{
    atomic_store_explicit(&source->row, 0, memory_order_relaxed);
    atomic_store_explicit(&source->address, key->address, memory_order_relaxed);
    source->bucket = (struct bucket){ 0 };
    atomic_store_explicit(&source->row, key->row, memory_order_release);
}

uint32_t sources_find(struct sources *sources, const struct source_key *key,
                      int64_t now_ms)
{
    struct source_entry *set = sources->sets[key->set], *found = NULL;

    for (size_t i = 0; i < SOURCES_WAYS && (found == NULL || !is_it(found, key)); i++)
        if (is_it(&set[i], key) || is_better(&set[i], found))
            found = &set[i];
    if (found == NULL)
        return 0;
    if (!is_it(found, key))
        give(found, key);
    if (found->bucket.spent == 0)
        found->bucket.since_ms = now_ms; /* a full bucket is full at any time */
    return (uint32_t)(found - &sources->sets[0][0]) + 1;
}

uint64_t sources_active(const struct sources *sources, const struct source_key *key)
{
    const struct source_entry *set = sources->sets[key->set];

    for (size_t i = 0; i < SOURCES_WAYS; i++)
        if (is_it(&set[i], key))
            return source_active(&set[i]);
    return 0;
}
