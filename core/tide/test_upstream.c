/* tide.test: the scripted upstream's answers, and the requests that it got. An answer is built here
 * in the form of OpenAI's stream; one with `body` is sent as it is. */
#include "script/value.h"
#include "tide/modules.h"
#include "tide/testing.h"

#include <string.h>

#define DELTAS_MAX 10000
#define BODY_MAX   ((size_t)64 << 20)

static void put_delta(struct tt_buf *out, const char *key, struct tt_str text)
{
    struct tt_json_writer w = {.buf = out};

    tt_buf_append_z(out, "data: {\"choices\":[{\"index\":0,\"delta\":");
    tt_json_begin_object(&w);
    tt_json_key(&w, tt_str_from(key));
    tt_json_str(&w, text);
    tt_json_end_object(&w);
    tt_buf_append_z(out, "}]}\n\n");
}

/* Tool calls of the answer, each in one piece: {name, arguments (a table or a text), id?}. */
static void put_tool_calls(lua_State *L, int list, struct tt_buf *out)
{
    lua_Integer count = (lua_Integer)lua_rawlen(L, list);

    tt_buf_append_z(out, "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[");
    for (lua_Integer i = 1; i <= count; i++) {
        struct tt_json_writer w = {.buf = out};
        if (lua_rawgeti(L, list, i) != LUA_TTABLE)
            luaL_error(L, "test.upstream: tool call %d is a %s, not a table", (int)i,
                       luaL_typename(L, -1));
        int call = lua_gettop(L);
        struct tt_str name = tt_value_field(L, call, "name"), id = tt_value_field(L, call, "id");
        if (!name.data)
            luaL_error(L, "test.upstream: tool call %d has no 'name'", (int)i);
        if (lua_getfield(L, call, "arguments") != LUA_TSTRING) {
            struct tt_buf *text = tt_value_push_buf(L, BODY_MAX);
            if (lua_isnil(L, call + 1))
                tt_buf_append_z(text, "{}");
            else
                tt_value_encode(L, call + 1, text);
            lua_pushlstring(L, text->data, text->len);
        }
        struct tt_str arguments;
        arguments.data = lua_tolstring(L, -1, &arguments.len);
        tt_buf_printf(out, "%s{\"index\":%d,\"type\":\"function\",\"id\":", i > 1 ? "," : "",
                      (int)i - 1);
        const char *own_id = lua_pushfstring(L, "call_%d", (int)i);
        tt_json_str(&w, id.data ? id : tt_str_from(own_id));
        tt_buf_append_z(out, ",\"function\":");
        w = (struct tt_json_writer){.buf = out};
        tt_json_begin_object(&w);
        tt_json_key(&w, TT_STR("name"));
        tt_json_str(&w, name);
        tt_json_key(&w, TT_STR("arguments"));
        tt_json_str(&w, arguments);
        tt_json_end_object(&w);
        tt_buf_putc(out, '}');
        lua_settop(L, call - 1);
    }
    tt_buf_append_z(out, "]}}]}\n\n");
}

static void put_end(lua_State *L, int spec, bool calls, struct tt_buf *out)
{
    struct tt_str reason = tt_value_field(L, spec, "finish_reason");
    struct tt_json_writer w = {.buf = out};

    tt_buf_append_z(out, "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":");
    tt_json_str(&w, reason.data ? reason : calls ? TT_STR("tool_calls") : TT_STR("stop"));
    tt_buf_append_z(out, "}]");
    if (lua_getfield(L, spec, "usage") == LUA_TTABLE)
        tt_buf_printf(out, ",\"usage\":{\"prompt_tokens\":%lld,\"completion_tokens\":%lld}",
                      (long long)tt_value_field_int(L, lua_gettop(L), "input_tokens", 0),
                      (long long)tt_value_field_int(L, lua_gettop(L), "output_tokens", 0));
    lua_pop(L, 1);
    tt_buf_append_z(out, "}\n\ndata: [DONE]\n\n");
}

static void build_stream(lua_State *L, int spec, struct tt_buf *out)
{
    struct tt_str reasoning = tt_value_field(L, spec, "reasoning"), text;
    lua_Integer count = (lua_Integer)lua_rawlen(L, spec);

    if (count > DELTAS_MAX)
        luaL_error(L, "test.upstream: more than %d deltas", DELTAS_MAX);
    if (reasoning.data)
        put_delta(out, "reasoning_content", reasoning);
    for (lua_Integer i = 1; i <= count; i++) {
        if (lua_rawgeti(L, spec, i) != LUA_TSTRING)
            luaL_error(L, "test.upstream: delta %d is a %s, not a text", (int)i,
                       luaL_typename(L, -1));
        text.data = lua_tolstring(L, -1, &text.len);
        put_delta(out, "content", text);
        lua_pop(L, 1);
    }
    bool calls = lua_getfield(L, spec, "tool_calls") == LUA_TTABLE;
    if (calls)
        put_tool_calls(L, lua_gettop(L), out);
    lua_pop(L, 1);
    lua_getfield(L, spec, "cut");
    if (!lua_toboolean(L, -1))
        put_end(L, spec, calls, out);
    lua_pop(L, 1);
}

/* A misspelt field would silently mean nothing. */
static void check_fields(lua_State *L, int index)
{
    static const char *const known[] = {"model",       "tool_calls",    "reasoning", "pace_ms",
                                        "usage",       "finish_reason", "cut",       "status",
                                        "retry_after", "body"};
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
        bool found = lua_type(L, -2) != LUA_TSTRING;
        for (size_t i = 0; !found && i < TT_COUNT(known); i++)
            found = strcmp(lua_tostring(L, -2), known[i]) == 0;
        if (!found)
            luaL_error(L, "test.upstream: there is no field '%s'", lua_tostring(L, -2));
    }
}

/* The answer at `index`: a text, or a table. */
static void script_one(lua_State *L, struct tt_testing *testing, int index)
{
    if (lua_type(L, index) == LUA_TSTRING) {
        lua_createtable(L, 1, 0);
        lua_pushvalue(L, index);
        lua_rawseti(L, -2, 1);
        lua_replace(L, index);
    }
    luaL_checktype(L, index, LUA_TTABLE);
    check_fields(L, index);
    struct tt_str body = tt_value_field(L, index, "body");
    int64_t status = tt_value_field_int(L, index, "status", 200);
    struct tt_test_answer answer = {
        .status = (int)status,
        .retry_after = tt_value_field_int(L, index, "retry_after", -1),
        .pace_ms = tt_value_field_int(L, index, "pace_ms", 0),
    };
    if (status < 200 || status > 599 || answer.pace_ms < 0 || answer.pace_ms > 10000)
        luaL_error(L, "test.upstream: 'status' is 200 to 599, 'pace_ms' 0 to 10000");
    answer.is_stream = status == 200 && !body.data;
    struct tt_buf *out = tt_value_push_buf(L, BODY_MAX);
    if (answer.is_stream)
        build_stream(L, index, out);
    else
        tt_buf_append_str(out, body.data ? body : TT_STR("{\"error\":{\"message\":\"scripted\"}}"));
    answer.body = *out;
    *out = (struct tt_buf){0};
    struct tt_str model = tt_value_field(L, index, "model");
    if (model.data)
        tt_buf_append_str(&answer.model, model);
    tt_test_upstream_push(testing->upstream, &answer);
    lua_pop(L, 1);
}

static int test_upstream(lua_State *L)
{
    struct tt_testing *testing = tt_testing_check(L, true);
    int count = lua_gettop(L);

    for (int i = 1; i <= count; i++)
        script_one(L, testing, i);
    return 0;
}

/* The bodies of all requests so far, decoded. */
static int test_asked(lua_State *L)
{
    struct tt_testing *testing = tt_testing_check(L, true);
    struct tt_err err = {0};

    lua_settop(L, 0);
    lua_newtable(L);
    for (size_t i = 0;; i++) {
        struct tt_buf *body = tt_value_scratch(L);
        if (!tt_test_upstream_asked(testing->upstream, i, body))
            return 1;
        lua_pushlstring(L, body->data ? body->data : "", body->len);
        struct tt_str text;
        text.data = lua_tolstring(L, -1, &text.len);
        if (tt_value_decode(L, text, &err) == 0)
            lua_remove(L, -2);
        lua_rawseti(L, 1, (lua_Integer)i + 1);
    }
}

static const luaL_Reg functions[] = {
    {"upstream", test_upstream}, {"asked", test_asked}, {NULL, NULL}};

void tt_tide_test_upstream(lua_State *L)
{
    luaL_setfuncs(L, functions, 0);
}
