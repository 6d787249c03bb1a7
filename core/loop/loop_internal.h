/* Shared by the files of this layer and visible to its tests only: the loop's own struct, its
 * timers and its mailbox. Nothing outside core/loop and tests/unit/loop includes this. */
#pragma once
#include "loop/loop.h"
#include "loop/resolve.h"

#include <stdatomic.h>
#include <sys/epoll.h>

#define TT_LOOP_BATCH  256 /* events taken from the kernel at once */
#define TT_LOOP_ROUNDS 16  /* passes over the ready list in one tick */

/* A heap slot contains its own key, so that sifting reads one array and not every timer. `order`
 * makes equal times run in the order in which they were started. */
struct tt_timer_slot {
    uint64_t due_ms;
    uint64_t order;
    struct tt_timer *timer;
};

struct tt_timer_heap {
    struct tt_timer_slot *slots;
    size_t count, cap;
    uint64_t next_order;
};

/* Runs the timers that are due at now_ms; a timer started meanwhile waits for the next call. */
void tt_timer_heap_run(struct tt_timer_heap *heap, uint64_t now_ms);

/* The wait until the first timer, for epoll_wait, rounded up; -1 = there is none. */
int tt_timer_heap_wait(const struct tt_timer_heap *heap);

/* Many posters, one reader. Posters push onto a lock-free stack. The reader takes the whole stack
 * and reverses it, which restores the order of each poster. */
struct tt_mailbox {
    _Atomic(struct tt_list *) top; /* linked through `next` alone */
    atomic_int posting;            /* posts that have not ended */
    int event_fd;                  /* watched edge-triggered, so nobody ever reads it */
};
int tt_mailbox_open(struct tt_mailbox *box, struct tt_err *err);
void tt_mailbox_close(struct tt_mailbox *box);
void tt_mailbox_signal(struct tt_mailbox *box); /* any thread */

/* Delivers the mail that was posted before the call. */
void tt_mailbox_drain(struct tt_mailbox *box);

struct tt_loop {
    int epoll_fd;
    bool again;   /* the next tick does not wait */
    bool in_tick; /* a tick inside a tick would lose the rest of the outer batch */
    atomic_bool stop;
    uint64_t now_ms;
    uint64_t slowest_ns; /* tick */
    struct tt_mailbox mailbox;
    struct tt_watch wake; /* on the mailbox's event_fd */
    struct tt_timer_heap timers;
    struct tt_list ready;
    struct tt_list hooks; /* sorted by rank */
    int event_next, event_count;
    struct epoll_event events[TT_LOOP_BATCH];
};

/* For tests: how long answers and failures are cached. */
void tt_resolver_set_ttl(struct tt_resolver *resolver, uint64_t answer_ms, uint64_t failure_ms);
size_t tt_resolver_cached(struct tt_resolver *resolver);
