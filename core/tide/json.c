/* tide.json: strict JSON for scripts. */
#include "script/value.h"
#include "script/value_raw.h"
#include "tide/modules.h"

static int json_decode(lua_State *L)
{
    struct tt_err err = {0};
    struct tt_str text;

    if (!tt_value_raw(L, 1, &text))
        text.data = luaL_checklstring(L, 1, &text.len);
    if (tt_value_decode(L, text, &err) != 0)
        return tt_value_push_error(L, &err);
    return 1;
}

static int json_decode_free(lua_State *L)
{
    struct tt_str text = {0};

    tt_value_raw(L, 1, &text);
    if (text.len > TT_VALUE_MUCH)
        lua_gc(L, LUA_GCSTOP); /* tt_value_call_uncharged */
    return json_decode(L);
}

/* A client decides the cost of its bytes. */
static int json_decode_any(lua_State *L)
{
    if (!tt_value_raw_take_free(L, 1))
        return json_decode(L);
    lua_settop(L, 1);
    lua_pushcfunction(L, json_decode_free);
    lua_insert(L, 1);
    if (tt_value_call_uncharged(L, 1, LUA_MULTRET, true) != LUA_OK)
        return lua_error(L);
    return lua_gettop(L);
}

static int json_raw(lua_State *L)
{
    struct tt_err err = {0};
    struct tt_str text;

    text.data = luaL_checklstring(L, 1, &text.len);
    if (tt_json_check(text, TT_JSON_MAX_DEPTH, &err) != 0)
        return tt_value_push_error(L, &err);
    tt_value_raw_push(L, text);
    return 1;
}

static int json_is_raw(lua_State *L)
{
    struct tt_str text;
    lua_pushboolean(L, tt_value_raw(L, 1, &text));
    return 1;
}

static int json_encode(lua_State *L)
{
    struct tt_buf *buf = tt_value_scratch(L);
    luaL_checkany(L, 1);
    tt_value_encode(L, 1, buf);
    lua_pushlstring(L, buf->data, buf->len);
    return 1;
}

static int json_pretty(lua_State *L)
{
    struct tt_str compact;

    json_encode(L);
    compact.data = lua_tolstring(L, -1, &compact.len);
    struct tt_buf *buf = tt_value_scratch(L);
    if (tt_json_indent(compact, buf) != 0)
        return luaL_error(L, "json.pretty: the text is too long");
    lua_pushlstring(L, buf->data, buf->len);
    return 1;
}

static int json_array(lua_State *L)
{
    if (lua_isnoneornil(L, 1)) {
        lua_settop(L, 0);
        lua_newtable(L);
    } else {
        luaL_checktype(L, 1, LUA_TTABLE);
        lua_settop(L, 1);
        if (luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL && !tt_value_is_array(L, 1))
            return luaL_error(L, "json.array: this table is protected");
        lua_settop(L, 1);
    }
    tt_value_mark_array(L);
    return 1;
}

static int json_is_array(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_pushboolean(L, tt_value_is_array(L, 1));
    return 1;
}

static const luaL_Reg functions[] = {
    {"decode", json_decode_any}, {"encode", json_encode},
    {"pretty", json_pretty},     {"array", json_array},
    {"is_array", json_is_array}, {"raw", json_raw},
    {"is_raw", json_is_raw},     {NULL, NULL},
};

int tt_tide_json(lua_State *L)
{
    luaL_newlib(L, functions);
    tt_value_push_null(L);
    lua_setfield(L, -2, "null");
    return 1;
}
