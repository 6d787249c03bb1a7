/* tide.test: assertions. A failed one names the line of the test and says where two values differ,
 * by the path to each difference. */
#include "base/clock.h"
#include "script/task.h"
#include "tide/modules.h"

#include <stdio.h>

#define DIFFERENCES_MAX 8
#define DEPTH_MAX       32
#define SHOWN_MAX       200
#define EVENTUALLY_MS   10000

/* Raises {"file:line: text"}: a failed assertion, see testing.c. Text on top of the stack. */
static int fail(lua_State *L)
{
    lua_createtable(L, 1, 0);
    luaL_where(L, 1);
    lua_pushvalue(L, -3);
    lua_concat(L, 2);
    lua_rawseti(L, -2, 1);
    return lua_error(L);
}

/* Pushes the value at index in Lua's notation, shortened. */
static void show(lua_State *L, int index)
{
    size_t len;
    bool quoted = lua_type(L, index) == LUA_TSTRING;
    const char *text = luaL_tolstring(L, index, &len);
    luaL_Buffer shown;

    luaL_buffinit(L, &shown);
    luaL_addstring(&shown, quoted ? "\"" : "");
    luaL_addlstring(&shown, text, len > SHOWN_MAX ? SHOWN_MAX : len);
    luaL_addstring(&shown, len > SHOWN_MAX ? "…" : "");
    luaL_addstring(&shown, quoted ? "\"" : "");
    luaL_pushresult(&shown);
    lua_remove(L, -2);
}

struct differences {
    int list;  /* table of texts */
    int count; /* more than DIFFERENCES_MAX are not kept */
};

static void note(lua_State *L, struct differences *found, int path, int actual, int expected)
{
    if (found->count++ >= DIFFERENCES_MAX)
        return;
    show(L, expected);
    show(L, actual);
    lua_pushfstring(L, "  %s: expected %s, got %s", lua_tostring(L, path), lua_tostring(L, -2),
                    lua_tostring(L, -1));
    lua_rawseti(L, found->list, found->count);
    lua_pop(L, 2);
}

static void compare(lua_State *L, struct differences *found, int path, int actual, int expected,
                    int depth);

/* The key is on top of the stack: compares its values in both tables. */
static void compare_key(lua_State *L, struct differences *found, int path, int actual, int expected,
                        int depth)
{
    int key = lua_gettop(L);

    if (lua_type(L, key) == LUA_TSTRING) {
        lua_pushfstring(L, "%s.%s", lua_tostring(L, path), lua_tostring(L, key));
    } else {
        luaL_tolstring(L, key, NULL);
        lua_pushfstring(L, "%s[%s]", lua_tostring(L, path), lua_tostring(L, -1));
        lua_remove(L, -2);
    }
    lua_pushvalue(L, key);
    lua_rawget(L, actual);
    lua_pushvalue(L, key);
    lua_rawget(L, expected);
    compare(L, found, key + 1, key + 2, key + 3, depth + 1);
    lua_settop(L, key);
}

static void compare(lua_State *L, struct differences *found, int path, int actual, int expected,
                    int depth)
{
    luaL_checkstack(L, 16, "values too deep");
    if (lua_rawequal(L, actual, expected) || lua_compare(L, actual, expected, LUA_OPEQ))
        return;
    if (!lua_istable(L, actual) || !lua_istable(L, expected) || depth > DEPTH_MAX) {
        note(L, found, path, actual, expected);
        return;
    }
    for (lua_pushnil(L); lua_next(L, expected);) {
        lua_pop(L, 1);
        compare_key(L, found, path, actual, expected, depth);
    }
    for (lua_pushnil(L); lua_next(L, actual);) {
        lua_pop(L, 1);
        lua_pushvalue(L, -1);
        bool there = lua_rawget(L, expected) != LUA_TNIL;
        lua_pop(L, 1);
        if (!there)
            compare_key(L, found, path, actual, expected, depth);
    }
}

/* equal(actual, expected, what?) */
static int test_equal(lua_State *L)
{
    struct differences found = {0};

    luaL_checkany(L, 2);
    const char *what = luaL_optstring(L, 3, "value");
    lua_settop(L, 3);
    lua_newtable(L);
    found.list = 4;
    lua_pushstring(L, what);
    compare(L, &found, 5, 1, 2, 0);
    if (found.count == 0)
        return 0;
    lua_settop(L, 5);
    lua_pushfstring(L, "not equal");
    for (int i = 1; i <= found.count && i <= DIFFERENCES_MAX; i++) {
        lua_pushliteral(L, "\n");
        lua_rawgeti(L, found.list, i);
        lua_concat(L, 3);
    }
    if (found.count > DIFFERENCES_MAX) {
        lua_pushfstring(L, "\n  and %d more differences", found.count - DIFFERENCES_MAX);
        lua_concat(L, 2);
    }
    return fail(L);
}

/* contains(text, part): plain text, no pattern */
static int test_contains(lua_State *L)
{
    size_t len, part_len;
    const char *text = luaL_checklstring(L, 1, &len);
    const char *part = luaL_checklstring(L, 2, &part_len);

    if (memmem(text, len, part, part_len))
        return 0;
    show(L, 1);
    show(L, 2);
    lua_pushfstring(L, "%s does not contain %s", lua_tostring(L, -2), lua_tostring(L, -1));
    return fail(L);
}

/* truthy(value, what?) returns the value */
static int test_truthy(lua_State *L)
{
    luaL_checkany(L, 1);
    if (lua_toboolean(L, 1)) {
        lua_settop(L, 1);
        return 1;
    }
    lua_pushfstring(L, "%s is %s", luaL_optstring(L, 2, "value"), luaL_tolstring(L, 1, NULL));
    return fail(L);
}

/* ---- eventually(what, probe): 1 = what, 2 = probe, 3 = deadline ---- */

static int probe_again(lua_State *L, int status, lua_KContext context);

static int after_probe(lua_State *L, int status, lua_KContext context)
{
    (void)status;
    if (lua_toboolean(L, 4)) {
        lua_settop(L, 4);
        return 1;
    }
    if (tt_clock_mono_ms() > (uint64_t)lua_tointeger(L, 3)) {
        lua_pushfstring(L, "did not happen: %s", lua_tostring(L, 1));
        return fail(L);
    }
    lua_settop(L, 3);
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_getfield(L, -1, "tide.time");
    lua_getfield(L, -1, "sleep");
    lua_replace(L, 4);
    lua_settop(L, 4);
    lua_pushinteger(L, 5);
    lua_callk(L, 1, 0, context, probe_again);
    return probe_again(L, LUA_OK, context);
}

static int probe_again(lua_State *L, int status, lua_KContext context)
{
    (void)status;
    lua_settop(L, 3);
    lua_pushvalue(L, 2);
    lua_callk(L, 0, 1, context, after_probe);
    return after_probe(L, LUA_OK, context);
}

static int test_eventually(lua_State *L)
{
    luaL_checkstring(L, 1);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    tt_task_check_wait(L, "test.eventually");
    lua_settop(L, 2);
    lua_pushinteger(L, (lua_Integer)tt_clock_mono_ms() + EVENTUALLY_MS);
    return probe_again(L, LUA_OK, 0);
}

static const luaL_Reg functions[] = {
    {"equal", test_equal},
    {"contains", test_contains},
    {"truthy", test_truthy},
    {"eventually", test_eventually},
    {NULL, NULL},
};

void tt_tide_test_check(lua_State *L)
{
    luaL_setfuncs(L, functions, 0);
}
