/* tide.test: test cases, requests to the server under test. Works in
 * `tidetalk test` only; elsewhere every call raises an error. Assertions are in test_check.c. */
#include "base/mem.h"
#include "script/task.h"
#include "script/value.h"
#include "tide/modules.h"
#include "tide/testing.h"

#include <stdio.h>

static int test_case(lua_State *L)
{
    struct tt_testing *testing = tt_testing_check(L, false);
    size_t len;
    const char *name = luaL_checklstring(L, 1, &len);

    luaL_checktype(L, 2, LUA_TFUNCTION);
    if (tt_vm_of(L)->current)
        return luaL_error(L, "test.case stands at the top of a test file, not inside a case");
    lua_settop(L, 2);
    int function = luaL_ref(L, LUA_REGISTRYINDEX);
    testing->cases = tt_realloc(testing->cases, (testing->count + 1) * sizeof(struct tt_test_case));
    testing->cases[testing->count++] =
        (struct tt_test_case){.name = tt_str_of(tt_strndup(name, len), len), .function = function};
    return 0;
}

/* ---- requests ---- */

struct sending {
    struct tt_wait wait;
    struct tt_aux_job job;
    struct tt_testing *testing;
    struct tt_buf method, path, headers, body; /* of the request */
    struct tt_buf answer_head, answer_body;
    int status;
    struct tt_err error;
};

static void sending_run(struct tt_aux_job *job)
{
    struct sending *sending = TT_CONTAINER_OF(job, struct sending, job);
    struct tt_str body = sending->body.data ? tt_buf_str(&sending->body) : (struct tt_str){0};

    sending->status =
        sending->testing->send(sending->testing->send_arg, sending->method.data, sending->path.data,
                               tt_buf_str(&sending->headers), body, &sending->answer_head,
                               &sending->answer_body, &sending->error);
}

static void sending_done(struct tt_aux_job *job)
{
    tt_wait_done(&TT_CONTAINER_OF(job, struct sending, job)->wait);
}

static void sending_drop(struct tt_aux_job *job)
{
    tt_wait_drop(&TT_CONTAINER_OF(job, struct sending, job)->wait);
}

static void sending_abandon(struct tt_wait *wait)
{
    tt_aux_cancel(&TT_CONTAINER_OF(wait, struct sending, wait)->job);
}

static void sending_close(struct tt_wait *wait)
{
    struct sending *sending = TT_CONTAINER_OF(wait, struct sending, wait);
    tt_buf_free(&sending->method);
    tt_buf_free(&sending->path);
    tt_buf_free(&sending->headers);
    tt_buf_free(&sending->body);
    tt_buf_free(&sending->answer_head);
    tt_buf_free(&sending->answer_body);
}

/* Header lines as a table, names in lower case. */
static void push_headers(lua_State *L, struct tt_str head)
{
    struct tt_str line;

    lua_newtable(L);
    while (head.len > 0) {
        tt_str_split(&head, '\n', &line);
        ptrdiff_t colon = tt_str_find(line, ':');
        if (colon <= 0)
            continue;
        luaL_Buffer name;
        luaL_buffinit(L, &name);
        for (ptrdiff_t i = 0; i < colon; i++)
            luaL_addchar(&name, (char)(line.data[i] >= 'A' && line.data[i] <= 'Z'
                                           ? line.data[i] + ('a' - 'A')
                                           : line.data[i]));
        luaL_pushresult(&name);
        struct tt_str value =
            tt_str_trim(tt_str_of(line.data + colon + 1, line.len - (size_t)colon - 1));
        lua_pushlstring(L, value.data, value.len);
        lua_rawset(L, -3);
    }
}

/* The frames of a stream, decoded: response.frames. */
static void push_frames(lua_State *L, struct tt_str body)
{
    struct tt_str line;
    struct tt_err err = {0};

    lua_newtable(L);
    while (body.len > 0) {
        tt_str_split(&body, '\n', &line);
        if (!tt_str_starts(line, TT_STR("data: ")))
            continue;
        if (tt_value_decode(L, tt_str_of(line.data + 6, line.len - 6), &err) != 0)
            lua_pushlstring(L, line.data + 6, line.len - 6);
        lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
    }
}

static int sending_push(struct tt_wait *wait, lua_State *L)
{
    struct sending *sending = TT_CONTAINER_OF(wait, struct sending, wait);
    struct tt_str body = tt_buf_str(&sending->answer_body);
    struct tt_err err = {0};

    if (sending->status < 0)
        return luaL_error(L, "test.request: %s", sending->error.message);
    lua_createtable(L, 0, 4);
    lua_pushinteger(L, sending->status);
    lua_setfield(L, -2, "status");
    lua_pushlstring(L, body.data ? body.data : "", body.len);
    lua_setfield(L, -2, "body");
    push_headers(L, tt_buf_str(&sending->answer_head));
    lua_getfield(L, -1, "content-type");
    const char *type = lua_tostring(L, -1);
    bool json = type && strncmp(type, "application/json", 16) == 0;
    bool events = type && strncmp(type, "text/event-stream", 17) == 0;
    lua_pop(L, 1);
    lua_setfield(L, -2, "headers");
    if (json && tt_value_decode(L, body, &err) == 0)
        lua_setfield(L, -2, "json");
    if (events) {
        push_frames(L, body);
        lua_setfield(L, -2, "frames");
    }
    return 1;
}

static void check_line(lua_State *L, const char *text, const char *what)
{
    if (strpbrk(text, "\r\n"))
        luaL_error(L, "test.request: a line break in %s", what);
}

/* Reads the spec at 1 into `sending`, which the caller's userdata frees if this raises. */
static void read_spec(lua_State *L, struct sending *sending)
{
    bool json = lua_getfield(L, 1, "json") != LUA_TNIL;
    if (json)
        tt_value_encode(L, lua_gettop(L), &sending->body);
    struct tt_str method = tt_value_field(L, 1, "method"), path = tt_value_field(L, 1, "path");
    struct tt_str body = tt_value_field(L, 1, "body");
    if (!path.data)
        luaL_error(L, "test.request: 'path' is missing");
    check_line(L, path.data, "'path'");
    if (method.data)
        check_line(L, method.data, "'method'");
    tt_buf_append_z(&sending->method, method.data         ? method.data
                                      : json || body.data ? "POST"
                                                          : "GET");
    tt_buf_append_str(&sending->path, path);
    if (!json && body.data)
        tt_buf_append_str(&sending->body, body);
    if (lua_getfield(L, 1, "user") == LUA_TTABLE) {
        struct tt_str token = tt_value_field(L, lua_gettop(L), "token");
        tt_buf_printf(&sending->headers, "Authorization: Bearer %s\r\n",
                      token.data ? token.data : "");
    }
    if (json)
        tt_buf_append_z(&sending->headers, "Content-Type: application/json\r\n");
    if (lua_getfield(L, 1, "headers") == LUA_TTABLE) {
        for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
            if (lua_type(L, -2) != LUA_TSTRING || !lua_isstring(L, -1))
                luaL_error(L, "test.request: 'headers' maps names to texts");
            check_line(L, lua_tostring(L, -2), "a header");
            check_line(L, lua_tostring(L, -1), "a header");
            tt_buf_printf(&sending->headers, "%s: %s\r\n", lua_tostring(L, -2),
                          lua_tostring(L, -1));
        }
    }
}

/* 1 = the spec, 2 = the sending. */
static int read_protected(lua_State *L)
{
    read_spec(L, lua_touserdata(L, 2));
    return 0;
}

int tt_tide_test_request(lua_State *L)
{
    static const struct tt_wait_type type = {
        .push = sending_push, .close = sending_close, .abandon = sending_abandon};
    struct tt_testing *testing = tt_testing_check(L, false);
    struct tt_err err = {0};

    luaL_checktype(L, 1, LUA_TTABLE);
    tt_task_check_wait(L, "test.request");
    lua_settop(L, 1);
    struct sending *sending = tt_wait_new(sizeof(*sending), &type);
    sending->testing = testing;
    sending->job.run = sending_run;
    sending->job.done = sending_done;
    sending->job.drop = sending_drop;
    lua_pushcfunction(L, read_protected);
    lua_pushvalue(L, 1);
    lua_pushlightuserdata(L, sending);
    if (lua_pcall(L, 2, 0, 0) != LUA_OK) {
        tt_wait_free(&sending->wait);
        return lua_error(L);
    }
    if (tt_aux_submit(testing->aux, tt_tide_of(L)->runtime.loop, &sending->job, &err) != 0) {
        tt_wait_free(&sending->wait);
        return luaL_error(L, "test.request: %s", err.message);
    }
    return tt_task_yield(L, &sending->wait);
}

static const luaL_Reg functions[] = {
    {"case", test_case},
    {"request", tt_tide_test_request},
    {NULL, NULL},
};

int tt_tide_test(lua_State *L)
{
    luaL_newlib(L, functions);
    tt_tide_test_user(L);
    tt_tide_test_upstream(L);
    tt_tide_test_http(L);
    tt_tide_test_world(L);
    tt_tide_test_check(L);
    return 1;
}
