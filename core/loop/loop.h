/* One thread's event loop: epoll, timers, a mailbox from other threads, a ready list and hooks at
 * the end of each tick. A tick is: wait -> I/O callbacks -> mail -> timers -> ready list -> hooks.
 * Work that a callback causes is put on the ready list and runs in the same tick, never from inside
 * the call that caused it; what must be joined (socket flushes, freeing of curl handles, the HTTP
 * library's run) happens once, in the hooks. Everything here is for the loop's own thread, unless
 * it says otherwise. */
#pragma once
#include "base/err.h"
#include "base/list.h"

#include <stdint.h>

struct tt_loop;

/* Owns: the caller, tt_loop_free, after everything registered has been stopped and every thread
 * that posts has been joined (aux pools freed). Fails: NULL. */
struct tt_loop *tt_loop_new(struct tt_err *err);
void tt_loop_free(struct tt_loop *loop);

/* Runs ticks until tt_loop_stop. */
void tt_loop_run(struct tt_loop *loop);

/* One tick; waits at most max_wait_ms (-1 = until something happens). For tests and start-up. */
void tt_loop_tick(struct tt_loop *loop, int max_wait_ms);

/* Makes tt_loop_run return after this tick, or at once if it is called before. Thread: any. */
void tt_loop_stop(struct tt_loop *loop);

/* Monotonic ms, read once per tick: cheap, and the same for everything in one tick. */
uint64_t tt_loop_now(const struct tt_loop *loop);

/* The longest tick, without its wait, since the last call. */
uint64_t tt_loop_take_slowest_us(struct tt_loop *loop);

/* ---- descriptors ---- */

/* A watched descriptor; embed it and zero it. Level-triggered unless events has EPOLLET. */
struct tt_watch {
    int fd;
    uint32_t events; /* EPOLL* */
    void (*on_ready)(struct tt_watch *watch, uint32_t events);
    struct tt_loop *loop; /* NULL while not watching */
};
int tt_watch_start(struct tt_loop *loop, struct tt_watch *watch, struct tt_err *err);
int tt_watch_update(struct tt_watch *watch, uint32_t events);

/* No callback comes after this, not even for events of the current tick. The fd stays open; call
 * this before close(2). Harmless on a watch that is not started. */
void tt_watch_stop(struct tt_watch *watch);

/* ---- ready list ---- */

/* A piece of work for this tick; embed it and zero it. */
struct tt_deferred {
    struct tt_list node;
    void (*run)(struct tt_deferred *deferred);
};
/* Runs `run` later in this tick (in the next one when called from a hook). Once queued, a further
 * call changes nothing. */
void tt_loop_defer(struct tt_loop *loop, struct tt_deferred *deferred);
void tt_loop_undefer(struct tt_deferred *deferred);

/* ---- end of tick ---- */

/* Called at the end of every tick, in order of `rank` (the same: in order of adding). */
struct tt_hook {
    struct tt_list node;
    int rank;
    void (*on_tick_end)(struct tt_hook *hook);
};
#define TT_RANK_REPLY  10 /* upstream bytes were read: wake readers, free finished handles */
#define TT_RANK_STREAM 20 /* frames are joined and sent */
#define TT_RANK_HTTP   30 /* the HTTP library handles connections that were resumed */
#define TT_RANK_UNLOCK 40 /* what was kept for the rest of the tick is given back */
void tt_loop_hook(struct tt_loop *loop, struct tt_hook *hook);
void tt_loop_unhook(struct tt_hook *hook);

/* Whether a tick is under way: its hooks are still to come, or run. */
bool tt_loop_in_tick(const struct tt_loop *loop);

/* The next tick does not wait. */
void tt_loop_again(struct tt_loop *loop);

/* ---- timers ---- */

/* A one-shot timer; embed it and zero it. */
struct tt_timer {
    uint64_t due_ms; /* on tt_loop_now's clock; 0 = not running */
    size_t position; /* in the heap */
    struct tt_loop *loop;
    void (*on_due)(struct tt_timer *timer);
};
/* Starts a timer, or moves a running one. delay_ms counts from now, not from the start of the tick.
 * on_due never comes early, and never in the tick phase that started it: a delay of 0 started by a
 * timer runs in the next tick, which does not wait. */
void tt_timer_start(struct tt_loop *loop, struct tt_timer *timer, uint64_t delay_ms);
void tt_timer_stop(struct tt_timer *timer); /* harmless when not running */

/* ---- mail from other threads ---- */

/* A message to a loop: runs there, in the order in which one thread posted. */
struct tt_mail {
    struct tt_list node;
    void (*deliver)(struct tt_mail *mail); /* on the loop's thread; may free the mail */
};
/* Owns: the poster's memory until deliver is called. Never blocks. Thread: any. Mail posted to a
 * loop that has stopped for good is never delivered. */
void tt_loop_post(struct tt_loop *loop, struct tt_mail *mail);
