/* tide.schema: what is read by a schema, without a Lua call for each value. */
#include "script/schema.h"

#include "tide/modules.h"

static int schema_read(lua_State *L)
{
    struct tt_schema_source source = {.max_depth = TT_JSON_MAX_DEPTH};
    struct tt_err err = {0};

    luaL_checktype(L, 1, LUA_TTABLE);
    source.json.data = luaL_checklstring(L, 2, &source.json.len);
    switch (tt_schema_read(L, 1, &source, &err)) {
    case TT_SCHEMA_FINE:
        return tt_schema_run_checks(L, 1) == TT_SCHEMA_FINE ? 1 : 2;
    case TT_SCHEMA_REFUSED:
        return 2;
    default:
        return tt_value_push_error(L, &err);
    }
}

static int schema_check_texts(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_checktype(L, 2, LUA_TTABLE);
    if (tt_schema_read_texts(L, 1, 2, 0) != TT_SCHEMA_FINE)
        return 2;
    return tt_schema_run_checks(L, 1) == TT_SCHEMA_FINE ? 1 : 2;
}

static const luaL_Reg functions[] = {
    {"read", schema_read},
    {"check_texts", schema_check_texts},
    {NULL, NULL},
};

int tt_tide_schema(lua_State *L)
{
    luaL_newlib(L, functions);
    return 1;
}
