/*
 * A binary heap of connections by wake time. A connection waits for one thing at most, so it holds
 * its own place in the heap and can be moved or removed without a search.
 */
#include "server.h"

static void place(struct timers *t, size_t i, struct conn *c)
{
    t->heap[i] = c;
    c->timer = i + 1;
}

static void sift_up(struct timers *t, size_t i, struct conn *c)
{
    while (i && t->heap[(i - 1) / 2]->wake_ns > c->wake_ns) {
        place(t, i, t->heap[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    place(t, i, c);
}

static void sift_down(struct timers *t, size_t i, struct conn *c)
{
    for (;;) {
        size_t child = 2 * i + 1;
        if (child + 1 < t->n && t->heap[child + 1]->wake_ns < t->heap[child]->wake_ns)
            child++;
        if (child >= t->n || t->heap[child]->wake_ns >= c->wake_ns)
            break;
        place(t, i, t->heap[child]);
        i = child;
    }
    place(t, i, c);
}

void timers_remove(struct timers *t, struct conn *c)
{
    if (!c->timer)
        return;
    size_t i = c->timer - 1;
    struct conn *last = t->heap[--t->n];
    c->timer = 0;
    if (last == c)
        return;
    if (i && t->heap[(i - 1) / 2]->wake_ns > last->wake_ns)
        sift_up(t, i, last);
    else
        sift_down(t, i, last);
}

void timers_set(struct timers *t, struct conn *c, uint64_t wake_ns)
{
    timers_remove(t, c);
    c->wake_ns = wake_ns;
    if (t->n == t->cap) {
        t->cap = t->cap ? t->cap * 2 : 64;
        t->heap = mem_grow(t->heap, t->cap * sizeof(struct conn *));
    }
    sift_up(t, t->n++, c);
}
