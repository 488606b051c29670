/*
 * A doubly linked list whose links live in the elements. A node that is in no list points
 * to itself (list_init), so removing it twice is harmless.
 */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>

#include "base/mem.h"

struct list {
    struct list *next, *prev;
};

static inline void list_init(struct list *node)
{
    node->next = node->prev = node;
}

static inline bool list_is_empty(const struct list *head)
{
    return head->next == head;
}

static inline void list_append(struct list *head, struct list *node)
{
    node->prev = head->prev;
    node->next = head;
    head->prev->next = node;
    head->prev = node;
}

static inline void list_remove(struct list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_init(node);
}

/* Walks all elements; the current one may be removed. */
#define LIST_EACH(head, node, safe)                                                      \
    for ((node) = (head)->next, (safe) = (node)->next; (node) != (head);                 \
         (node) = (safe), (safe) = (node)->next)

#define LIST_FIRST(head, type, member)                                                   \
    (list_is_empty(head) ? NULL : CONTAINER((head)->next, type, member))

#endif
