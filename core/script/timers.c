/* Named timers. Those with an interval follow a grid: the next due time is a multiple of the
 * interval after the previous one; calendar_timers.c has those with a calendar. Ticks that could
 * not run in time (a tick took longer, the worker was busy) are not made up for; the next tick gets
 * their number as `missed`. A timer is started again only when its tick has ended, even if a reload
 * came in between: so ticks never overlap, and the new code's tick waits for the old code's.
 *
 * A timer's record outlives generations; it is found by name. Between the old vm's retiring and the
 * new one's adopting it has no vm. */
#include "base/clock.h"
#include "base/log.h"
#include "node/node.h"
#include "script/timers_internal.h"

#include <stdlib.h>

#define LOOK_MS   10000
#define KEEPER_MS 1000

static void forget(struct tt_named_timer *named)
{
    tt_timer_stop(&named->timer);
    tt_list_remove(&named->node);
    free(named);
}

/* ---- a tick ---- */

int tt_timers_push_tick(lua_State *L, const struct tt_timers_tick *tick)
{
    lua_createtable(L, 0, 4);
    lua_pushstring(L, tick->name);
    lua_setfield(L, -2, "name");
    lua_pushinteger(L, (lua_Integer)tick->number);
    lua_setfield(L, -2, "number");
    lua_pushinteger(L, (lua_Integer)tick->missed);
    lua_setfield(L, -2, "missed");
    if (tick->at_us >= 0) {
        lua_pushinteger(L, tick->at_us);
        lua_setfield(L, -2, "at");
    }
    return 1;
}

static int push_tick(lua_State *L, void *arg)
{
    const struct tt_named_timer *named = arg;
    return tt_timers_push_tick(
        L, &(struct tt_timers_tick){named->name, named->number, named->missed,
                                    named->calendar.zone ? named->calendar.at_s * 1000000 : -1});
}

void tt_named_timer_free_again(struct tt_named_timer *named)
{
    named->busy = false;
    if (named->vm)
        tt_named_timer_arm(named);
    else
        forget(named);
}

static void on_tick_over(void *arg, bool failed)
{
    struct tt_named_timer *named = arg;

    if (failed) {
        uint64_t failures = ++named->runtime->timers.failures;
        tt_log(TT_LOG_ERROR, "a timer's tick failed", TT_F_Z("timer", named->name),
               TT_F_INT("number", (int64_t)named->number), TT_F_INT("failures", (int64_t)failures));
    }
    if (named->calendar.zone && !named->cut_off)
        tt_timers_calendar_done(named);
    tt_named_timer_free_again(named);
}

static void on_tick_dropped(void *arg)
{
    struct tt_named_timer *named = arg;
    named->cut_off = true;
}

void tt_named_timer_tick(struct tt_named_timer *named)
{
    struct tt_timers *timers = &named->runtime->timers;

    named->busy = true;
    named->cut_off = false;
    timers->ticks++;
    timers->missed += named->missed;
    tt_detached_run(tt_detached_borrow(named->vm, named->function, named->name),
                    &(struct tt_detached_call){push_tick, on_tick_over, on_tick_dropped, named});
}

static void on_due(struct tt_timer *timer)
{
    struct tt_named_timer *named = TT_CONTAINER_OF(timer, struct tt_named_timer, timer);
    uint64_t now = tt_loop_now(named->runtime->loop);

    if (named->calendar.zone) {
        tt_timers_calendar_due(named);
        return;
    }
    if (!named->each_node && !tt_node_is_keeper(named->runtime->node)) {
        tt_timer_start(named->runtime->loop, timer, KEEPER_MS); /* it may become the keeper */
        return;
    }
    named->missed = now > named->due_ms ? (now - named->due_ms) / named->ms : 0;
    named->number += 1 + named->missed;
    named->due_ms += (1 + named->missed) * named->ms;
    tt_named_timer_tick(named);
}

void tt_named_timer_arm(struct tt_named_timer *named)
{
    uint64_t now = tt_clock_mono_ms();

    if (named->busy || !named->vm || named->runtime->timers.stopped)
        return;
    uint64_t wait = named->due_ms > now ? named->due_ms - now : 0;
    if (named->calendar.zone)
        wait = tt_timers_calendar_wait(named);
    tt_timer_start(named->runtime->loop, &named->timer, wait);
}

/* ---- generations ---- */

/* FNV-1a: the same name is the same worker's, whatever else is declared. */
static bool is_mine(const struct tt_runtime *runtime, const char *name)
{
    uint32_t hash = 2166136261u;
    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * 16777619u;
    return (int)(hash % (uint32_t)runtime->workers) == runtime->worker;
}

static struct tt_named_timer *find(struct tt_runtime *runtime, const char *name)
{
    tt_list_for_each (node, &runtime->timers.named) {
        struct tt_named_timer *named = tt_list_entry(node, struct tt_named_timer, node);
        if (strcmp(named->name, name) == 0)
            return named;
    }
    return NULL;
}

static struct tt_named_timer *named_new(struct tt_runtime *runtime,
                                        const struct tt_timers_declared *declared)
{
    struct tt_named_timer *named = TT_NEW(struct tt_named_timer);
    named->runtime = runtime;
    memcpy(named->name, declared->name, sizeof(named->name));
    named->timer.on_due = on_due;
    named->due_ms = UINT64_MAX;
    if (declared->first == TT_TIMER_FIRST_START)
        named->due_ms = tt_clock_mono_ms();
    tt_list_push_back(&runtime->timers.named, &named->node);
    return named;
}

static void set_interval(struct tt_named_timer *named, const struct tt_timers_declared *declared)
{
    uint64_t now = tt_clock_mono_ms(); /* the loop may not run yet */

    if (named->ms != declared->ms && named->due_ms > now + declared->ms)
        named->due_ms = now + declared->ms;
    named->ms = declared->ms;
    named->each_node = declared->each_node;
    named->calendar.zone = NULL;
}

void tt_timers_adopt(struct tt_vm *vm)
{
    struct tt_runtime *runtime = vm->runtime;

    runtime->timers.active = vm;
    if (runtime->timers.named_off)
        return;
    tt_list_for_each (node, &vm->timers) {
        struct tt_timers_declared *declared = tt_list_entry(node, struct tt_timers_declared, node);
        if (!is_mine(runtime, declared->name))
            continue;
        struct tt_named_timer *named = find(runtime, declared->name);
        if (!named)
            named = named_new(runtime, declared);
        if (declared->zone)
            tt_timers_calendar_set(named, declared);
        else
            set_interval(named, declared);
        named->vm = vm;
        named->function = declared->function;
        tt_named_timer_arm(named);
    }
    tt_list_for_each_safe (node, &runtime->timers.named) {
        struct tt_named_timer *named = tt_list_entry(node, struct tt_named_timer, node);
        if (!named->vm && !named->busy)
            forget(named);
    }
}

/* Those that the next vm has adopted already are its own by now. */
void tt_timers_give_up(struct tt_vm *vm)
{
    struct tt_timers *timers = &vm->runtime->timers;

    tt_list_for_each_safe (node, &timers->named) {
        struct tt_named_timer *named = tt_list_entry(node, struct tt_named_timer, node);
        if (named->vm != vm)
            continue;
        tt_timer_stop(&named->timer);
        named->vm = NULL;
        if (timers->active != vm && !named->busy)
            forget(named);
    }
}

/* ---- single calls ---- */

struct tt_single {
    struct tt_list node; /* runtime->timers.single */
    int references;      /* the list, and the script's handle */
    struct tt_runtime *runtime;
    struct tt_detached *call; /* NULL once it has begun or was cancelled */
    struct tt_timer timer;
};

void tt_single_unref(struct tt_single *single)
{
    if (--single->references == 0)
        free(single);
}

static struct tt_detached *take_call(struct tt_single *single)
{
    struct tt_detached *call = single->call;
    single->call = NULL;
    if (call) {
        tt_timer_stop(&single->timer);
        tt_list_remove(&single->node);
        single->runtime->timers.single_count--;
        tt_single_unref(single);
    }
    return call;
}

static void on_single_due(struct tt_timer *timer)
{
    struct tt_single *single = TT_CONTAINER_OF(timer, struct tt_single, timer);
    tt_detached_run(take_call(single), &(struct tt_detached_call){0});
}

struct tt_single *tt_single_start(struct tt_runtime *runtime, struct tt_detached *call, uint64_t ms,
                                  struct tt_err *err)
{
    struct tt_timers *timers = &runtime->timers;

    if (timers->stopped || timers->single_count >= TT_TIMER_SINGLE_MAX) {
        tt_err_set(err, 503, "busy", "%s",
                   timers->stopped ? "the server stops" : "too many calls are waiting already");
        return NULL;
    }
    struct tt_single *single = TT_NEW(struct tt_single);
    single->references = 2;
    single->runtime = runtime;
    single->call = call;
    single->timer.on_due = on_single_due;
    tt_list_push_back(&timers->single, &single->node);
    timers->single_count++;
    tt_timer_start(runtime->loop, &single->timer, ms);
    return single;
}

bool tt_single_cancel(struct tt_single *single)
{
    struct tt_detached *call = take_call(single);
    tt_detached_free(call);
    return call != NULL;
}

/* ---- life ---- */

void tt_timers_create(struct tt_timers *timers)
{
    tt_list_init(&timers->named);
    tt_list_init(&timers->single);
    timers->wall_us = tt_clock_wall_us;
    timers->look_ms = LOOK_MS;
}

void tt_timers_stop(struct tt_timers *timers)
{
    timers->stopped = true;
    tt_list_for_each (node, &timers->named) {
        struct tt_named_timer *named = tt_list_entry(node, struct tt_named_timer, node);
        tt_timer_stop(&named->timer);
        tt_timers_calendar_stop(named);
    }
    while (!tt_list_empty(&timers->single))
        tt_single_cancel(tt_list_entry(timers->single.next, struct tt_single, node));
}

void tt_timers_destroy(struct tt_timers *timers)
{
    while (!tt_list_empty(&timers->named))
        forget(tt_list_entry(timers->named.next, struct tt_named_timer, node));
}
