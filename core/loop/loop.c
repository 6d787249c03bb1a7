/* The tick: wait, I/O, mail, timers, ready list, hooks, in this order and once each. The fixed
 * order is the point: work caused by I/O, mail and timers gathers on the ready list, work that must
 * be joined for all of them (one send per socket, one run of the HTTP library) happens in the
 * hooks, and no code is ever called from inside its own call. Two traps are handled here: events
 * that are stale because an earlier callback of the same batch stopped their watch, and work that
 * creates work without end, which gives way to I/O after TT_LOOP_ROUNDS passes. Does not read,
 * write or close descriptors. */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "loop/loop_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void broken(const char *what)
{
    tt_log(TT_LOG_ERROR, "event loop is broken", TT_F_Z("what", what), TT_F_INT("errno", errno));
    abort();
}

/* The tick drains the mailbox anyway; the event only ends the wait. */
static void on_wake(struct tt_watch *watch, uint32_t events)
{
    (void)watch;
    (void)events;
}

struct tt_loop *tt_loop_new(struct tt_err *err)
{
    struct tt_loop *loop = TT_NEW(struct tt_loop);
    loop->epoll_fd = -1;
    loop->mailbox.event_fd = -1;
    loop->now_ms = tt_clock_mono_ms();
    tt_list_init(&loop->ready);
    tt_list_init(&loop->hooks);

    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll_fd < 0) {
        tt_err_set(err, 500, "loop_failed", "epoll_create1: %s", strerror(errno));
        goto fail;
    }
    if (tt_mailbox_open(&loop->mailbox, err) != 0)
        goto fail;
    loop->wake.fd = loop->mailbox.event_fd;
    loop->wake.events = EPOLLIN | EPOLLET;
    loop->wake.on_ready = on_wake;
    if (tt_watch_start(loop, &loop->wake, err) != 0)
        goto fail;
    return loop;

fail:
    tt_loop_free(loop);
    return NULL;
}

void tt_loop_free(struct tt_loop *loop)
{
    if (!loop)
        return;
    tt_watch_stop(&loop->wake);
    tt_mailbox_close(&loop->mailbox);
    if (loop->epoll_fd >= 0)
        close(loop->epoll_fd);
    free(loop->timers.slots);
    free(loop);
}

uint64_t tt_loop_now(const struct tt_loop *loop)
{
    return loop->now_ms;
}

bool tt_loop_in_tick(const struct tt_loop *loop)
{
    return loop->in_tick;
}

void tt_loop_again(struct tt_loop *loop)
{
    loop->again = true;
}

/* ---- descriptors ---- */

int tt_watch_start(struct tt_loop *loop, struct tt_watch *watch, struct tt_err *err)
{
    struct epoll_event event = {.events = watch->events, .data.ptr = watch};
    if (watch->loop)
        return tt_err_set(err, 500, "watch_failed", "fd %d is watched already", watch->fd);
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, watch->fd, &event) != 0)
        return tt_err_set(err, 500, "watch_failed", "epoll_ctl add fd %d: %s", watch->fd,
                          strerror(errno));
    watch->loop = loop;
    return 0;
}

int tt_watch_update(struct tt_watch *watch, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = watch};
    if (!watch->loop)
        return -1;
    /* With EPOLLET and EPOLLONESHOT the call itself arms the watch again. */
    if (events == watch->events && !(events & (EPOLLET | EPOLLONESHOT)))
        return 0;
    if (epoll_ctl(watch->loop->epoll_fd, EPOLL_CTL_MOD, watch->fd, &event) != 0)
        return -1;
    watch->events = events;
    return 0;
}

void tt_watch_stop(struct tt_watch *watch)
{
    struct tt_loop *loop = watch->loop;
    if (!loop)
        return;
    /* Fails only when the fd is closed already, and then the kernel has forgotten it. */
    epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
    for (int i = loop->event_next; i < loop->event_count; i++)
        if (loop->events[i].data.ptr == watch)
            loop->events[i].data.ptr = NULL;
    watch->loop = NULL;
}

static void run_events(struct tt_loop *loop)
{
    while (loop->event_next < loop->event_count) {
        const struct epoll_event *event = &loop->events[loop->event_next++];
        struct tt_watch *watch = event->data.ptr;
        if (!watch)
            continue; /* stopped by a callback of this batch */
        /* An earlier callback may have lost interest in some of it (tt_watch_update). */
        uint32_t wanted = event->events & (watch->events | EPOLLERR | EPOLLHUP);
        if (wanted)
            watch->on_ready(watch, wanted);
    }
    loop->event_next = loop->event_count = 0;
}

/* ---- ready list ---- */

void tt_loop_defer(struct tt_loop *loop, struct tt_deferred *deferred)
{
    if (tt_list_empty(&deferred->node))
        tt_list_push_back(&loop->ready, &deferred->node);
}

void tt_loop_undefer(struct tt_deferred *deferred)
{
    tt_list_remove(&deferred->node);
}

static void run_ready(struct tt_loop *loop)
{
    for (int round = 0; round < TT_LOOP_ROUNDS && !tt_list_empty(&loop->ready); round++) {
        struct tt_list current;
        struct tt_list *node;
        tt_list_init(&current);
        tt_list_splice(&current, &loop->ready);
        while ((node = tt_list_pop_front(&current))) {
            struct tt_deferred *deferred = tt_list_entry(node, struct tt_deferred, node);
            deferred->run(deferred);
        }
    }
}

/* ---- end of tick ---- */

void tt_loop_hook(struct tt_loop *loop, struct tt_hook *hook)
{
    struct tt_list *after = loop->hooks.prev;
    if (!tt_list_empty(&hook->node))
        return;
    while (after != &loop->hooks && tt_list_entry(after, struct tt_hook, node)->rank > hook->rank)
        after = after->prev;
    tt_list_push_front(after, &hook->node);
}

void tt_loop_unhook(struct tt_hook *hook)
{
    tt_list_remove(&hook->node);
}

/* A hook may unhook itself or any other, and hook more: the walk therefore holds its place with a
 * node of its own, which no hook can take away. */
static void run_hooks(struct tt_loop *loop)
{
    struct tt_hook place = {.rank = 0};
    struct tt_list *next = loop->hooks.next;
    while (next != &loop->hooks) {
        struct tt_hook *hook = tt_list_entry(next, struct tt_hook, node);
        place.rank = hook->rank;
        tt_list_push_front(&hook->node, &place.node);
        hook->on_tick_end(hook);
        next = place.node.next;
        tt_list_remove(&place.node);
    }
}

/* ---- the tick ---- */

/* A stop needs no look here: set before it signals, it ends the wait or was seen by tt_loop_run. */
static int wait_time(struct tt_loop *loop, int max_wait_ms)
{
    int wait = tt_timer_heap_wait(&loop->timers);
    if (loop->again || !tt_list_empty(&loop->ready))
        return 0;
    if (wait < 0 || (max_wait_ms >= 0 && max_wait_ms < wait))
        return max_wait_ms < 0 ? -1 : max_wait_ms;
    return wait;
}

void tt_loop_tick(struct tt_loop *loop, int max_wait_ms)
{
    int wait = wait_time(loop, max_wait_ms);
    int count = 0;
    if (loop->in_tick)
        broken("a tick inside a tick");
    loop->in_tick = true;
    loop->again = false;

    count = epoll_wait(loop->epoll_fd, loop->events, TT_LOOP_BATCH, wait);
    if (count < 0 && errno != EINTR)
        broken("epoll_wait");
    uint64_t began_ns = tt_clock_mono_ns();
    loop->now_ms = began_ns / 1000000;
    loop->event_next = 0;
    loop->event_count = count > 0 ? count : 0; /* after a signal: a tick without events */

    run_events(loop);
    tt_mailbox_drain(&loop->mailbox);
    tt_timer_heap_run(&loop->timers, loop->now_ms);
    run_ready(loop);
    run_hooks(loop);
    loop->in_tick = false;
    uint64_t took_ns = tt_clock_mono_ns() - began_ns;
    if (took_ns > loop->slowest_ns)
        loop->slowest_ns = took_ns;
}

uint64_t tt_loop_take_slowest_us(struct tt_loop *loop)
{
    uint64_t slowest_us = loop->slowest_ns / 1000;
    loop->slowest_ns = 0;
    return slowest_us;
}

/* The flag is taken on the way out and not set back on the way in: a stop that comes before the
 * loop's thread got here still counts. */
void tt_loop_run(struct tt_loop *loop)
{
    while (!atomic_exchange(&loop->stop, false))
        tt_loop_tick(loop, -1);
}

void tt_loop_stop(struct tt_loop *loop)
{
    atomic_store(&loop->stop, true);
    tt_mailbox_signal(&loop->mailbox);
}
