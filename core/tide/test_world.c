/* tide.test: the world around a case: the time, named timers, which hooks there are. */
#include "base/clock.h"
#include "base/mem.h"
#include "script/task.h"
#include "script/timers.h"
#include "script/value.h"
#include "tide/modules.h"
#include "tide/testing.h"
#include "upstream/client.h"

#include <string.h>

/* A test's requests come from this machine, of which scripts warn once (login_throttle.lua): in a
 * test that is no news. */
static void note_as_told(struct tt_shared *shared)
{
    const struct tt_shared_key key = {TT_STR("login"), TT_STR("told:loopback")};
    const struct tt_shared_value value = {.is_integer = true, .integer = 1};
    tt_shared_set(shared, &key, &value, 0, NULL);
}

void tt_test_world_open(struct tt_testing *testing, struct tt_vm *vm)
{
    struct tt_tide *tide = tt_tide_of_runtime(vm->runtime);
    note_as_told(tide->shared);
    tt_client_set_detour(tide->chat.client, tt_test_upstream_detour, testing->upstream);
    tt_tide_time_restart();
}

void tt_test_world_close(void)
{
    tt_clock_shift(0);
}

/* ---- time ---- */

static void shift_to(int64_t wall_us)
{
    tt_clock_shift(0);
    tt_clock_shift(wall_us * 1000 - tt_clock_wall_ns());
    tt_tide_time_restart();
}

/* time("2026-03-01T08:00:00Z") or time(seconds since 1970) */
static int test_time(lua_State *L)
{
    int64_t wall_us;
    size_t len;

    tt_testing_check(L, true);
    if (lua_isinteger(L, 1)) {
        wall_us = lua_tointeger(L, 1) * 1000000;
    } else {
        const char *text = luaL_checklstring(L, 1, &len);
        luaL_argcheck(L, tt_clock_parse(text, len, &wall_us) == 0, 1,
                      "a time as in 2026-01-02T03:04:05Z, or seconds since 1970");
    }
    shift_to(wall_us);
    return 0;
}

/* advance(ms) */
static int test_advance(lua_State *L)
{
    lua_Integer ms = luaL_checkinteger(L, 1);

    tt_testing_check(L, true);
    luaL_argcheck(L, ms >= 0, 1, "not back: test.time sets any time");
    shift_to(tt_clock_wall_us() + ms * 1000);
    return 0;
}

/* ---- timers ---- */

struct ticking {
    struct tt_wait wait;
    char name[TT_TIMER_NAME_MAX + 1];
    struct tt_timers_tick tick;
    bool failed, over;
};

static int push_tick(lua_State *L, void *arg)
{
    return tt_timers_push_tick(L, &((const struct ticking *)arg)->tick);
}

static void on_over(void *arg, bool failed)
{
    struct ticking *ticking = arg;
    ticking->failed = failed;
    tt_wait_done(&ticking->wait);
}

/* The tick goes on: it is freed when that is over. */
static void abandon(struct tt_wait *wait)
{
    (void)wait;
}

static int push_result(struct tt_wait *wait, lua_State *L)
{
    const struct ticking *ticking = TT_CONTAINER_OF(wait, struct ticking, wait);
    if (ticking->failed)
        return luaL_error(L, "test.tick: the tick of '%s' failed", ticking->name);
    return 0;
}

static int no_timer(lua_State *L, const struct tt_vm *vm, const char *name)
{
    luaL_Buffer names;
    int count = 0;

    luaL_buffinit(L, &names);
    tt_list_for_each (node, &vm->timers) {
        luaL_addstring(&names, count++ ? ", " : "");
        luaL_addstring(&names, tt_list_entry(node, struct tt_timers_declared, node)->name);
    }
    luaL_pushresult(&names);
    return luaL_error(L, "test.tick: there is no timer '%s'; there are: %s", name,
                      count ? lua_tostring(L, -1) : "none");
}

/* tick(name): runs the timer's function now, and waits until it is over. */
static int test_tick(lua_State *L)
{
    static const struct tt_wait_type type = {.push = push_result, .abandon = abandon};
    struct tt_testing *testing = tt_testing_check(L, true);
    struct tt_vm *vm = tt_vm_of(L);
    const char *name = luaL_checkstring(L, 1);
    const struct tt_timers_declared *found = NULL;

    tt_task_check_wait(L, "test.tick");
    tt_list_for_each (node, &vm->timers) {
        const struct tt_timers_declared *declared =
            tt_list_entry(node, struct tt_timers_declared, node);
        if (strcmp(declared->name, name) == 0)
            found = declared;
    }
    if (!found)
        return no_timer(L, vm, name);
    struct ticking *ticking = tt_wait_new(sizeof(*ticking), &type);
    snprintf(ticking->name, sizeof(ticking->name), "%s", name);
    ticking->tick = (struct tt_timers_tick){.name = ticking->name,
                                            .number = (uint64_t)++testing->tick_count,
                                            .at_us = found->zone ? tt_clock_wall_us() : -1};
    tt_detached_run(
        tt_detached_borrow(vm, found->function, ticking->name),
        &(struct tt_detached_call){.push = push_tick, .on_over = on_over, .arg = ticking});
    return tt_task_yield(L, &ticking->wait);
}

/* ---- hooks ---- */

/* hooks{"hooks.mine", "a_plugin", {before_llm = …}}: from now on there are these only. */
static int test_hooks(lua_State *L)
{
    tt_testing_check(L, true);
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    tt_vm_push_app(L);
    if (lua_getfield(L, -1, "use_hooks") != LUA_TFUNCTION)
        return luaL_error(L, "test.hooks: app.lua is older than this; take over the line with "
                             "'use_hooks' of the server's own lua/app.lua");
    lua_pushvalue(L, 1);
    lua_call(L, 1, 0);
    return 0;
}

static const luaL_Reg functions[] = {
    {"time", test_time}, {"advance", test_advance}, {"tick", test_tick}, {"hooks", test_hooks},
    {NULL, NULL},
};

void tt_tide_test_world(lua_State *L)
{
    luaL_setfuncs(L, functions, 0);
}
