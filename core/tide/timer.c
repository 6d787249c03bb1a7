/* tide.timer: functions that run at a time of their own, apart from requests. */
#include "base/clock.h"
#include "script/task.h"
#include "script/timers.h"
#include "script/value.h"
#include "tide/modules.h"

#define SINGLE_META  "tide.Timer"
#define EVERY_MIN_MS 10
#define MAX_MS       ((lua_Integer)30 * 86400 * 1000)
#define LATEST_US    ((int64_t)253370764800 * 1000000) /* the year 9999 */
#define AFTER_MAX_MS ((lua_Integer)3600 * 1000)        /* it keeps an old generation in memory */

/* ---- declarations ---- */

static void check_name(lua_State *L, const struct tt_vm *vm, const char *function, const char *name)
{
    int count = 0;

    tt_list_for_each (node, &vm->timers) {
        count++;
        if (strcmp(tt_list_entry(node, struct tt_timers_declared, node)->name, name) == 0)
            luaL_error(L, "%s: the timer '%s' is declared twice", function, name);
    }
    if (count == TT_TIMERS_MAX)
        luaL_error(L, "%s: more than %d timers", function, TT_TIMERS_MAX);
}

static const char *check_name_arg(lua_State *L, int index)
{
    size_t len;
    const char *name = luaL_checklstring(L, index, &len);
    luaL_argcheck(L, len >= 1 && len <= TT_TIMER_NAME_MAX && strlen(name) == len, index,
                  "a name of 1 to 64 bytes");
    return name;
}

static bool read_nodes(lua_State *L, int index, const char *function)
{
    lua_getfield(L, index, "nodes");
    const char *nodes = lua_isnil(L, -1) ? "one" : lua_tostring(L, -1);
    bool each = nodes && strcmp(nodes, "each") == 0;
    if (!each && !(nodes && strcmp(nodes, "one") == 0))
        luaL_error(L, "%s: 'nodes' is 'one' or 'each'", function);
    lua_pop(L, 1);
    return each;
}

/* The options at index, a table or nothing. A misspelt one would silently do nothing. */
static enum tt_timers_first read_options(lua_State *L, int index, const char *function,
                                         const char **name, bool *each_node)
{
    static const char *const values[] = {"due", "missed", "start", NULL};

    if (lua_isnoneornil(L, index))
        return TT_TIMER_FIRST_DUE;
    luaL_checktype(L, index, LUA_TTABLE);
    lua_pushnil(L);
    while (lua_next(L, index)) {
        const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "?";
        if (strcmp(key, "first") != 0 && !(name && strcmp(key, "name") == 0) &&
            !(each_node && strcmp(key, "nodes") == 0))
            luaL_error(L, "%s: there is no option '%s'", function, key);
        lua_pop(L, 1);
    }
    if (name && lua_getfield(L, index, "name") != LUA_TNIL)
        *name = check_name_arg(L, -1);
    if (each_node)
        *each_node = read_nodes(L, index, function);
    lua_getfield(L, index, "first");
    const char *first = lua_isnil(L, -1) ? "due" : lua_tostring(L, -1);
    for (int i = 0; first && values[i]; i++)
        if (strcmp(first, values[i]) == 0 && (name || i != TT_TIMER_FIRST_MISSED))
            return (enum tt_timers_first)i;
    luaL_error(L, "%s: 'first' is %s", function,
               name ? "'due', 'missed' or 'start'" : "'due' or 'start'");
    return TT_TIMER_FIRST_DUE;
}

/* Adds a declaration; the function is at index 3. Returns it for the rest. */
static struct tt_timers_declared *declare(lua_State *L, struct tt_vm *vm, const char *name)
{
    lua_pushvalue(L, 3);
    int function = luaL_ref(L, LUA_REGISTRYINDEX);
    struct tt_timers_declared *declared = lua_newuserdatauv(L, sizeof(*declared), 0);
    luaL_ref(L, LUA_REGISTRYINDEX); /* it lives as long as the state */
    memset(declared, 0, sizeof(*declared));
    memcpy(declared->name, name, strlen(name));
    declared->function = function;
    tt_list_push_back(&vm->timers, &declared->node);
    return declared;
}

static int timer_every(lua_State *L)
{
    struct tt_vm *vm = tt_vm_of(L);

    if (vm->loaded)
        return luaL_error(L, "timer.every can only be called while a module loads");
    const char *name = check_name_arg(L, 1);
    lua_Integer ms = luaL_checkinteger(L, 2);
    luaL_argcheck(L, ms >= EVERY_MIN_MS && ms <= MAX_MS, 2, "10 ms to 30 days");
    luaL_checktype(L, 3, LUA_TFUNCTION);
    bool each_node = false;
    enum tt_timers_first first = read_options(L, 4, "timer.every", NULL, &each_node);
    check_name(L, vm, "timer.every", name);
    struct tt_timers_declared *declared = declare(L, vm, name);
    declared->ms = (uint64_t)ms;
    declared->each_node = each_node;
    declared->first = first;
    return 0;
}

/* The calendar at 1 and 2; -1 with err. */
static int read_calendar(lua_State *L, struct tt_cron *cron, const struct tt_zone **zone,
                         struct tt_err *err)
{
    struct tt_str schedule, name;

    schedule.data = luaL_checklstring(L, 1, &schedule.len);
    name.data = luaL_checklstring(L, 2, &name.len);
    *zone = tt_zone_get(name, err);
    return *zone ? tt_cron_read(schedule, cron, err) : -1;
}

static int timer_cron(lua_State *L)
{
    struct tt_vm *vm = tt_vm_of(L);
    const struct tt_zone *zone;
    struct tt_cron cron;
    struct tt_err err = {0};

    if (vm->loaded)
        return luaL_error(L, "timer.cron can only be called while a module loads");
    lua_settop(L, 4);
    if (read_calendar(L, &cron, &zone, &err) != 0)
        return luaL_error(L, "timer.cron: %s", err.message);
    luaL_checktype(L, 3, LUA_TFUNCTION);
    const char *schedule = lua_pushfstring(L, "%s %s", lua_tostring(L, 1), lua_tostring(L, 2));
    luaL_argcheck(L, strlen(schedule) <= TT_TIMER_SCHEDULE_MAX, 1, "a schedule that is shorter");
    const char *name = schedule;
    enum tt_timers_first first = read_options(L, 4, "timer.cron", &name, NULL);
    if (strlen(name) > TT_TIMER_NAME_MAX)
        return luaL_error(L, "timer.cron: so long a schedule needs the option 'name'");
    check_name(L, vm, "timer.cron", name);
    struct tt_timers_declared *declared = declare(L, vm, name);
    declared->zone = zone;
    declared->cron = cron;
    memcpy(declared->schedule, schedule, strlen(schedule));
    declared->first = first;
    return 0;
}

static int timer_next(lua_State *L)
{
    const struct tt_zone *zone;
    struct tt_cron cron;
    struct tt_err err = {0};
    int64_t after = luaL_optinteger(L, 3, tt_clock_wall_us());

    luaL_argcheck(L, after >= 0 && after < LATEST_US, 3, "microseconds since 1970");
    if (read_calendar(L, &cron, &zone, &err) != 0)
        return tt_value_push_error(L, &err);
    lua_pushinteger(L, tt_cron_next(&cron, zone, after / 1000000) * 1000000);
    return 1;
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

static const luaL_Reg functions[] = {{"every", timer_every},
                                     {"cron", timer_cron},
                                     {"next", timer_next},
                                     {"after", timer_after},
                                     {NULL, NULL}};

int tt_tide_timer(lua_State *L)
{
    tt_value_new_class(L, SINGLE_META, methods, single_gc);
    luaL_newlib(L, functions);
    return 1;
}
