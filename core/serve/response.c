/* Turns a handler's result into an answer: {status, json | body | chunks | events | file |
 * redirect, headers, cookies} or {stream = reply}, or nil and an error. Runs inside the task's
 * coroutine, where everything may raise: so the parts that can raise come first (headers are
 * gathered on the stack, the body in the state's buffer), and only then the exchange is touched. An
 * answer is complete, or it is the answer to a script error.
 */
#include "http/event_stream.h"
#include "script/value.h"
#include "script/value_raw.h"
#include "serve/chunks.h"
#include "serve/events.h"
#include "serve/relay.h"
#include "serve/request.h"
#include "serve/response_error.h"
#include "serve/response_file.h"
#include "serve/response_headers.h"
#include "serve/route_schema.h"
#include "tide/modules.h"

/* ---- errors ---- */

static void render_error(lua_State *L, struct tt_request *request, int index)
{
    struct tt_request_error error = {0};

    tt_response_error_read(L, request, index, &error);
    int headers = tt_response_gather_headers(L, request, index);
    tt_response_add_headers(L, request, headers);
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
    int headers = tt_response_gather_headers(L, request, response);
    tt_response_add_headers(L, request, headers);
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

/* The function that writes an answer goes to the top of the stack; false: there is none. */
static bool push_writer(lua_State *L, int response, const char *field)
{
    lua_settop(L, response);
    lua_pushstring(L, field);
    if (lua_rawget(L, response) == LUA_TNIL)
        return false;
    if (lua_type(L, -1) != LUA_TFUNCTION)
        luaL_error(L, "response field '%s' is a %s, not a function", field, luaL_typename(L, -1));
    return true;
}

static bool open_chunks(lua_State *L, struct tt_request *request, int response, int status)
{
    struct tt_str type = tt_value_field(L, response, "content_type");

    tt_response_add_headers(L, request, tt_response_gather_headers(L, request, response));
    tt_http_add_header(request->exchange, TT_STR("Content-Type"),
                       type.data ? type : TT_STR("text/plain; charset=utf-8"));
    return tt_chunks_open(request, status, &tt_chunks_plain);
}

static bool open_events(lua_State *L, struct tt_request *request, int response, int status)
{
    tt_response_add_headers(L, request, tt_response_gather_headers(L, request, response));
    tt_http_event_stream_head(request->exchange);
    return tt_chunks_open(request, status, &tt_events_type);
}

/* Whether the answer is written by a function; then *runs says whether that, on top of the stack,
 * is to be run. */
static bool render_written(lua_State *L, struct tt_request *request, int response, int status,
                           bool *runs)
{
    if (push_writer(L, response, "events"))
        *runs = open_events(L, request, response, status);
    else if (push_writer(L, response, "chunks"))
        *runs = open_chunks(L, request, response, status);
    else
        return false;
    lua_settop(L, response + 1);
    return true;
}

/* What another node has begun to answer, or has answered. */
static bool render_relayed(lua_State *L, struct tt_request *request, int response)
{
    bool is_table = lua_type(L, response) == LUA_TTABLE;

    if (request->opened && is_table && render_stream(L, request, response))
        return true;
    if (request->opened) {
        int status = is_table ? (int)tt_value_field_int(L, response, "status", 200) : 500;
        tt_request_close_opened(request, status);
        return true;
    }
    return is_table && tt_value_field_int(L, response, "relay", 0) > 0;
}

bool tt_request_render(lua_State *L, struct tt_request *request)
{
    int response = lua_gettop(L) - 1;

    luaL_checkstack(L, 16, "response");
    if (request->dispatcher->relay && render_relayed(L, request, response))
        return false;
    if (lua_isnil(L, response)) {
        render_error(L, request, response + 1);
        return false;
    }
    if (lua_type(L, response) != LUA_TTABLE)
        luaL_error(L, "%s:%d: the handler returned a %s, not a response table",
                   request->route->file.data, request->route->line, luaL_typename(L, response));
    lua_settop(L, response);
    if (render_stream(L, request, response) || tt_response_redirect(L, request, response))
        return false;
    int64_t status = tt_value_field_int(L, response, "status", 200);
    if (status < 200 || status > 599)
        luaL_error(L, "response status %I is not allowed", (LUAI_UACINT)status);
    if (tt_response_file(L, request, response))
        return false;
    bool runs;
    if (render_written(L, request, response, (int)status, &runs))
        return runs;
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
    int headers = tt_response_gather_headers(L, request, response);
    tt_response_add_headers(L, request, headers);
    if (type.data)
        tt_http_add_header(request->exchange, TT_STR("Content-Type"), type);
    /* The buffer's memory moves into the answer; the state gets a new one when it needs it. */
    tt_request_reply(request, (int)status, body);
    return false;
}
