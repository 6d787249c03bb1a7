/* Intrusive doubly linked list: the node lives in the element, so linking never allocates and an
 * element can leave any list in O(1). A list head is a node that points at itself. */
#pragma once
#include "base/mem.h"

#include <stdbool.h>

struct tt_list {
    struct tt_list *next;
    struct tt_list *prev;
};

static inline void tt_list_init(struct tt_list *head)
{
    head->next = head->prev = head;
}

/* A zeroed node or an initialised one that is in no list. */
static inline bool tt_list_empty(const struct tt_list *head)
{
    return !head->next || head->next == head;
}

static inline void tt_list_push_back(struct tt_list *head, struct tt_list *node)
{
    node->prev = head->prev;
    node->next = head;
    head->prev->next = node;
    head->prev = node;
}

static inline void tt_list_push_front(struct tt_list *head, struct tt_list *node)
{
    tt_list_push_back(head->next, node);
}

/* Removes a node from its list; harmless when it is in none. */
static inline void tt_list_remove(struct tt_list *node)
{
    if (node->next) {
        node->prev->next = node->next;
        node->next->prev = node->prev;
    }
    node->next = node->prev = node;
}

static inline struct tt_list *tt_list_pop_front(struct tt_list *head)
{
    struct tt_list *node = head->next;
    if (tt_list_empty(head))
        return NULL;
    tt_list_remove(node);
    return node;
}

/* Moves everything from one list to the end of another. */
static inline void tt_list_splice(struct tt_list *to, struct tt_list *from)
{
    if (tt_list_empty(from))
        return;
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    tt_list_init(from);
}

#define tt_list_entry(node, type, member) TT_CONTAINER_OF(node, type, member)

#define tt_list_for_each(node, head)                                                               \
    for (struct tt_list *node = (head)->next; node != (head); node = node->next)

/* The current node may be removed. */
#define tt_list_for_each_safe(node, head)                                                          \
    for (struct tt_list *node = (head)->next, *node##_next = node->next; node != (head);           \
         node = node##_next, node##_next = node->next)
