/* tide.test: answers of other servers, and the requests that were sent to them. */
#include "script/value.h"
#include "tide/modules.h"
#include "tide/testing.h"

#include <string.h>

#define BODY_MAX ((size_t)64 << 20)

static void check_fields(lua_State *L, int index)
{
    static const char *const known[] = {"status", "headers",     "json",
                                        "body",   "retry_after", "pace_ms"};
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
        bool found = false;
        const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "?";
        for (size_t i = 0; !found && i < TT_COUNT(known); i++)
            found = strcmp(key, known[i]) == 0;
        if (!found)
            luaL_error(L, "test.http: there is no field '%s'", key);
    }
}

/* Header lines of the table at `index`; a type of its own for the body, unless it is there. */
static void read_headers(lua_State *L, int index, const char *type, struct tt_buf *out)
{
    bool has_type = false;

    if (lua_getfield(L, index, "headers") == LUA_TTABLE) {
        for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
            if (lua_type(L, -2) != LUA_TSTRING || !lua_isstring(L, -1))
                luaL_error(L, "test.http: 'headers' maps names to texts");
            const char *name = lua_tostring(L, -2);
            tt_buf_printf(out, "%s: %s\n", name, lua_tostring(L, -1));
            has_type = has_type || strcasecmp(name, "content-type") == 0;
        }
    }
    if (!has_type)
        tt_buf_printf(out, "Content-Type: %s\n", type);
    lua_pop(L, 1);
}

/* The answer at `index`: a text, or a table. */
static void push_answer(lua_State *L, struct tt_testing *testing, int index)
{
    struct tt_buf *body = tt_value_push_buf(L, BODY_MAX), *headers = tt_value_push_buf(L, BODY_MAX);
    struct tt_test_answer answer = {.status = 200, .retry_after = -1};
    size_t len;

    if (lua_type(L, index) == LUA_TSTRING) {
        const char *text = lua_tolstring(L, index, &len);
        tt_buf_append(body, text, len);
        tt_buf_append_z(headers, "Content-Type: text/plain; charset=utf-8\n");
    } else {
        luaL_checktype(L, index, LUA_TTABLE);
        check_fields(L, index);
        answer.status = (int)tt_value_field_int(L, index, "status", 200);
        answer.retry_after = tt_value_field_int(L, index, "retry_after", -1);
        answer.pace_ms = tt_value_field_int(L, index, "pace_ms", 0);
        if (answer.status < 200 || answer.status > 599)
            luaL_error(L, "test.http: 'status' is 200 to 599");
        bool json = lua_getfield(L, index, "json") != LUA_TNIL;
        if (json)
            tt_value_encode(L, lua_gettop(L), body);
        else
            tt_buf_append_str(body, tt_value_field(L, index, "body"));
        read_headers(L, index, json ? "application/json" : "text/plain; charset=utf-8", headers);
    }
    answer.body = *body;
    answer.headers = *headers;
    *body = *headers = (struct tt_buf){0};
    struct tt_str url;
    url.data = lua_tolstring(L, 1, &url.len);
    tt_test_upstream_push_http(testing->upstream, url, &answer);
}

/* http(url, answer, …) */
static int test_http(lua_State *L)
{
    struct tt_testing *testing = tt_testing_check(L, true);
    int count = lua_gettop(L);

    luaL_checkstring(L, 1);
    luaL_checkany(L, 2);
    for (int i = 2; i <= count; i++) {
        push_answer(L, testing, i);
        lua_settop(L, count);
    }
    return 0;
}

static void push_header_table(lua_State *L, struct tt_str lines)
{
    struct tt_str line;

    lua_newtable(L);
    while (lines.len > 0) {
        tt_str_split(&lines, '\n', &line);
        ptrdiff_t colon = tt_str_find(line, ':');
        if (colon <= 0)
            continue;
        char *name = lua_newuserdatauv(L, (size_t)colon + 1, 0);
        for (ptrdiff_t i = 0; i < colon; i++)
            name[i] = (char)(line.data[i] >= 'A' && line.data[i] <= 'Z' ? line.data[i] + ('a' - 'A')
                                                                        : line.data[i]);
        struct tt_str value =
            tt_str_trim(tt_str_of(line.data + colon + 1, line.len - (size_t)colon - 1));
        lua_pushlstring(L, name, (size_t)colon);
        lua_pushlstring(L, value.data, value.len);
        lua_rawset(L, -4);
        lua_pop(L, 1);
    }
}

static void set_text(lua_State *L, const char *key, struct tt_str text)
{
    lua_pushlstring(L, text.data ? text.data : "", text.len);
    lua_setfield(L, -2, key);
}

/* All requests that were answered so, in their order. */
static int test_http_asked(lua_State *L)
{
    struct tt_testing *testing = tt_testing_check(L, true);
    struct tt_test_request request;
    struct tt_err err = {0};

    lua_settop(L, 0);
    lua_newtable(L);
    for (size_t i = 0; tt_test_upstream_http_asked(testing->upstream, i, &request); i++) {
        lua_createtable(L, 0, 5);
        set_text(L, "method", tt_buf_str(&request.method));
        set_text(L, "url", tt_buf_str(&request.url));
        set_text(L, "body", tt_buf_str(&request.body));
        push_header_table(L, tt_buf_str(&request.headers));
        lua_setfield(L, -2, "headers");
        if (request.body.len > 0 && tt_value_decode(L, tt_buf_str(&request.body), &err) == 0)
            lua_setfield(L, -2, "json");
        lua_rawseti(L, 1, (lua_Integer)i + 1);
    }
    return 1;
}

static const luaL_Reg functions[] = {
    {"http", test_http}, {"http_asked", test_http_asked}, {NULL, NULL}};

void tt_tide_test_http(lua_State *L)
{
    luaL_setfuncs(L, functions, 0);
}
