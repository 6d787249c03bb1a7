/* Turns a handler's result into an answer: {status, json | body | chunks, headers} or {stream =
 * reply}, or nil and an error. Runs inside the task's coroutine, where everything may raise: so the
 * parts that can raise come first (headers are gathered on the stack, the body in the state's
 * buffer), and only then the exchange is touched. An answer is complete, or it is the answer to a
 * script error.
 */
#include "script/value.h"
#include "script/value_raw.h"
#include "serve/chunks.h"
#include "serve/request.h"
#include "serve/route_schema.h"
#include "tide/modules.h"

#define HEADERS_MAX 64

/* ---- headers ---- */

/* Pushes name and value. */
static void push_header(lua_State *L, const char *name, int value, int first)
{
    if (!lua_isstring(L, value))
        luaL_error(L, "response header '%s' is a %s", name, luaL_typename(L, value));
    if (lua_gettop(L) - first >= 2 * HEADERS_MAX)
        luaL_error(L, "more than %d response headers", HEADERS_MAX);
    lua_pushstring(L, name);
    lua_pushvalue(L, value);
    lua_tostring(L, -1); /* a number becomes text here, where it may raise */
}

/* Pushes the headers of a response or error as pairs of strings; returns how many. */
static int gather_headers(lua_State *L, int response)
{
    int first = lua_gettop(L) + 1;

    lua_pushliteral(L, "headers");
    if (lua_rawget(L, response) == LUA_TNIL) {
        lua_pop(L, 1);
        return 0;
    }
    luaL_checkstack(L, 2 * HEADERS_MAX + 16, "headers"); /* not before: coroutines keep it */
    if (lua_type(L, first) != LUA_TTABLE)
        luaL_error(L, "response field 'headers' is a %s", luaL_typename(L, first));
    /* Below the pairs: the table, then key and value of the walk. */
    lua_pushnil(L);
    lua_pushnil(L);
    for (;;) {
        lua_pushvalue(L, first + 1);
        if (!lua_next(L, first))
            break;
        lua_replace(L, first + 2);
        lua_replace(L, first + 1);
        if (lua_type(L, first + 1) != LUA_TSTRING)
            luaL_error(L, "response header names must be strings");
        const char *name = lua_tostring(L, first + 1);
        if (lua_type(L, first + 2) != LUA_TTABLE) {
            push_header(L, name, first + 2, first + 3);
            continue;
        }
        lua_Integer count = (lua_Integer)lua_rawlen(L, first + 2);
        for (lua_Integer i = 1; i <= count; i++) {
            lua_rawgeti(L, first + 2, i);
            push_header(L, name, lua_gettop(L), first + 3);
            lua_remove(L, -3);
        }
    }
    return (lua_gettop(L) - first - 2) / 2;
}

/* Adds the pairs on top of the stack; cannot raise. */
static void add_headers(lua_State *L, struct tt_request *request, int count)
{
    for (int i = lua_gettop(L) - 2 * count + 1; i < lua_gettop(L); i += 2) {
        struct tt_str name, value;
        name.data = lua_tolstring(L, i, &name.len);
        value.data = lua_tolstring(L, i + 1, &value.len);
        tt_http_add_header(request->exchange, name, value);
    }
}

/* ---- errors ---- */

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

static void render_error(lua_State *L, struct tt_request *request, int index)
{
    struct error_args args = {.L = L};
    struct tt_request_error error = {0};

    if (lua_type(L, index) != LUA_TTABLE)
        luaL_error(L, "%s:%d: the handler must return a response, or nil and an error table",
                   request->route->file.data, request->route->line);
    error.code = tt_value_field(L, index, "code").data;
    if (!error.code)
        luaL_error(L, "the error table has no 'code'");
    error.retry_after_s = tt_value_field_int(L, index, "retry_after", 0);
    error.detail = tt_value_field(L, index, "message").data;
    error.told = tt_value_field(L, index, "detail");
    lua_pushliteral(L, "args");
    if (lua_rawget(L, index) == LUA_TTABLE)
        args.table = lua_gettop(L);
    args.top = lua_gettop(L);
    struct tt_buf *text = tt_value_scratch(L);
    tt_request_fill(request, error.code, arg_of, &args, text);
    error.text = tt_buf_str(text);
    lua_settop(L, args.top);
    if (args.table) {
        lua_pushliteral(L, "field");
        if (lua_rawget(L, args.table) == LUA_TSTRING)
            error.param = tt_value_field(L, args.table, "field");
        lua_settop(L, args.top);
    }
    int headers = gather_headers(L, index);
    add_headers(L, request, headers);
    tt_request_fail(request, &error);
}

/* ---- answers ---- */

/* Pushes the table that describes the chunks of a stream; returns its index, 0 = there is none.
 * Scripts of before have it in the field `openai`, without a form. */
static int push_chunks(lua_State *L, int response)
{
    lua_pushliteral(L, "chunks");
    if (lua_rawget(L, response) == LUA_TTABLE)
        return lua_gettop(L);
    lua_pop(L, 1);
    lua_pushliteral(L, "openai");
    if (lua_rawget(L, response) == LUA_TTABLE)
        return lua_gettop(L);
    lua_pop(L, 1);
    return 0;
}

/* JSON that is text or a tide.Raw. */
static struct tt_str read_json(lua_State *L, int table, const char *key)
{
    struct tt_str json = {0};

    lua_pushstring(L, key);
    lua_rawget(L, table);
    bool raw = tt_value_raw(L, lua_gettop(L), &json);
    lua_pop(L, 1);
    return raw ? json : tt_value_field(L, table, key);
}

/* The response's `chunks` beside a stream: see lua/types/request.lua. */
static bool read_chunks(lua_State *L, int response, struct tt_frames_chunks *chunks)
{
    int table = push_chunks(L, response);

    if (table == 0)
        return false;
    struct tt_str form = tt_value_field(L, table, "form");
    chunks->format = tt_frames_format(form.data ? form : TT_STR("chat"));
    if (!chunks->format)
        luaL_error(L, "a stream has no form '%s'", form.data);
    chunks->id = tt_value_field(L, table, "id");
    chunks->model = tt_value_field(L, table, "model");
    chunks->head = read_json(L, table, "head");
    chunks->created = tt_value_field_int(L, table, "created", 0);
    chunks->after = tt_value_field_int(L, table, "after", -1);
    lua_pushliteral(L, "include_usage");
    lua_rawget(L, table);
    chunks->include_usage = lua_toboolean(L, -1);
    lua_pop(L, 2); /* the response keeps the strings alive */
    return true;
}

static bool render_stream(lua_State *L, struct tt_request *request, int response)
{
    lua_pushliteral(L, "stream");
    if (lua_rawget(L, response) == LUA_TNIL) {
        lua_pop(L, 1);
        return false;
    }
    struct tt_reply *reply = tt_tide_reply(L, lua_gettop(L));
    if (!reply)
        luaL_error(L, "response field 'stream' is a %s, not a reply", luaL_typename(L, -1));
    int64_t after = tt_value_field_int(L, response, "after", 0);
    struct tt_frames_chunks chunks = {0};
    bool as_chunks = read_chunks(L, response, &chunks);
    int headers = gather_headers(L, response);
    add_headers(L, request, headers);
    tt_request_stream(request, reply, after < 0 ? 0 : (uint64_t)after, as_chunks ? &chunks : NULL);
    return true;
}

static bool is_json(struct tt_str type)
{
    struct tt_str rest = type, name;

    return type.data && tt_str_split(&rest, ';', &name) &&
           tt_str_eq_nocase(tt_str_trim(name), TT_STR("application/json"));
}

static void append(lua_State *L, struct tt_buf *out, struct tt_str text)
{
    if (tt_buf_append_str(out, text) != 0)
        tt_value_raise_full(L, out, "the response's body is too large");
}

/* Fills in the body and returns its type; data == NULL when there is none. JSON ends with a
 * newline, whoever has encoded it. */
static struct tt_str read_body(lua_State *L, struct tt_request *request, int response,
                               struct tt_buf *out)
{
    struct tt_str text = tt_value_field(L, response, "body");
    struct tt_str type = tt_value_field(L, response, "content_type");

    lua_pushliteral(L, "json");
    if (lua_rawget(L, response) != LUA_TNIL) {
        tt_route_encode(L, request, lua_gettop(L), out);
        type = TT_STR("application/json; charset=utf-8");
    } else if (text.data) {
        append(L, out, text);
        type = type.data ? type : TT_STR("text/plain; charset=utf-8");
    }
    if (out->len > 0 && out->data[out->len - 1] != '\n' && is_json(type))
        append(L, out, TT_STR("\n"));
    lua_pop(L, 1);
    return type;
}

/* The function of an answer in chunks goes to the top of the stack. */
static bool open_chunks(lua_State *L, struct tt_request *request, int response, int status)
{
    int function = lua_gettop(L);
    if (lua_type(L, function) != LUA_TFUNCTION)
        luaL_error(L, "response field 'chunks' is a %s", luaL_typename(L, function));
    struct tt_str type = tt_value_field(L, response, "content_type");
    int headers = gather_headers(L, response);
    add_headers(L, request, headers);
    tt_http_add_header(request->exchange, TT_STR("Content-Type"),
                       type.data ? type : TT_STR("text/plain; charset=utf-8"));
    if (!tt_chunks_open(request, status))
        return false;
    lua_settop(L, function);
    return true;
}

bool tt_request_render(lua_State *L, struct tt_request *request)
{
    int response = lua_gettop(L) - 1;

    luaL_checkstack(L, 16, "response");
    if (lua_isnil(L, response)) {
        render_error(L, request, response + 1);
        return false;
    }
    if (lua_type(L, response) != LUA_TTABLE)
        luaL_error(L, "%s:%d: the handler returned a %s, not a response table",
                   request->route->file.data, request->route->line, luaL_typename(L, response));
    lua_settop(L, response);
    if (render_stream(L, request, response))
        return false;
    int64_t status = tt_value_field_int(L, response, "status", 200);
    if (status < 200 || status > 599)
        luaL_error(L, "response status %I is not allowed", (LUAI_UACINT)status);
    lua_pushliteral(L, "chunks");
    if (lua_rawget(L, response) != LUA_TNIL)
        return open_chunks(L, request, response, (int)status);
    lua_settop(L, response);
    struct tt_buf *body = tt_value_scratch(L);
    struct tt_str type = read_body(L, request, response, body);
    struct tt_err err = {0};
    if (tt_http_may_send(request->exchange, request->user_id, body->len, &err) != 0) {
        tt_buf_free(body);
        tt_request_fail(request,
                        &(struct tt_request_error){.code = err.code, .detail = err.message});
        return false;
    }
    int headers = gather_headers(L, response);
    add_headers(L, request, headers);
    if (type.data)
        tt_http_add_header(request->exchange, TT_STR("Content-Type"), type);
    /* The buffer's memory moves into the answer; the state gets a new one when it needs it. */
    tt_request_reply(request, (int)status, body);
    return false;
}
