#include "serve/response_error.h"

#include "script/value.h"

struct error_args {
    lua_State *L;
    int table; /* 0 = none */
    int top;
};

/* What it returns lives on the stack until the next call. */
static struct tt_str arg_of(void *arg, struct tt_str name)
{
    struct error_args *args = arg;
    struct tt_str value = {0};

    if (!args->table)
        return value;
    lua_settop(args->L, args->top);
    lua_pushlstring(args->L, name.data, name.len);
    lua_rawget(args->L, args->table);
    if (lua_isstring(args->L, -1))
        value.data = lua_tolstring(args->L, -1, &value.len);
    return value;
}

void tt_response_error_read(lua_State *L, struct tt_request *request, int index,
                            struct tt_request_error *error)
{
    struct error_args args = {.L = L};

    if (lua_type(L, index) != LUA_TTABLE)
        luaL_error(L, "%s:%d: the handler must return a response, or nil and an error table",
                   request->route->file.data, request->route->line);
    error->code = tt_value_field(L, index, "code").data;
    if (!error->code)
        luaL_error(L, "the error table has no 'code'");
    error->retry_after_s = tt_value_field_int(L, index, "retry_after", 0);
    error->detail = tt_value_field(L, index, "message").data;
    error->told = tt_value_field(L, index, "detail");
    lua_pushliteral(L, "args");
    if (lua_rawget(L, index) == LUA_TTABLE)
        args.table = lua_gettop(L);
    args.top = lua_gettop(L);
    struct tt_buf *text = tt_value_scratch(L);
    tt_request_fill(request, error->code, arg_of, &args, text);
    error->text = tt_buf_str(text);
    lua_settop(L, args.top);
    if (args.table) {
        lua_pushliteral(L, "field");
        if (lua_rawget(L, args.table) == LUA_TSTRING)
            error->param = tt_value_field(L, args.table, "field");
        lua_settop(L, args.top);
    }
}
