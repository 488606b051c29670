/*
 * Prefixes of addresses, the longest that an address begins with found in at most one
 * step per bit: a path-compressed tree in one array. Large trees have an index over the
 * first bits too, so that a look-up among 100 000 prefixes touches hardly more memory
 * than one among ten. Used by flow/access alone, with what it thinks of each prefix.
 */
#ifndef FLOW_PREFIX_TREE_H
#define FLOW_PREFIX_TREE_H

#include <stddef.h>
#include <stdint.h>

/* An address, or its beginning: its first bit is the highest of hi. IPv4 fills half of
 * hi. */
struct prefix_bits {
    uint64_t hi, lo;
};

/*
 * A prefix that was added, or where the ways of two part. `length` bits of `at` hold for
 * all that is below; the next one chooses the child. Child 0 is none: node 0 is the root,
 * and nobody's child.
 */
struct prefix_node {
    struct prefix_bits at;
    uint32_t child[2];
    uint32_t up; /* the nearest node above with a verdict; 0: the root, if it has one */
    uint8_t length;
    uint8_t verdict; /* the caller's; 0: it was never added, or says nothing */
};

struct prefix_tree { /* zeroed: empty */
    struct prefix_node *nodes;
    size_t count;
    uint32_t
        *index; /* by the first bits: the last node that all of these lead to; or NULL */
};

/* count bytes of an address. */
struct prefix_bits prefix_bits_of(const unsigned char *ip, size_t count);
/* The node of exactly this prefix, made where there is none. Valid until the next
 * call. */
struct prefix_node *prefix_tree_add(struct prefix_tree *tree, struct prefix_bits at,
                                    unsigned length);
/* After the last one was added and has its verdict, before the first is looked for. */
void prefix_tree_settle(struct prefix_tree *tree);
/* The longest with a verdict that the address begins with, or NULL. steps_out: how many
 * nodes were looked at. */
const struct prefix_node *prefix_tree_find(const struct prefix_tree *tree,
                                           struct prefix_bits at, unsigned *steps_out);
void prefix_tree_free(struct prefix_tree *tree);

#endif
