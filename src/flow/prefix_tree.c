#include "flow/prefix_tree.h"

#include <string.h>

#include "base/mem.h"

#define BITS        128
#define INDEX_BITS  16
#define INDEX_NODES 1024 /* smaller trees do without the index */

/* ---- bits ------------------------------------------------------------------------ */

struct prefix_bits prefix_bits_of(const unsigned char *ip, size_t count)
{
    uint64_t halves[2] = { 0, 0 };

    for (size_t i = 0; i < count; i++)
        halves[i / 8] |= (uint64_t)ip[i] << (56 - i % 8 * 8);
    return (struct prefix_bits){halves[0], halves[1]};
}

static unsigned bit(struct prefix_bits bits, unsigned number)
{
    uint64_t half = number < 64 ? bits.hi : bits.lo;

    return (unsigned)(half >> (63 - number % 64)) & 1;
}

/* The first `length` bits; zeros behind them. */
static struct prefix_bits first_bits(struct prefix_bits bits, unsigned length)
{
    if (length < BITS)
        bits.lo = length > 64 ? bits.lo >> (BITS - length) << (BITS - length) : 0;
    if (length < 64)
        bits.hi = length > 0 ? bits.hi >> (64 - length) << (64 - length) : 0;
    return bits;
}

/* How many bits are equal before the first that is not. */
static unsigned common(struct prefix_bits a, struct prefix_bits b)
{
    if (a.hi != b.hi)
        return (unsigned)__builtin_clzll(a.hi ^ b.hi);
    return a.lo != b.lo ? 64 + (unsigned)__builtin_clzll(a.lo ^ b.lo) : BITS;
}

/* ---- adding ---------------------------------------------------------------------- */

static uint32_t add_node(struct prefix_tree *tree, struct prefix_bits at, unsigned length)
{
    struct prefix_node *node = MEM_PUSH(tree->nodes, tree->count);

    node->at = first_bits(at, length);
    node->length = (uint8_t)length;
    return (uint32_t)(tree->count - 1);
}

/* Puts a node for the first `length` bits of `at` between parent and what was its
 * child. */
static uint32_t split(struct prefix_tree *tree, uint32_t parent, struct prefix_bits at,
                      unsigned length)
{
    unsigned side = bit(at, tree->nodes[parent].length);
    uint32_t below = tree->nodes[parent].child[side], number = add_node(tree, at, length);

    tree->nodes[number].child[bit(tree->nodes[below].at, length)] = below;
    tree->nodes[parent].child[side] = number;
    return number;
}

struct prefix_node *prefix_tree_add(struct prefix_tree *tree, struct prefix_bits at,
                                    unsigned length)
{
    uint32_t here = 0;

    if (tree->count == 0)
        add_node(tree, (struct prefix_bits){0, 0}, 0);
    while (tree->nodes[here].length < length) {
        unsigned side = bit(at, tree->nodes[here].length), shared;
        uint32_t below = tree->nodes[here].child[side];

        if (below == 0) {
            below = add_node(tree, at, length);
            tree->nodes[here].child[side] = below;
            return &tree->nodes[below];
        }
        shared = common(at, tree->nodes[below].at);
        if (shared > length)
            shared = length;
        here = shared < tree->nodes[below].length ? split(tree, here, at, shared) : below;
    }
    return &tree->nodes[here];
}

/* ---- settling -------------------------------------------------------------------- */

/* A node that is still to be moved: where it is, and who is above it in the new order. */
struct pending {
    uint32_t node, parent, up;
    unsigned side;
};

/* Parents before their children, the first child right behind its parent: a way down is a
 * way forward in memory. */
static void reorder(struct prefix_tree *tree)
{
    struct prefix_node *moved = mem_array(tree->count, sizeof(*moved));
    struct pending stack[BITS + 2] = {{0, 0, 0, 0}};
    size_t left = 1;
    uint32_t count = 0;

    while (left > 0) {
        struct pending at = stack[--left];
        const struct prefix_node *old = &tree->nodes[at.node];
        uint32_t here = count++;

        moved[here] = *old;
        moved[here].up = at.up;
        if (here > 0)
            moved[at.parent].child[at.side] = here;
        for (unsigned side = 2; side-- > 0;)
            if (old->child[side] != 0)
                stack[left++] = (struct pending){old->child[side], here,
                                                 old->verdict != 0 ? here : at.up, side};
    }
    mem_free(&tree->nodes);
    tree->nodes = moved;
}

/* The last node within the index's bits on the way to `at`. */
static uint32_t find_start(const struct prefix_tree *tree, struct prefix_bits at)
{
    uint32_t here = 0, below = 0;

    do {
        here = below;
        below = tree->nodes[here].child[bit(at, tree->nodes[here].length)];
    } while (below != 0 && tree->nodes[below].length < INDEX_BITS &&
             common(at, tree->nodes[below].at) >= tree->nodes[below].length);
    return here;
}

void prefix_tree_settle(struct prefix_tree *tree)
{
    if (tree->count == 0)
        return;
    reorder(tree);
    if (tree->count < INDEX_NODES)
        return;
    tree->index = mem_array((size_t)1 << INDEX_BITS, sizeof(*tree->index));
    for (uint32_t i = 0; i < 1u << INDEX_BITS; i++)
        tree->index[i] =
            find_start(tree, (struct prefix_bits){(uint64_t)i << (64 - INDEX_BITS), 0});
}

/* ---- looking --------------------------------------------------------------------- */

static const struct prefix_node *with_verdict(const struct prefix_tree *tree,
                                              uint32_t number)
{
    const struct prefix_node *node = &tree->nodes[number];

    if (node->verdict == 0)
        node = &tree->nodes[node->up];
    return node->verdict != 0 ? node : NULL;
}

const struct prefix_node *prefix_tree_find(const struct prefix_tree *tree,
                                           struct prefix_bits at, unsigned *steps_out)
{
    const struct prefix_node *found;
    uint32_t here;

    *steps_out = 0;
    if (tree->count == 0)
        return NULL;
    here = tree->index != NULL ? tree->index[at.hi >> (64 - INDEX_BITS)] : 0;
    found = with_verdict(tree, here);
    do {
        const struct prefix_node *node = &tree->nodes[here];

        ++*steps_out;
        if (common(at, node->at) < node->length)
            break;
        if (node->verdict != 0)
            found = node;
        here = node->length < BITS ? node->child[bit(at, node->length)] : 0;
    } while (here != 0);
    return found;
}

void prefix_tree_free(struct prefix_tree *tree)
{
    mem_free(&tree->nodes);
    mem_free(&tree->index);
    tree->count = 0;
}
