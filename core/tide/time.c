/* tide.time: clocks and sleeping. The wall clock is strictly increasing within the process, so that
 * rows sort in the order in which they were made and session names never repeat. */
#include "base/clock.h"
#include "script/task.h"
#include "script/value.h"
#include "tide/modules.h"

#include <stdatomic.h>

static _Atomic int64_t last_us, last_ns;

static int64_t strictly_later(_Atomic int64_t *last, int64_t now)
{
    int64_t before = atomic_load(last);
    int64_t next;
    do {
        next = now > before ? now : before + 1;
    } while (!atomic_compare_exchange_weak(last, &before, next));
    return next;
}

void tt_tide_time_restart(void)
{
    atomic_store(&last_us, 0);
    atomic_store(&last_ns, 0);
}

static int time_now(lua_State *L)
{
    char text[TT_RFC3339_SIZE];
    tt_clock_format(strictly_later(&last_us, tt_clock_wall_us()), text);
    lua_pushstring(L, text);
    return 1;
}

static int time_unix(lua_State *L)
{
    lua_pushinteger(L, tt_clock_wall_us() / 1000000);
    return 1;
}

static int time_unix_us(lua_State *L)
{
    lua_pushinteger(L, tt_clock_wall_us());
    return 1;
}

static int time_unix_ns(lua_State *L)
{
    lua_pushinteger(L, strictly_later(&last_ns, tt_clock_wall_ns()));
    return 1;
}

static int time_mono_ms(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)tt_clock_mono_ms());
    return 1;
}

static int time_parse(lua_State *L)
{
    struct tt_err err = {0};
    int64_t wall_us;
    size_t len;
    const char *text = luaL_checklstring(L, 1, &len);

    if (tt_clock_parse(text, len, &wall_us) != 0) {
        tt_err_set(&err, 400, "invalid_time", "this is no time as in 2026-01-02T03:04:05Z");
        return tt_value_push_error(L, &err);
    }
    lua_pushinteger(L, wall_us);
    return 1;
}

struct sleeping {
    struct tt_wait wait;
    struct tt_timer timer;
};

static void sleep_due(struct tt_timer *timer)
{
    tt_wait_done(&TT_CONTAINER_OF(timer, struct sleeping, timer)->wait);
}

static void sleep_close(struct tt_wait *wait)
{
    tt_timer_stop(&TT_CONTAINER_OF(wait, struct sleeping, wait)->timer);
}

static int time_sleep(lua_State *L)
{
    static const struct tt_wait_type type = {.close = sleep_close};
    struct tt_task *task = tt_task_check_wait(L, "time.sleep");
    lua_Integer ms = luaL_checkinteger(L, 1);
    luaL_argcheck(L, ms >= 0, 1, "milliseconds, not negative");
    struct sleeping *sleeping = tt_wait_new(sizeof(*sleeping), &type);

    sleeping->timer.on_due = sleep_due;
    tt_timer_start(tt_task_runtime(task)->loop, &sleeping->timer, (uint64_t)ms);
    return tt_task_yield(L, &sleeping->wait);
}

static const luaL_Reg functions[] = {
    {"parse", time_parse}, {"format", tt_tide_time_format}, {"now", time_now},
    {"unix", time_unix},   {"unix_ns", time_unix_ns},       {"unix_us", time_unix_us},
    {"sleep", time_sleep}, {"mono_ms", time_mono_ms},       {NULL, NULL},
};

int tt_tide_time(lua_State *L)
{
    luaL_newlib(L, functions);
    tt_tide_time_zone(L);
    return 1;
}
