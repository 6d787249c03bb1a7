#include "serve/request_json.h"

#include "script/schema.h"

/* Bytes of a body that takes no time worth a word, and does not build much. */
#define SMALL 4096

/* 1 = the body, 2 = the schema or nil. */
static int read_body(lua_State *L)
{
    const struct tt_str *body = lua_touserdata(L, 1);
    struct tt_schema_source source = {
        .json = body->len > 0 ? *body : TT_STR("{}"),
        .max_depth = TT_BODY_DEPTH_MAX,
        .weight_max = TT_BODY_WEIGHT_MAX,
        .client = true,
    };
    struct tt_err err = {0};

    switch (tt_schema_read(L, 2, &source, &err)) {
    case TT_SCHEMA_FINE:
        return 1;
    case TT_SCHEMA_REFUSED:
        return 2;
    default:
        return tt_value_push_error(L, &err);
    }
}

int tt_request_json_read(lua_State *L, struct tt_str body, int schema, bool free)
{
    int top = lua_gettop(L);

    schema = lua_absindex(L, schema);
    lua_pushcfunction(L, read_body);
    lua_pushlightuserdata(L, &body);
    lua_pushvalue(L, schema);
    if (body.len <= SMALL)
        lua_call(L, 2, LUA_MULTRET);
    else if (tt_value_call_uncharged(L, 2, LUA_MULTRET, free) != LUA_OK)
        return lua_error(L);
    /* Apart from the reading, so that the watchdog counts what a script's function does. */
    if (lua_gettop(L) - top == 1 && lua_istable(L, schema))
        tt_schema_run_checks(L, schema);
    return lua_gettop(L) - top;
}
