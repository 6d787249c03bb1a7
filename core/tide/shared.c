/* tide.shared: dictionaries of integers and strings that all workers share and that outlive
 * reloads. For counters, limits and marks that may be lost, and for which a database is too slow.
 */
#include "cache/shared.h"

#include "script/task.h"
#include "script/value.h"
#include "tide/modules.h"

#define DICT_META  "tide.SharedDict"
#define TTL_MAX_MS ((lua_Integer)365 * 86400 * 1000)

struct dict { /* a script's value */
    size_t len;
    char name[TT_SHARED_NAME_MAX];
};

/* The dictionary at 1 and the key at 2, in a task. */
static struct tt_shared_key check_key(lua_State *L, const char *function)
{
    struct tt_shared_key key;

    tt_task_check(L, function);
    const struct dict *dict = luaL_checkudata(L, 1, DICT_META);
    key.name = tt_str_of(dict->name, dict->len);
    key.key.data = luaL_checklstring(L, 2, &key.key.len);
    if (key.key.len == 0 || key.key.len > TT_SHARED_KEY_MAX)
        luaL_error(L, "%s: a key is 1 to %d bytes", function, TT_SHARED_KEY_MAX);
    return key;
}

static struct tt_shared_value check_value(lua_State *L, int index)
{
    struct tt_shared_value value = {.is_integer = lua_isinteger(L, index)};

    value.integer = lua_tointeger(L, index);
    if (!value.is_integer && lua_type(L, index) != LUA_TSTRING)
        luaL_typeerror(L, index, "integer or string");
    if (!value.is_integer)
        value.text.data = lua_tolstring(L, index, &value.text.len);
    return value;
}

static uint64_t check_ttl(lua_State *L, int index)
{
    lua_Integer ttl_ms = luaL_optinteger(L, index, 0);
    luaL_argcheck(L, ttl_ms >= 0 && ttl_ms <= TTL_MAX_MS, index, "0 ms (no expiry) to 365 days");
    return (uint64_t)ttl_ms;
}

static int dict_get(lua_State *L)
{
    struct tt_shared_key key = check_key(L, "shared:get");
    struct tt_buf *text = tt_value_scratch(L);
    struct tt_shared_value value;

    if (!tt_shared_get(tt_tide_of(L)->shared, &key, &value))
        return 0;
    /* Pushing a string may raise, and then nobody would release the value. */
    if (!value.is_integer)
        tt_buf_append_str(text, value.text);
    tt_cache_value_unref(value.held);
    if (value.is_integer)
        lua_pushinteger(L, value.integer);
    else
        tt_task_push_taken(L, tt_buf_str(text));
    return 1;
}

static int dict_set(lua_State *L)
{
    struct tt_shared_key key = check_key(L, "shared:set");
    struct tt_shared_value value = check_value(L, 3);
    struct tt_err err = {0};

    if (tt_shared_set(tt_tide_of(L)->shared, &key, &value, check_ttl(L, 4), &err) != 0)
        return tt_value_push_error(L, &err);
    lua_pushboolean(L, 1);
    return 1;
}

static int dict_add(lua_State *L)
{
    struct tt_shared_key key = check_key(L, "shared:add");
    struct tt_shared_value value = check_value(L, 3);
    struct tt_err err = {0};
    bool added;

    if (tt_shared_add(tt_tide_of(L)->shared, &key, &value, check_ttl(L, 4), &added, &err) != 0)
        return tt_value_push_error(L, &err);
    lua_pushboolean(L, added);
    return 1;
}

static int dict_incr(lua_State *L)
{
    struct tt_shared_key key = check_key(L, "shared:incr");
    lua_Integer by = luaL_optinteger(L, 3, 1);
    struct tt_err err = {0};
    int64_t sum;

    if (tt_shared_incr(tt_tide_of(L)->shared, &key, by, check_ttl(L, 4), &sum, &err) != 0)
        return tt_value_push_error(L, &err);
    lua_pushinteger(L, sum);
    return 1;
}

static int dict_delete(lua_State *L)
{
    struct tt_shared_key key = check_key(L, "shared:delete");
    lua_pushboolean(L, tt_shared_delete(tt_tide_of(L)->shared, &key));
    return 1;
}

static int dict_ttl(lua_State *L)
{
    struct tt_shared_key key = check_key(L, "shared:ttl");
    int64_t ttl_ms = tt_shared_ttl(tt_tide_of(L)->shared, &key);

    if (ttl_ms < 0)
        return 0;
    lua_pushinteger(L, ttl_ms);
    return 1;
}

static const luaL_Reg methods[] = {
    {"get", dict_get},       {"set", dict_set}, {"add", dict_add}, {"incr", dict_incr},
    {"delete", dict_delete}, {"ttl", dict_ttl}, {NULL, NULL},
};

static int shared_dict(lua_State *L)
{
    size_t len;
    const char *name = luaL_checklstring(L, 1, &len);

    luaL_argcheck(L, len >= 1 && len <= TT_SHARED_NAME_MAX && strlen(name) == len, 1,
                  "a name of 1 to 64 bytes");
    struct dict *dict = lua_newuserdatauv(L, sizeof(*dict), 0);
    dict->len = len;
    memcpy(dict->name, name, len);
    luaL_setmetatable(L, DICT_META);
    return 1;
}

static const luaL_Reg functions[] = {{"dict", shared_dict}, {NULL, NULL}};

int tt_tide_shared(lua_State *L)
{
    tt_value_new_class(L, DICT_META, methods, NULL);
    luaL_newlib(L, functions);
    return 1;
}
