/* tide.llm: turns, replies and how to start one. Lua says what to ask and whom; from then on the
 * reply runs in C (production.c). */
#include "script/bind.h"
#include "script/llm_start.h"
#include "script/task.h"
#include "script/value.h"

#include <stdlib.h>

#define REPLY_META "tide.llm.reply"

/* ---- turns ---- */

static int turn_close(lua_State *L)
{
    tt_lua_turn_leave(luaL_checkudata(L, 1, TT_TURN_META));
    return 0;
}

void tt_lua_turn_leave(struct tt_lua_turn *holder)
{
    struct tt_turn *turn = holder->turn;
    tt_task_disown(&holder->owned);
    holder->turn = NULL;
    if (turn) {
        tt_turn_leave(turn);
        free(turn);
    }
}

static void close_owned(struct tt_owned *owned)
{
    tt_lua_turn_leave(TT_CONTAINER_OF(owned, struct tt_lua_turn, owned));
}

struct entering {
    struct tt_wait wait;
    struct tt_env *env;
    struct tt_turn *turn; /* until the script has it */
    struct tt_err error;
};

static void on_admitted(struct tt_turn *turn, const struct tt_err *err)
{
    struct entering *entering = turn->user;
    if (err)
        entering->error = *err;
    else if (entering->env->drained)
        tt_err_set(&entering->error, 503, "shutting_down", "no turn begins any more");
    tt_wait_done(&entering->wait);
}

static int entering_push(struct tt_wait *wait, lua_State *L)
{
    struct entering *entering = TT_CONTAINER_OF(wait, struct entering, wait);

    if (entering->error.status)
        return tt_value_push_error(L, &entering->error);
    struct tt_lua_turn *holder = lua_newuserdatauv(L, sizeof(*holder), 0);
    memset(holder, 0, sizeof(*holder));
    luaL_setmetatable(L, TT_TURN_META);
    holder->owned.close = close_owned;
    holder->turn = entering->turn;
    entering->turn = NULL;
    tt_task_own(wait->task, &holder->owned);
    return 1;
}

static bool entering_cancel(struct tt_wait *wait)
{
    struct entering *entering = TT_CONTAINER_OF(wait, struct entering, wait);
    tt_turn_leave(entering->turn);
    return true;
}

static void entering_release(struct tt_wait *wait)
{
    struct entering *entering = TT_CONTAINER_OF(wait, struct entering, wait);
    if (entering->turn) {
        tt_turn_leave(entering->turn);
        free(entering->turn);
    }
    free(entering);
}

static int llm_enter(lua_State *L)
{
    struct tt_env *env = tt_vm_of(L)->env;
    lua_Integer user_id = luaL_checkinteger(L, 1);
    struct tt_str session_id;
    struct tt_err err = {0};

    session_id.data = luaL_checklstring(L, 2, &session_id.len);
    tt_task_check_wait(L, "llm.enter");
    struct entering *entering = TT_NEW(struct entering);
    entering->wait = (struct tt_wait){
        .push = entering_push, .cancel = entering_cancel, .release = entering_release};
    entering->env = env;
    entering->turn = TT_NEW(struct tt_turn);
    entering->turn->on_admitted = on_admitted;
    entering->turn->user = entering;
    if (tt_turn_enter(env->registry, env->loop, entering->turn, user_id, session_id, &err) != 0) {
        free(entering->turn);
        free(entering);
        return tt_value_push_error(L, &err);
    }
    return tt_task_yield(L, &entering->wait);
}

/* ---- replies ---- */

struct tt_reply **tt_llm_push_reply(lua_State *L)
{
    struct tt_reply **holder = lua_newuserdatauv(L, sizeof(*holder), 0);
    *holder = NULL;
    luaL_setmetatable(L, REPLY_META);
    return holder;
}

struct tt_reply *tt_llm_reply(lua_State *L, int index)
{
    struct tt_reply **holder = luaL_testudata(L, index, REPLY_META);
    return holder ? *holder : NULL;
}

static struct tt_reply *check_reply(lua_State *L)
{
    struct tt_reply *reply = *(struct tt_reply **)luaL_checkudata(L, 1, REPLY_META);
    if (!reply)
        luaL_error(L, "this reply was never started");
    return reply;
}

static int reply_gc(lua_State *L)
{
    struct tt_reply **holder = luaL_checkudata(L, 1, REPLY_META);
    if (*holder)
        tt_reply_unref(*holder);
    *holder = NULL;
    return 0;
}

struct listening {
    struct tt_wait wait;
    struct tt_reply_reader reader;
    struct tt_timer timer;
    enum tt_reply_state until;
    bool whole; /* push the result, not the state */
};

static const char *const state_names[] = {"waiting", "running", "produced", "finished"};

static void push_usage(lua_State *L, const struct tt_usage *usage)
{
    if (usage->input_tokens < 0 && usage->output_tokens < 0)
        return;
    lua_createtable(L, 0, 2);
    if (usage->input_tokens >= 0) {
        lua_pushinteger(L, usage->input_tokens);
        lua_setfield(L, -2, "input_tokens");
    }
    if (usage->output_tokens >= 0) {
        lua_pushinteger(L, usage->output_tokens);
        lua_setfield(L, -2, "output_tokens");
    }
    lua_setfield(L, -2, "usage");
}

static void push_text(lua_State *L, const struct tt_reply *reply, enum tt_reply_kind kind)
{
    struct tt_buf *buf = tt_value_scratch(L);
    tt_reply_text(reply, kind, buf);
    lua_pushlstring(L, buf->data ? buf->data : "", buf->len);
}

void tt_llm_push_result(lua_State *L, const struct tt_reply *reply)
{
    const struct tt_reply_outcome *outcome = tt_reply_outcome(reply);

    lua_createtable(L, 0, 8);
    lua_pushinteger(L, tt_reply_message_id(reply));
    lua_setfield(L, -2, "message_id");
    lua_pushinteger(L, tt_reply_user_message_id(reply));
    lua_setfield(L, -2, "user_message_id");
    push_text(L, reply, TT_REPLY_CONTENT);
    lua_setfield(L, -2, "content");
    push_text(L, reply, TT_REPLY_REASONING);
    lua_setfield(L, -2, "reasoning");
    lua_pushstring(L, outcome->status);
    lua_setfield(L, -2, "status");
    lua_pushinteger(L, outcome->http_status);
    lua_setfield(L, -2, "http_status");
    if (outcome->finish_reason[0]) {
        lua_pushstring(L, outcome->finish_reason);
        lua_setfield(L, -2, "finish_reason");
    }
    push_usage(L, &outcome->usage);
    if (outcome->error.status) {
        tt_value_push_error(L, &outcome->error);
        if (outcome->retry_after_s >= 0) {
            lua_pushinteger(L, outcome->retry_after_s);
            lua_setfield(L, -2, "retry_after");
        }
        lua_setfield(L, -3, "error");
        lua_pop(L, 1); /* the nil of push_error */
    }
}

static int listening_push(struct tt_wait *wait, lua_State *L)
{
    struct listening *listening = TT_CONTAINER_OF(wait, struct listening, wait);
    const struct tt_reply *reply = listening->reader.reply;

    if (listening->whole) {
        tt_llm_push_result(L, reply);
    } else {
        enum tt_reply_state state = tt_reply_state(reply);
        /* Between production and commit the end is not to be told yet. */
        lua_pushstring(L, state_names[state == TT_REPLY_PRODUCED ? TT_REPLY_RUNNING : state]);
    }
    return 1;
}

static bool listening_cancel(struct tt_wait *wait)
{
    (void)wait;
    return true;
}

static void listening_release(struct tt_wait *wait)
{
    struct listening *listening = TT_CONTAINER_OF(wait, struct listening, wait);
    tt_timer_stop(&listening->timer);
    tt_reply_detach(&listening->reader);
    free(listening);
}

/* A reply that failed before its first byte is not "running": `first` waits for its end then. */
static bool reached(const struct listening *listening)
{
    enum tt_reply_state state = tt_reply_state(listening->reader.reply);
    if (state == TT_REPLY_PRODUCED && listening->until == TT_REPLY_RUNNING)
        return tt_reply_length(listening->reader.reply) > 0;
    return state >= listening->until;
}

static void listening_wake(struct tt_reply_reader *reader)
{
    struct listening *listening = TT_CONTAINER_OF(reader, struct listening, reader);
    if (reached(listening))
        tt_wait_done(&listening->wait);
}

static void listening_due(struct tt_timer *timer)
{
    tt_wait_done(&TT_CONTAINER_OF(timer, struct listening, timer)->wait);
}

static int wait_for(lua_State *L, enum tt_reply_state until, bool whole, lua_Integer ms)
{
    struct tt_env *env = tt_vm_of(L)->env;
    struct tt_reply *reply = check_reply(L);
    struct tt_task *task = tt_task_check_wait(L, "reply:wait");
    struct listening *listening = TT_NEW(struct listening);

    listening->wait = (struct tt_wait){
        .push = listening_push, .cancel = listening_cancel, .release = listening_release};
    listening->until = until;
    listening->whole = whole;
    listening->timer.on_due = listening_due;
    listening->reader.on_wake = listening_wake;
    tt_reply_attach(reply, env->loop, &listening->reader);
    if (ms >= 0)
        tt_timer_start(env->loop, &listening->timer, (uint64_t)ms);
    if (reached(listening)) {
        listening->wait.task = task;
        tt_wait_done(&listening->wait);
    }
    return tt_task_yield(L, &listening->wait);
}

static int reply_wait(lua_State *L)
{
    return wait_for(L, TT_REPLY_FINISHED, true, -1);
}

static int reply_first(lua_State *L)
{
    lua_Integer ms = luaL_checkinteger(L, 2);
    luaL_argcheck(L, ms >= 0, 2, "milliseconds, not negative");
    return wait_for(L, TT_REPLY_RUNNING, false, ms);
}

static int reply_state(lua_State *L)
{
    lua_pushstring(L, state_names[tt_reply_state(check_reply(L))]);
    return 1;
}

static int reply_text(lua_State *L)
{
    push_text(L, check_reply(L), TT_REPLY_CONTENT);
    return 1;
}

static int reply_length(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)tt_reply_length(check_reply(L)));
    return 1;
}

static int reply_stop(lua_State *L)
{
    tt_reply_stop(check_reply(L), NULL);
    return 0;
}

static int reply_index(lua_State *L)
{
    const char *key = luaL_checkstring(L, 2);
    if (strcmp(key, "message_id") == 0)
        lua_pushinteger(L, tt_reply_message_id(check_reply(L)));
    else if (strcmp(key, "user_message_id") == 0)
        lua_pushinteger(L, tt_reply_user_message_id(check_reply(L)));
    else
        lua_getfield(L, lua_upvalueindex(1), key);
    return 1;
}

/* ---- the module ---- */

static int llm_find(lua_State *L)
{
    struct tt_env *env = tt_vm_of(L)->env;
    lua_Integer user_id = luaL_checkinteger(L, 1);
    struct tt_str session_id;

    session_id.data = luaL_checklstring(L, 2, &session_id.len);
    tt_task_check(L, "llm.find");
    struct tt_reply **holder = tt_llm_push_reply(L);
    *holder = tt_registry_find_session(env->registry, user_id, session_id);
    return *holder ? 1 : 0;
}

static int llm_find_message(lua_State *L)
{
    struct tt_env *env = tt_vm_of(L)->env;
    lua_Integer user_id = luaL_checkinteger(L, 1), message_id = luaL_checkinteger(L, 2);

    tt_task_check(L, "llm.find_message");
    struct tt_reply **holder = tt_llm_push_reply(L);
    *holder = tt_registry_find(env->registry, user_id, message_id);
    return *holder ? 1 : 0;
}

static int llm_stop(lua_State *L)
{
    struct tt_env *env = tt_vm_of(L)->env;
    lua_Integer user_id = luaL_checkinteger(L, 1);
    struct tt_str session_id;
    const char *code = luaL_optstring(L, 3, NULL);
    struct tt_err reason = {0};

    session_id.data = luaL_checklstring(L, 2, &session_id.len);
    tt_task_check(L, "llm.stop");
    if (code)
        tt_err_set(&reason, 409, code, "ended by a script");
    int64_t message_id =
        tt_registry_end_session(env->registry, user_id, session_id, code ? &reason : NULL);
    if (!message_id)
        return 0;
    lua_pushinteger(L, message_id);
    return 1;
}

static int llm_check_url(lua_State *L)
{
    struct tt_str url;
    struct tt_url parsed;
    struct tt_err err = {0};

    url.data = luaL_checklstring(L, 1, &url.len);
    tt_task_check(L, "llm.check_url");
    if (tt_egress_check_url(tt_vm_of(L)->env->egress, url, &parsed, &err) != 0)
        return tt_value_push_error(L, &err);
    lua_pushboolean(L, 1);
    return 1;
}

static const luaL_Reg reply_methods[] = {
    {"wait", reply_wait},     {"first", reply_first}, {"state", reply_state}, {"text", reply_text},
    {"length", reply_length}, {"stop", reply_stop},   {NULL, NULL},
};

static const luaL_Reg functions[] = {
    {"enter", llm_enter},
    {"start", tt_lua_llm_start},
    {"ask", tt_lua_llm_ask},
    {"find", llm_find},
    {"find_message", llm_find_message},
    {"stop", llm_stop},
    {"check_url", llm_check_url},
    {NULL, NULL},
};

int tt_bind_llm(lua_State *L)
{
    luaL_newmetatable(L, TT_TURN_META);
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, turn_close);
    lua_setfield(L, -2, "leave");
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, turn_close);
    lua_setfield(L, -2, "__close");
    lua_pushcfunction(L, turn_close);
    lua_setfield(L, -2, "__gc");
    tt_value_hide_metatable(L);
    lua_pop(L, 1);

    luaL_newmetatable(L, REPLY_META);
    luaL_newlib(L, reply_methods);
    lua_pushcclosure(L, reply_index, 1);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, reply_gc);
    lua_setfield(L, -2, "__gc");
    tt_value_hide_metatable(L);
    lua_pop(L, 1);

    luaL_newlib(L, functions);
    return 1;
}
