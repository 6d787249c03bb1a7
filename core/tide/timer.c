/* tide.timer: functions that run at a time of their own, apart from requests. */
#include "script/task.h"
#include "script/timers.h"
#include "script/value.h"
#include "tide/modules.h"

#define SINGLE_META  "tide.Timer"
#define EVERY_MIN_MS 10
#define MAX_MS       ((lua_Integer)30 * 86400 * 1000)
#define AFTER_MAX_MS ((lua_Integer)3600 * 1000) /* it keeps an old generation in memory */

/* ---- every ---- */

static void check_name(lua_State *L, const struct tt_vm *vm, const char *name, size_t len)
{
    int count = 0;

    luaL_argcheck(L, len >= 1 && len <= TT_TIMER_NAME_MAX && strlen(name) == len, 1,
                  "a name of 1 to 64 bytes");
    tt_list_for_each (node, &vm->timers) {
        count++;
        if (strcmp(tt_list_entry(node, struct tt_timers_declared, node)->name, name) == 0)
            luaL_error(L, "timer.every: the timer '%s' is declared twice", name);
    }
    if (count == TT_TIMERS_MAX)
        luaL_error(L, "timer.every: more than %d timers", TT_TIMERS_MAX);
}

static int timer_every(lua_State *L)
{
    struct tt_vm *vm = tt_vm_of(L);
    size_t len;

    if (vm->loaded)
        return luaL_error(L, "timer.every can only be called while a module loads");
    const char *name = luaL_checklstring(L, 1, &len);
    lua_Integer ms = luaL_checkinteger(L, 2);
    luaL_argcheck(L, ms >= EVERY_MIN_MS && ms <= MAX_MS, 2, "10 ms to 30 days");
    luaL_checktype(L, 3, LUA_TFUNCTION);
    check_name(L, vm, name, len);
    lua_settop(L, 3);
    int function = luaL_ref(L, LUA_REGISTRYINDEX);
    struct tt_timers_declared *declared = lua_newuserdatauv(L, sizeof(*declared), 0);
    luaL_ref(L, LUA_REGISTRYINDEX); /* it lives as long as the state */
    memset(declared, 0, sizeof(*declared));
    memcpy(declared->name, name, len);
    declared->ms = (uint64_t)ms;
    declared->function = function;
    tt_list_push_back(&vm->timers, &declared->node);
    return 0;
}

/* ---- after ---- */

static int timer_after(lua_State *L)
{
    struct tt_task *task = tt_task_check(L, "timer.after");
    struct tt_err err = {0};

    lua_Integer ms = luaL_checkinteger(L, 1);
    luaL_argcheck(L, ms >= 0 && ms <= AFTER_MAX_MS, 1, "0 ms to 1 hour");
    luaL_checktype(L, 2, LUA_TFUNCTION);
    struct tt_single **holder = lua_newuserdatauv(L, sizeof(*holder), 0);
    *holder = NULL;
    luaL_setmetatable(L, SINGLE_META);
    struct tt_detached *call = tt_detached_new(L, 2, "timer.after");
    *holder = tt_single_start(tt_task_runtime(task), call, (uint64_t)ms, &err);
    if (*holder)
        return 1;
    tt_detached_free(call);
    return tt_value_push_error(L, &err);
}

static int single_cancel(lua_State *L)
{
    tt_task_check(L, "timer:cancel");
    struct tt_single **holder = luaL_checkudata(L, 1, SINGLE_META);
    lua_pushboolean(L, *holder && tt_single_cancel(*holder));
    return 1;
}

static int single_gc(lua_State *L)
{
    struct tt_single **holder = luaL_checkudata(L, 1, SINGLE_META);
    if (*holder)
        tt_single_unref(*holder);
    *holder = NULL;
    return 0;
}

static const luaL_Reg methods[] = {{"cancel", single_cancel}, {NULL, NULL}};

static const luaL_Reg functions[] = {{"every", timer_every}, {"after", timer_after}, {NULL, NULL}};

int tt_tide_timer(lua_State *L)
{
    tt_value_new_class(L, SINGLE_META, methods, single_gc);
    luaL_newlib(L, functions);
    return 1;
}
