/* Replies as Lua values: waiting for their first bytes, for more of them, for the end; the text so
 * far; stopping. No Lua runs per token unless a script reads. */
#include "chat/completion.h"
#include "chat/responses_object.h"
#include "chat/usage_json.h"
#include "script/task.h"
#include "script/value.h"
#include "script/value_raw.h"
#include "tide/modules.h"

#define REPLY_META "tide.Reply"

/* For Lua's collector a reply is one small value, so garbage could hold megabytes of log as long as
 * a state is idle. So the reference is released when the task is over. */
struct reply_value {
    struct tt_reply *reply; /* first: bindings see the value as a pointer to it */
    struct tt_owned owned;
};

static void value_clear(struct reply_value *value)
{
    tt_task_disown(&value->owned);
    tt_reply_unref(value->reply);
    value->reply = NULL;
}

static void on_task_over(struct tt_owned *owned)
{
    value_clear(TT_CONTAINER_OF(owned, struct reply_value, owned));
}

struct tt_reply **tt_tide_push_reply(lua_State *L)
{
    struct tt_task *task = tt_task_check(L, "a reply");
    struct reply_value *value = lua_newuserdatauv(L, sizeof(*value), 0);
    memset(value, 0, sizeof(*value));
    luaL_setmetatable(L, REPLY_META);
    value->owned.close = on_task_over;
    tt_task_own(tt_task_root(task), &value->owned); /* a child passes its results to others */
    return &value->reply;
}

struct tt_reply *tt_tide_reply(lua_State *L, int index)
{
    struct reply_value *value = luaL_testudata(L, index, REPLY_META);
    return value ? value->reply : NULL;
}

static struct tt_reply *check_reply(lua_State *L)
{
    struct reply_value *value = luaL_checkudata(L, 1, REPLY_META);
    if (!value->reply)
        luaL_error(L, "this reply belongs to a request that is over, or was never started");
    return value->reply;
}

static int reply_gc(lua_State *L)
{
    value_clear(luaL_checkudata(L, 1, REPLY_META));
    return 0;
}

struct listening {
    struct tt_wait wait;
    struct tt_reply_reader reader;
    struct tt_timer timer;
    enum tt_reply_state until;
    uint64_t position; /* or more text than this, whichever is first; UINT64_MAX = not wanted */
    int (*push)(lua_State *L, const struct listening *listening);
};

static const char *const state_names[] = {"waiting", "running", "produced", "finished"};

static void set_usage(lua_State *L, const struct tt_reply_outcome *outcome)
{
    struct tt_usage_member members[TT_USAGE_MEMBERS_MAX];
    int count = tt_usage_members(outcome, members);

    if (count == 0)
        return;
    lua_createtable(L, 0, count);
    for (int i = 0; i < count; i++) {
        if (members[i].is_flag)
            lua_pushboolean(L, true);
        else
            lua_pushinteger(L, members[i].number);
        lua_setfield(L, -2, members[i].name);
    }
    lua_setfield(L, -2, "usage");
}

static void push_text(lua_State *L, const struct tt_reply *reply, enum tt_reply_kind kind,
                      uint64_t from)
{
    struct tt_buf *buf = tt_value_scratch(L);
    struct tt_reply_span span;

    for (uint64_t at = from; tt_reply_read(reply, at, &span); at = span.end)
        if (span.kind == kind)
            tt_buf_append_str(buf, span.bytes);
    tt_task_push_taken(L, tt_buf_str(buf));
}

/* The notes beside the reply's text, as a list; pushes nothing when there are none. */
static bool push_notes(lua_State *L, const struct tt_reply *reply)
{
    struct tt_buf *list = tt_value_scratch(L);
    const struct tt_reply_note *note = NULL;

    while ((note = tt_reply_next_note(reply, note))) {
        tt_buf_putc(list, list->len > 0 ? ',' : '[');
        tt_buf_append_str(list, note->json);
    }
    if (list->len == 0)
        return false;
    tt_buf_putc(list, ']');
    tt_task_push_taken(L, tt_buf_str(list));
    return true;
}

/* The ids of the message's files, as a list; nothing when there are none. */
static void set_files(lua_State *L, struct tt_str ids)
{
    lua_Integer count = 0;

    if (ids.len == 0)
        return;
    lua_newtable(L);
    while (ids.len > 0) {
        ptrdiff_t comma = tt_str_find(ids, ',');
        size_t end = comma < 0 ? ids.len : (size_t)comma;
        int64_t id = 0;
        tt_str_to_i64(tt_str_of(ids.data, end), &id);
        lua_pushinteger(L, id);
        lua_rawseti(L, -2, ++count);
        ids = comma < 0 ? TT_STR("") : tt_str_of(ids.data + end + 1, ids.len - end - 1);
    }
    lua_setfield(L, -2, "file_ids");
}

static void push_error(lua_State *L, const struct tt_reply_outcome *outcome)
{
    tt_value_push_error(L, &outcome->error);
    lua_remove(L, -2); /* its nil */
    if (outcome->retry_after_s >= 0) {
        lua_pushinteger(L, outcome->retry_after_s);
        lua_setfield(L, -2, "retry_after");
    }
    if (outcome->detail[0]) {
        lua_pushstring(L, outcome->detail);
        lua_setfield(L, -2, "detail");
    }
}

static void set_outcome(lua_State *L, const struct tt_reply_outcome *outcome)
{
    lua_pushstring(L, outcome->status);
    lua_setfield(L, -2, "status");
    lua_pushinteger(L, outcome->http_status);
    lua_setfield(L, -2, "http_status");
    if (outcome->finish_reason[0]) {
        lua_pushstring(L, outcome->finish_reason);
        lua_setfield(L, -2, "finish_reason");
    }
    set_usage(L, outcome);
    if (outcome->error.status) {
        push_error(L, outcome);
        lua_setfield(L, -2, "error");
    }
}

void tt_tide_push_result(lua_State *L, const struct tt_reply *reply)
{
    lua_createtable(L, 0, 12);
    set_files(L, tt_reply_files(reply));
    lua_pushinteger(L, tt_reply_message_id(reply));
    lua_setfield(L, -2, "message_id");
    lua_pushinteger(L, tt_reply_user_message_id(reply));
    lua_setfield(L, -2, "user_message_id");
    push_text(L, reply, TT_REPLY_CONTENT, 0);
    lua_setfield(L, -2, "content");
    push_text(L, reply, TT_REPLY_REASONING, 0);
    lua_setfield(L, -2, "reasoning");
    push_text(L, reply, TT_REPLY_TOOL_CALLS, 0);
    lua_setfield(L, -2, "tool_calls");
    push_text(L, reply, TT_REPLY_STEPS, 0);
    lua_setfield(L, -2, "steps");
    if (push_notes(L, reply))
        lua_setfield(L, -2, "notes");
    set_outcome(L, tt_reply_outcome(reply));
}

void tt_tide_push_part(lua_State *L, struct tt_reply *reply, const struct tt_reply_outcome *outcome)
{
    uint64_t from = tt_reply_part_start(reply);
    struct tt_buf *held = tt_value_scratch(L);

    lua_createtable(L, 0, 8);
    tt_reply_take_held(reply, held);
    tt_task_push_taken(L, tt_buf_str(held));
    lua_setfield(L, -2, "tool_calls");
    push_text(L, reply, TT_REPLY_CONTENT, from);
    lua_setfield(L, -2, "content");
    push_text(L, reply, TT_REPLY_REASONING, from);
    lua_setfield(L, -2, "reasoning");
    set_outcome(L, outcome);
}

static int push_whole(lua_State *L, const struct listening *listening)
{
    tt_tide_push_result(L, listening->reader.reply);
    return 1;
}

static int push_end(lua_State *L, const struct listening *listening)
{
    const struct tt_reply_outcome *outcome = tt_reply_outcome(listening->reader.reply);

    lua_pushstring(L, outcome->status);
    if (!outcome->error.status)
        return 1;
    push_error(L, outcome);
    return 2;
}

static int push_state(lua_State *L, const struct listening *listening)
{
    enum tt_reply_state state = tt_reply_state(listening->reader.reply);
    /* Between the end of the text and its commit the end must not be reported yet. */
    lua_pushstring(L, state_names[state == TT_REPLY_PRODUCED ? TT_REPLY_RUNNING : state]);
    return 1;
}

/* The content after the position and where it ends; nothing at the end of the reply. */
static int push_more(lua_State *L, const struct listening *listening)
{
    struct tt_buf *text = tt_value_scratch(L);
    uint64_t position = listening->position;
    struct tt_reply_span span;

    while (tt_reply_read(listening->reader.reply, position, &span)) {
        if (span.kind == TT_REPLY_CONTENT)
            tt_buf_append_str(text, span.bytes);
        position = span.end;
    }
    if (position == listening->position)
        return 0;
    tt_task_push_taken(L, tt_buf_str(text));
    lua_pushinteger(L, (lua_Integer)position);
    return 2;
}

static int listening_push(struct tt_wait *wait, lua_State *L)
{
    struct listening *listening = TT_CONTAINER_OF(wait, struct listening, wait);
    return listening->push(L, listening);
}

static void listening_close(struct tt_wait *wait)
{
    struct listening *listening = TT_CONTAINER_OF(wait, struct listening, wait);
    tt_timer_stop(&listening->timer);
    tt_reply_detach(&listening->reader);
}

/* A reply that failed before its first byte is not "running": `first` waits for its end then. */
static bool reached(const struct listening *listening)
{
    enum tt_reply_state state = tt_reply_state(listening->reader.reply);
    if (tt_reply_length(listening->reader.reply) > listening->position)
        return true;
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

static int wait_for(lua_State *L, const struct listening *wanted, lua_Integer ms)
{
    static const struct tt_wait_type type = {.push = listening_push, .close = listening_close};
    struct tt_task *task = tt_task_check_wait(L, "reply:wait");
    struct tt_tide *tide = tt_tide_of(L);
    struct tt_reply *reply = check_reply(L);
    struct listening *listening = tt_wait_new(sizeof(*listening), &type);

    listening->until = wanted->until;
    listening->position = wanted->position;
    listening->push = wanted->push;
    listening->timer.on_due = listening_due;
    listening->reader.on_wake = listening_wake;
    tt_reply_attach(reply, tide->runtime.loop, &listening->reader);
    if (ms >= 0)
        tt_timer_start(tide->runtime.loop, &listening->timer, (uint64_t)ms);
    if (reached(listening)) {
        listening->wait.task = task;
        tt_wait_done(&listening->wait);
    }
    return tt_task_yield(L, &listening->wait);
}

static int reply_wait(lua_State *L)
{
    return wait_for(
        L,
        &(struct listening){.until = TT_REPLY_FINISHED, .position = UINT64_MAX, .push = push_whole},
        -1);
}

static int reply_ended(lua_State *L)
{
    return wait_for(
        L,
        &(struct listening){.until = TT_REPLY_FINISHED, .position = UINT64_MAX, .push = push_end},
        -1);
}

static int reply_first(lua_State *L)
{
    lua_Integer ms = luaL_checkinteger(L, 2);
    luaL_argcheck(L, ms >= 0, 2, "milliseconds, not negative");
    return wait_for(
        L,
        &(struct listening){.until = TT_REPLY_RUNNING, .position = UINT64_MAX, .push = push_state},
        ms);
}

static int reply_read(lua_State *L)
{
    lua_Integer position = luaL_checkinteger(L, 2);
    luaL_argcheck(L, position >= 0, 2, "a position, not negative");
    return wait_for(L,
                    &(struct listening){.until = TT_REPLY_FINISHED,
                                        .position = (uint64_t)position,
                                        .push = push_more},
                    -1);
}

static int reply_state(lua_State *L)
{
    lua_pushstring(L, state_names[tt_reply_state(check_reply(L))]);
    return 1;
}

static int reply_carried(lua_State *L)
{
    const struct tt_reply *reply = check_reply(L);

    if (tt_reply_state(reply) < TT_REPLY_PRODUCED || !tt_reply_carried(reply).data)
        return 0;
    tt_task_push_taken(L, tt_reply_carried(reply));
    return 1;
}

static int reply_text(lua_State *L)
{
    static const char *const kinds[] = {[TT_REPLY_CONTENT] = "content",
                                        [TT_REPLY_REASONING] = "reasoning",
                                        [TT_REPLY_TOOL_CALLS] = "tool_calls",
                                        [TT_REPLY_STEPS] = "steps",
                                        NULL};
    int kind = luaL_checkoption(L, 2, "content", kinds);

    push_text(L, check_reply(L), (enum tt_reply_kind)kind, 0);
    return 1;
}

static int reply_length(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)tt_reply_length(check_reply(L)));
    return 1;
}

static int reply_splits(lua_State *L)
{
    lua_Integer position = luaL_checkinteger(L, 2);
    luaL_argcheck(L, position >= 0, 2, "a position, not negative");
    lua_pushboolean(L, tt_reply_splits(check_reply(L), (uint64_t)position));
    return 1;
}

/* reply:response(response, error, code): see chat/responses_object.h. */
static int reply_response(lua_State *L)
{
    struct tt_reply *reply = check_reply(L);
    struct tt_responses_items items = {0};
    struct tt_responses_object response = {0};
    struct tt_responses_error error = {0};
    struct tt_buf *out = tt_value_scratch(L);

    luaL_checktype(L, 2, LUA_TTABLE);
    error.text.data = luaL_optlstring(L, 3, NULL, &error.text.len);
    error.code.data = luaL_optlstring(L, 4, NULL, &error.code.len);
    response.suffix = tt_responses_id_suffix(tt_value_field(L, 2, "id"));
    response.head = tt_value_field(L, 2, "head");
    luaL_argcheck(L, response.head.len > 2, 2, "the field 'head' is no JSON object");
    items.head = response.head;
    if (tt_reply_state(reply) == TT_REPLY_FINISHED)
        tt_responses_items_read(&items, reply);
    tt_responses_put(out, &response, reply, &items, error);
    tt_responses_items_free(&items);
    tt_value_raw_push(L, tt_buf_str(out));
    return 1;
}

/* reply:completion(completion): see chat/completion.h. */
static int reply_completion(lua_State *L)
{
    struct tt_reply *reply = check_reply(L);
    struct tt_completion completion = {0};
    struct tt_buf *out = tt_value_scratch(L);

    luaL_checktype(L, 2, LUA_TTABLE);
    if (tt_reply_state(reply) != TT_REPLY_FINISHED)
        return luaL_error(L, "reply:completion: the reply has not ended, see reply:ended");
    completion.id = tt_value_field(L, 2, "id");
    completion.model = tt_value_field(L, 2, "model");
    luaL_argcheck(L, completion.id.data && completion.model.data, 2, "needs 'id' and 'model'");
    completion.created = tt_value_field_int(L, 2, "created", 0);
    completion.text = tt_str_eq(tt_value_field(L, 2, "form"), TT_STR("text"));
    tt_completion_put(out, &completion, reply);
    tt_value_raw_push(L, tt_buf_str(out));
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

static const luaL_Reg reply_methods[] = {
    {"wait", reply_wait}, {"ended", reply_ended},           {"first", reply_first},
    {"read", reply_read}, {"state", reply_state},           {"carried", reply_carried},
    {"text", reply_text}, {"length", reply_length},         {"splits", reply_splits},
    {"stop", reply_stop}, {"completion", reply_completion}, {"response", reply_response},
    {NULL, NULL},
};

void tt_tide_reply_setup(lua_State *L)
{
    luaL_newmetatable(L, REPLY_META);
    luaL_newlib(L, reply_methods);
    lua_pushcclosure(L, reply_index, 1);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, reply_gc);
    lua_setfield(L, -2, "__gc");
    tt_value_hide_metatable(L);
    lua_pop(L, 1);
}
