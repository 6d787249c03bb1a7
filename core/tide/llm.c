/* tide.llm: turns, and how to start, find and stop a reply. Lua describes the request and its
 * upstreams; from then on the reply runs in C (running_reply.c). */
#include "chat/usage_store.h"
#include "node/node.h"
#include "reply/reply_stored.h"
#include "script/file_data.h"
#include "script/task.h"
#include "script/value.h"
#include "tide/llm_start.h"
#include "tide/modules.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- turns ---- */

static void turn_leave(struct tt_tide_turn *holder)
{
    struct tt_turn *turn = holder->turn;
    tt_task_disown(&holder->owned);
    holder->turn = NULL;
    if (turn) {
        tt_turn_leave(turn);
        free(turn);
    }
}

static int turn_close(lua_State *L)
{
    turn_leave(luaL_checkudata(L, 1, TT_TURN_META));
    return 0;
}

static int turn_lease(lua_State *L)
{
    const struct tt_tide_turn *holder = luaL_checkudata(L, 1, TT_TURN_META);

    if (!holder->epoch) {
        lua_pushnil(L);
        return 1;
    }
    lua_createtable(L, 0, 4);
    lua_pushinteger(L, tt_vm_of(L)->generation);
    lua_setfield(L, -2, "generation");
    lua_pushinteger(L, tt_node_id(tt_tide_of(L)->node));
    lua_setfield(L, -2, "node");
    lua_pushinteger(L, holder->epoch);
    lua_setfield(L, -2, "epoch");
    if (holder->turn && holder->turn->beyond_share) {
        lua_pushinteger(L, tt_registry_users(tt_tide_of(L)->chat.registry)->max);
        lua_setfield(L, -2, "replies_max");
    }
    return 1;
}

static void close_owned(struct tt_owned *owned)
{
    turn_leave(TT_CONTAINER_OF(owned, struct tt_tide_turn, owned));
}

struct entering {
    struct tt_wait wait;
    struct tt_tide *tide;
    struct tt_turn *turn; /* until the script has it */
    bool cancel;          /* when the client leaves */
};

static void on_admitted(struct tt_turn *turn, const struct tt_err *err)
{
    struct entering *entering = turn->user;
    if (err)
        entering->wait.err = *err;
    else if (entering->tide->runtime.drained)
        tt_err_set(&entering->wait.err, 503, "shutting_down", "no turn begins any more");
    tt_wait_done(&entering->wait);
}

static int entering_push(struct tt_wait *wait, lua_State *L)
{
    struct entering *entering = TT_CONTAINER_OF(wait, struct entering, wait);

    struct tt_tide_turn *holder = lua_newuserdatauv(L, sizeof(*holder), 0);
    memset(holder, 0, sizeof(*holder));
    luaL_setmetatable(L, TT_TURN_META);
    holder->owned.close = close_owned;
    holder->turn = entering->turn;
    entering->turn = NULL;
    if (entering->tide->node)
        holder->epoch = tt_node_next_epoch(entering->tide->node);
    tt_task_own(wait->task, &holder->owned);
    return 1;
}

static int set_left(struct tt_err *err)
{
    return tt_err_set(err, 499, "client_gone", "the client left before its turn came");
}

static void entering_left(struct tt_wait *wait)
{
    struct entering *entering = TT_CONTAINER_OF(wait, struct entering, wait);
    if (!entering->cancel)
        return;
    tt_turn_leave(entering->turn);
    set_left(&entering->wait.err);
    tt_wait_done(wait);
}

static void entering_close(struct tt_wait *wait)
{
    struct entering *entering = TT_CONTAINER_OF(wait, struct entering, wait);
    if (entering->turn) {
        tt_turn_leave(entering->turn);
        free(entering->turn);
    }
}

static int llm_enter(lua_State *L)
{
    static const struct tt_wait_type type = {
        .push = entering_push, .close = entering_close, .on_left = entering_left};
    struct tt_task *task = tt_task_check_wait(L, "llm.enter");
    struct tt_tide *tide = tt_tide_of(L);
    lua_Integer user_id = luaL_checkinteger(L, 1);
    struct tt_str session_id;

    session_id.data = luaL_checklstring(L, 2, &session_id.len);
    bool cancel = tt_tide_llm_read_disconnect(L, 3);
    if (cancel && !tt_task_has_client(task)) {
        struct tt_err err = {0};
        set_left(&err);
        return tt_value_push_error(L, &err);
    }
    struct entering *entering = tt_wait_new(sizeof(*entering), &type);
    entering->tide = tide;
    entering->cancel = cancel;
    entering->turn = TT_NEW(struct tt_turn);
    entering->turn->on_admitted = on_admitted;
    entering->turn->user = entering;
    if (tt_turn_enter(tide->chat.registry, tide->runtime.loop, entering->turn, user_id, session_id,
                      &entering->wait.err) != 0)
        return tt_wait_refuse(L, &entering->wait);
    return tt_task_yield(L, &entering->wait);
}

/* ---- the module ---- */

static int llm_find(lua_State *L)
{
    tt_task_check(L, "llm.find");
    struct tt_tide *tide = tt_tide_of(L);
    lua_Integer user_id = luaL_checkinteger(L, 1);
    struct tt_str session_id;

    session_id.data = luaL_checklstring(L, 2, &session_id.len);
    struct tt_reply **holder = tt_tide_push_reply(L);
    *holder = tt_registry_find_session(tide->chat.registry, user_id, session_id);
    return *holder ? 1 : 0;
}

static int llm_find_message(lua_State *L)
{
    tt_task_check(L, "llm.find_message");
    struct tt_tide *tide = tt_tide_of(L);
    lua_Integer user_id = luaL_checkinteger(L, 1), message_id = luaL_checkinteger(L, 2);

    struct tt_reply **holder = tt_tide_push_reply(L);
    *holder = tt_registry_find(tide->chat.registry, user_id, message_id);
    return *holder ? 1 : 0;
}

/* What is in a list's brackets. */
static struct tt_str read_ids(struct tt_str list)
{
    return list.len > 2 ? tt_str_of(list.data + 1, list.len - 2) : TT_STR("");
}

/* The images in the field `images` of the table at index, as tt_reply_add_images wants them. */
static struct tt_str read_images(lua_State *L, int index)
{
    struct tt_buf *items = tt_value_scratch(L);
    struct tt_str url;

    if (lua_getfield(L, index, "images") == LUA_TTABLE)
        for (lua_Integer i = 1; lua_rawgeti(L, -1, i) == LUA_TTABLE; i++, lua_pop(L, 1)) {
            lua_getfield(L, -1, "data_url");
            if (tt_value_file_text(L, -1, &url))
                tt_buf_printf(items, "%s{\"type\":\"image_url\",\"image_url\":{\"url\":\"%.*s\"}}",
                              items->len ? "," : "", TT_STR_ARG(url));
            lua_pop(L, 1);
        }
    lua_settop(L, index);
    return tt_buf_str(items);
}

void tt_tide_llm_read_stored(lua_State *L, int index, struct tt_reply_stored *stored)
{
    struct tt_reply_outcome *outcome = &stored->outcome;
    struct tt_str reason = tt_value_field(L, index, "finish_reason");
    struct tt_str code = tt_value_field(L, index, "error_code");

    stored->message_id = tt_value_field_int(L, index, "message_id", 0);
    stored->user_message_id = tt_value_field_int(L, index, "user_message_id", 0);
    stored->user_id = tt_value_field_int(L, index, "user_id", 0);
    stored->text[TT_REPLY_CONTENT] = tt_value_field(L, index, "content");
    stored->text[TT_REPLY_REASONING] = tt_value_field(L, index, "reasoning");
    stored->text[TT_REPLY_TOOL_CALLS] = tt_value_field(L, index, "tool_calls");
    stored->text[TT_REPLY_STEPS] = tt_value_field(L, index, "steps");
    stored->runs = tt_value_field(L, index, "runs");
    stored->files = read_ids(tt_value_field(L, index, "file_ids"));
    outcome->status = tt_value_field(L, index, "status").data; /* the table keeps it meanwhile */
    outcome->usage.input_tokens = tt_tokens_told(tt_value_field_int(L, index, "input_tokens", -1));
    outcome->usage.output_tokens =
        tt_tokens_told(tt_value_field_int(L, index, "output_tokens", -1));
    outcome->usage.cached_tokens = tt_value_field_int(L, index, "cached_tokens", 0);
    outcome->usage.reasoning_tokens = tt_value_field_int(L, index, "reasoning_tokens", 0);
    lua_getfield(L, index, "estimated");
    outcome->usage_estimated = lua_toboolean(L, -1);
    lua_getfield(L, index, "possibly_charged_twice");
    outcome->charged_twice = lua_toboolean(L, -1);
    lua_pop(L, 2);
    outcome->attempts = (int)tt_value_field_int(L, index, "attempts", 0);
    outcome->images_left_out = (int)tt_value_field_int(L, index, "images_left_out", 0);
    outcome->retry_after_s = -1;
    outcome->ended_us = tt_value_field_int(L, index, "ended_us", 0);
    if (code.data)
        tt_err_set(&outcome->error, 500, code.data, "stored with the reply");
    if (reason.data)
        snprintf(outcome->finish_reason, sizeof(outcome->finish_reason), "%s", reason.data);
}

static int llm_restore(lua_State *L)
{
    tt_task_check(L, "llm.restore");
    struct tt_reply_stored stored = {0};
    struct tt_err err = {0};

    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    tt_tide_llm_read_stored(L, 1, &stored);
    stored.images = read_images(L, 1);
    struct tt_reply **holder = tt_tide_push_reply(L);
    *holder = tt_reply_restore(tt_tide_of(L)->runtime.loop, &stored, &err);
    return *holder ? 1 : tt_value_push_error(L, &err);
}

static int llm_stop(lua_State *L)
{
    tt_task_check(L, "llm.stop");
    struct tt_tide *tide = tt_tide_of(L);
    lua_Integer user_id = luaL_checkinteger(L, 1);
    struct tt_str session_id;
    const char *code = luaL_optstring(L, 3, NULL);
    struct tt_err reason = {0};

    session_id.data = luaL_checklstring(L, 2, &session_id.len);
    if (code)
        tt_err_set(&reason, 409, code, "ended by a script");
    bool ended = false;
    int64_t message_id = tt_registry_end_session(tide->chat.registry, user_id, session_id,
                                                 code ? &reason : NULL, &ended);
    lua_pushboolean(L, ended);
    if (!message_id)
        return 1;
    lua_pushinteger(L, message_id);
    return 2;
}

static int llm_check_url(lua_State *L)
{
    tt_task_check(L, "llm.check_url");
    struct tt_str url;
    struct tt_url parsed;
    struct tt_err err = {0};

    url.data = luaL_checklstring(L, 1, &url.len);
    if (tt_egress_check_url(tt_tide_of(L)->egress, url, &parsed, &err) != 0)
        return tt_value_push_error(L, &err);
    lua_pushboolean(L, 1);
    return 1;
}

static int llm_status_error(lua_State *L)
{
    struct tt_told_error told;
    struct tt_err error = {0};
    struct tt_str body;
    char detail[TT_TOLD_DETAIL_SIZE];

    body.data = luaL_optlstring(L, 2, "", &body.len);
    tt_told_read(&told, body);
    tt_told_status_error(&told, (int)luaL_checkinteger(L, 1), &error);
    tt_value_push_error(L, &error);
    tt_told_detail(&told, NULL, 0, detail);
    if (detail[0]) {
        lua_pushstring(L, detail);
        lua_setfield(L, -2, "detail");
    }
    return 1;
}

/* Scripts pass on numbers that upstreams send. */
static int64_t read_tokens(lua_State *L, const char *key)
{
    int64_t count = tt_value_field_int(L, 1, key, 0);
    return count < 0 ? 0 : count > TT_TOKENS_MAX ? TT_TOKENS_MAX : count;
}

static int llm_usage_statement(lua_State *L)
{
    struct tt_usage_entry entry = {0};
    struct tt_db_value values[TT_USAGE_STORE_VALUES];
    char day[TT_RFC3339_SIZE];

    luaL_checktype(L, 1, LUA_TTABLE);
    entry.user_id = tt_value_field_int(L, 1, "user_id", 0);
    entry.model_name = tt_value_field(L, 1, "model_name");
    entry.input_tokens = read_tokens(L, "input_tokens");
    entry.output_tokens = read_tokens(L, "output_tokens");
    lua_getfield(L, 1, "estimated");
    entry.estimated = lua_toboolean(L, -1);
    if (!entry.user_id || !entry.model_name.data)
        return luaL_error(L, "llm.usage_statement: needs user_id and model_name");
    tt_usage_store_values(&entry, day, values);
    lua_createtable(L, 2, 0);
    lua_pushstring(L, tt_usage_store_sql);
    lua_rawseti(L, -2, 1);
    lua_createtable(L, TT_USAGE_STORE_VALUES, 0);
    for (int i = 0; i < TT_USAGE_STORE_VALUES; i++) {
        tt_value_push_db(L, &values[i]);
        lua_rawseti(L, -2, i + 1);
    }
    lua_rawseti(L, -2, 2);
    return 1;
}

static const luaL_Reg functions[] = {
    {"enter", llm_enter},
    {"start", tt_tide_llm_start},
    {"ask", tt_tide_llm_ask},
    {"template", tt_tide_llm_template},
    {"find", llm_find},
    {"find_message", llm_find_message},
    {"restore", llm_restore},
    {"stop", llm_stop},
    {"check_url", llm_check_url},
    {"status_error", llm_status_error},
    {"usage_statement", llm_usage_statement},
    {"check_provider", tt_tide_llm_check_provider},
    {NULL, NULL},
};

int tt_tide_llm(lua_State *L)
{
    luaL_newmetatable(L, TT_TURN_META);
    lua_createtable(L, 0, 2);
    lua_pushcfunction(L, turn_close);
    lua_setfield(L, -2, "leave");
    lua_pushcfunction(L, turn_lease);
    lua_setfield(L, -2, "lease");
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, turn_close);
    lua_setfield(L, -2, "__close");
    lua_pushcfunction(L, turn_close);
    lua_setfield(L, -2, "__gc");
    tt_value_hide_metatable(L);
    lua_pop(L, 1);

    tt_tide_reply_setup(L);
    tt_tide_llm_produce_setup(L);
    luaL_newlib(L, functions);
    return 1;
}
