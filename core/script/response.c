/* What a handler returned becomes an answer: {status, json | body, headers} or {stream = reply}, or
 * nil and an error. Runs inside the task's coroutine, so everything may raise; the answer itself is
 * the last step. */
#include "script/bind.h"
#include "script/request.h"
#include "script/value.h"

static void add_header(lua_State *L, struct tt_visit *visit, const char *name, int index)
{
    struct tt_str value;
    if (!lua_isstring(L, index))
        luaL_error(L, "response header '%s' is a %s", name, luaL_typename(L, index));
    value.data = lua_tolstring(L, index, &value.len);
    tt_http_add_header(visit->exchange, tt_str_from(name), value);
}

static void add_headers(lua_State *L, struct tt_visit *visit, int response)
{
    if (lua_getfield(L, response, "headers") == LUA_TTABLE) {
        int table = lua_gettop(L);
        lua_pushnil(L);
        while (lua_next(L, table)) {
            if (lua_type(L, -2) != LUA_TSTRING)
                luaL_error(L, "response header names must be strings");
            const char *name = lua_tostring(L, -2);
            int value = lua_gettop(L);
            if (lua_type(L, value) == LUA_TTABLE) {
                for (lua_Integer i = 1; i <= (lua_Integer)lua_rawlen(L, value); i++) {
                    lua_rawgeti(L, value, i);
                    add_header(L, visit, name, lua_gettop(L));
                    lua_pop(L, 1);
                }
            } else {
                add_header(L, visit, name, value);
            }
            lua_settop(L, value - 1);
        }
    }
    lua_settop(L, response);
}

/* ---- errors ---- */

struct error_args {
    lua_State *L;
    int table; /* 0 = none */
};

static struct tt_str arg_of(void *arg, struct tt_str name)
{
    struct error_args *args = arg;
    struct tt_str value = {0};

    if (!args->table)
        return value;
    lua_pushlstring(args->L, name.data, name.len);
    lua_rawget(args->L, args->table);
    if (lua_isstring(args->L, -1))
        value.data = lua_tolstring(args->L, -1, &value.len);
    /* Stays on the stack, so that a converted number lives until the answer is written. */
    return value;
}

static void render_error(lua_State *L, struct tt_visit *visit, int index)
{
    struct error_args args = {.L = L};
    struct tt_visit_error error = {.arg_of = arg_of, .arg = &args};

    if (lua_type(L, index) != LUA_TTABLE)
        luaL_error(L, "a handler must return a response or nil and an error table");
    error.code = tt_value_field(L, index, "code").data;
    if (!error.code)
        luaL_error(L, "the error table has no 'code'");
    error.retry_after_s = tt_value_field_int(L, index, "retry_after", 0);
    error.detail = tt_value_field(L, index, "message").data;
    luaL_checkstack(L, 32, "error");
    add_headers(L, visit, index);
    if (lua_getfield(L, index, "args") == LUA_TTABLE)
        args.table = lua_gettop(L);
    tt_visit_fail(visit, &error);
}

/* ---- answers ---- */

static bool render_stream(lua_State *L, struct tt_visit *visit, int response)
{
    lua_getfield(L, response, "stream");
    struct tt_reply *reply = tt_llm_reply(L, lua_gettop(L));
    lua_pop(L, 1); /* the response keeps it */
    if (!reply)
        return false;
    int64_t after = tt_value_field_int(L, response, "after", 0);
    add_headers(L, visit, response);
    tt_visit_stream(visit, reply, after < 0 ? 0 : (uint64_t)after);
    return true;
}

static void read_body(lua_State *L, struct tt_visit *visit, int response, struct tt_buf *out)
{
    struct tt_str text = tt_value_field(L, response, "body");
    struct tt_str type = tt_value_field(L, response, "content_type");

    if (lua_getfield(L, response, "json") != LUA_TNIL) {
        tt_value_encode(L, lua_gettop(L), out);
        type = TT_STR("application/json; charset=utf-8");
    } else if (text.data) {
        tt_buf_append_str(out, text);
        type = type.data ? type : TT_STR("text/plain; charset=utf-8");
    }
    lua_pop(L, 1);
    if (type.data)
        tt_http_add_header(visit->exchange, TT_STR("Content-Type"), type);
}

void tt_response_render(lua_State *L, struct tt_visit *visit)
{
    int response = lua_gettop(L) - 1;

    luaL_checkstack(L, 16, "response");
    if (lua_isnil(L, response)) {
        render_error(L, visit, response + 1);
        return;
    }
    if (lua_type(L, response) != LUA_TTABLE)
        luaL_error(L, "a handler returned a %s, not a response table",
                   luaL_typename(L, response));
    lua_settop(L, response);
    if (render_stream(L, visit, response))
        return;
    int64_t status = tt_value_field_int(L, response, "status", 200);
    if (status < 200 || status > 599)
        luaL_error(L, "response status %d is not allowed", (int)status);
    struct tt_buf *scratch = tt_value_scratch(L);
    read_body(L, visit, response, scratch);
    add_headers(L, visit, response);
    /* The scratch buffer's memory moves into the answer; the state gets a new one when it needs it. */
    tt_visit_reply(visit, (int)status, scratch);
}
