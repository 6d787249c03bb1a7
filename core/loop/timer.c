/* Timers: a binary heap of (time, order of starting), with positions stored in the timers so that
 * any one can be moved or stopped in O(log n) without a search. Resolution is 1 ms and all rounding
 * goes up: a timer never runs early, and the wait before it never ends early, which would make the
 * loop spin through the last fraction of a millisecond. Does not repeat: a periodic job starts
 * itself again. */
#include "base/clock.h"
#include "base/mem.h"
#include "loop/loop_internal.h"

#include <limits.h>

#define NS_PER_MS UINT64_C(1000000)

static bool before(const struct tt_timer_slot *a, const struct tt_timer_slot *b)
{
    return a->due_ms != b->due_ms ? a->due_ms < b->due_ms : a->order < b->order;
}

static void put(struct tt_timer_heap *heap, size_t position, struct tt_timer_slot slot)
{
    heap->slots[position] = slot;
    slot.timer->position = position;
}

/* Moves `slot`, which belongs at or above `position`, to its place. */
static void sift_up(struct tt_timer_heap *heap, size_t position, struct tt_timer_slot slot)
{
    while (position > 0) {
        size_t parent = (position - 1) / 2;
        if (!before(&slot, &heap->slots[parent]))
            break;
        put(heap, position, heap->slots[parent]);
        position = parent;
    }
    put(heap, position, slot);
}

static void sift_down(struct tt_timer_heap *heap, size_t position, struct tt_timer_slot slot)
{
    for (;;) {
        size_t child = position * 2 + 1;
        if (child >= heap->count)
            break;
        if (child + 1 < heap->count && before(&heap->slots[child + 1], &heap->slots[child]))
            child++;
        if (!before(&heap->slots[child], &slot))
            break;
        put(heap, position, heap->slots[child]);
        position = child;
    }
    put(heap, position, slot);
}

static void settle(struct tt_timer_heap *heap, size_t position, struct tt_timer_slot slot)
{
    if (position > 0 && before(&slot, &heap->slots[(position - 1) / 2]))
        sift_up(heap, position, slot);
    else
        sift_down(heap, position, slot);
}

/* Delay 0 is due at once, at the time already begun; any other counts from the next full ms. */
static uint64_t due_time(uint64_t delay_ms)
{
    uint64_t now_ns = tt_clock_mono_ns();
    uint64_t due = now_ns / NS_PER_MS;
    if (delay_ms > 0 && now_ns % NS_PER_MS)
        due++;
    if (delay_ms > UINT64_MAX - due)
        return UINT64_MAX;
    due += delay_ms;
    return due ? due : 1; /* 0 means not running */
}

void tt_timer_start(struct tt_loop *loop, struct tt_timer *timer, uint64_t delay_ms)
{
    struct tt_timer_heap *heap = &loop->timers;
    struct tt_timer_slot slot = {due_time(delay_ms), heap->next_order++, timer};
    if (timer->due_ms && timer->loop != loop)
        tt_timer_stop(timer);
    if (timer->due_ms) {
        timer->due_ms = slot.due_ms;
        settle(heap, timer->position, slot);
        return;
    }
    if (heap->count == heap->cap) {
        heap->cap = heap->cap ? heap->cap * 2 : 64;
        heap->slots = tt_realloc(heap->slots, heap->cap * sizeof(*heap->slots));
    }
    timer->loop = loop;
    timer->due_ms = slot.due_ms;
    heap->count++;
    sift_up(heap, heap->count - 1, slot);
}

void tt_timer_stop(struct tt_timer *timer)
{
    if (!timer->due_ms)
        return;
    struct tt_timer_heap *heap = &timer->loop->timers;
    struct tt_timer_slot last = heap->slots[--heap->count];
    timer->due_ms = 0;
    if (last.timer != timer)
        settle(heap, timer->position, last);
}

/* A timer that a callback starts is due no earlier than this tick's now, and later in order: it can
 * stand behind what is due, never hide it, so stopping at the first new one is right. */
void tt_timer_heap_run(struct tt_timer_heap *heap, uint64_t now_ms)
{
    uint64_t first_new = heap->next_order;
    while (heap->count > 0 && heap->slots[0].due_ms <= now_ms && heap->slots[0].order < first_new) {
        struct tt_timer *timer = heap->slots[0].timer;
        tt_timer_stop(timer);
        timer->on_due(timer);
    }
}

int tt_timer_heap_wait(const struct tt_timer_heap *heap)
{
    if (heap->count == 0)
        return -1;
    uint64_t due_ms = heap->slots[0].due_ms;
    uint64_t now_ns = tt_clock_mono_ns();
    uint64_t now_ms = now_ns / NS_PER_MS;
    if (due_ms <= now_ms)
        return 0;
    /* The difference to the ms already begun is the wait rounded up. */
    return due_ms - now_ms > INT_MAX ? INT_MAX : (int)(due_ms - now_ms);
}
