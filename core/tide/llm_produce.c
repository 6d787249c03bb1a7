/* A reply that a script produces in parts: its function runs as a task of its own, without the
 * request, and asks models, runs tools and adds what they said until it ends the reply. The reply
 * and the task may each end before the other: whoever is left finds the producer's other side gone.
 * A stop ends the reply at once and drops the task. */
#include "base/json.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "chat/running_reply.h"
#include "script/detached.h"
#include "script/value.h"
#include "tide/llm_start.h"
#include "tide/modules.h"

#include <stdio.h>
#include <stdlib.h>

#define OUTPUT_META "tide.Output"
#define JSON_DEPTH  64 /* of an entry */

struct producer {
    int references;                 /* of the reply, the task and the Lua values */
    struct tt_running_parts *parts; /* NULL when the reply has ended */
    struct tt_detached *function;   /* NULL when it has returned */
    bool begun;
    struct tt_loop *loop;
    struct tt_deferred start;
    struct tt_wait *wait; /* the task's, for a part or a commit */
};

static void producer_unref(struct producer *producer)
{
    if (--producer->references == 0)
        free(producer);
}

/* ---- the end ---- */

static void end_reply(struct producer *producer, const struct tt_reply_outcome *outcome)
{
    struct tt_running_parts *parts = producer->parts;

    producer->parts = NULL;
    tt_running_parts_end(parts, outcome);
}

static void fail_reply(struct producer *producer, const char *code, const char *text)
{
    struct tt_reply_outcome outcome = {.status = "error", .retry_after_s = -1};

    tt_err_set(&outcome.error, 500, code, "%s", text);
    end_reply(producer, &outcome);
}

static void on_over(void *arg, bool failed)
{
    struct producer *producer = arg;
    struct tt_err lost = {0};

    producer->function = NULL;
    if (producer->parts && producer->wait) { /* a part runs, for nobody */
        tt_err_set(&lost, 503, "shutting_down", "the server stops");
        tt_reply_stop(tt_running_parts_reply(producer->parts), &lost);
    } else if (producer->parts) {
        fail_reply(producer, failed ? "hook_failed" : "internal_error",
                   "the function that produces the reply returned without an end");
    }
    producer_unref(producer);
}

/* ---- for the reply ---- */

static int push_output(lua_State *L, void *arg)
{
    struct producer *producer = arg;
    struct producer **value = lua_newuserdatauv(L, sizeof(*value), 0);

    *value = producer;
    producer->references++;
    luaL_setmetatable(L, OUTPUT_META);
    return 1;
}

static void start(struct tt_deferred *deferred)
{
    struct producer *producer = TT_CONTAINER_OF(deferred, struct producer, start);

    producer->begun = true;
    producer->references++;
    tt_detached_run(producer->function,
                    &(struct tt_detached_call){push_output, on_over, NULL, producer});
}

/* Not at once: this is called within the task that starts the reply. */
static void begin(struct tt_running_parts *parts, void *arg)
{
    struct producer *producer = arg;

    producer->parts = parts;
    producer->start.run = start;
    tt_loop_defer(producer->loop, &producer->start);
}

static void on_stop(const struct tt_err *reason, void *arg)
{
    struct producer *producer = arg;
    struct tt_reply_outcome outcome = {.status = reason ? "error" : "stopped", .retry_after_s = -1};

    if (!producer->parts)
        return;
    if (reason)
        outcome.error = *reason;
    else
        snprintf(outcome.finish_reason, sizeof(outcome.finish_reason), "stopped");
    end_reply(producer, &outcome);
    if (producer->begun && producer->function)
        tt_detached_cancel(producer->function);
}

static void on_close(void *arg)
{
    struct producer *producer = arg;

    producer->parts = NULL;
    if (producer->wait) {
        tt_err_set(&producer->wait->err, 503, "stopped", "the reply has ended");
        tt_wait_done(producer->wait);
    }
    if (!producer->begun) {
        tt_loop_undefer(&producer->start);
        tt_detached_free(producer->function);
    }
    producer_unref(producer);
}

bool tt_tide_llm_producer(lua_State *L, int index, struct tt_running_producer *out)
{
    int type = lua_getfield(L, index, "produce");

    if (type == LUA_TNIL) {
        lua_pop(L, 1);
        return false;
    }
    if (type != LUA_TFUNCTION)
        luaL_error(L, "'produce' is a %s, not a function", luaL_typename(L, -1));
    struct tt_detached *function = tt_detached_new(L, -1, "produce");
    struct producer *producer = TT_NEW(struct producer);
    producer->references = 1;
    producer->function = function;
    producer->loop = tt_tide_of(L)->runtime.loop;
    lua_pop(L, 1);
    *out = (struct tt_running_producer){begin, on_stop, on_close, producer};
    return true;
}

/* ---- for the task ---- */

static struct producer *check_output(lua_State *L)
{
    struct producer **value = luaL_checkudata(L, 1, OUTPUT_META);
    return *value;
}

static int output_gc(lua_State *L)
{
    struct producer **value = luaL_checkudata(L, 1, OUTPUT_META);
    if (*value)
        producer_unref(*value);
    *value = NULL;
    return 0;
}

static struct tt_running_parts *check_parts(lua_State *L)
{
    struct producer *producer = check_output(L);
    if (!producer->parts)
        luaL_error(L, "this reply has ended");
    return producer->parts;
}

struct asking {
    struct tt_wait wait;
    struct producer *producer;
    struct tt_reply_outcome outcome;
};

static int push_part(struct tt_wait *wait, lua_State *L)
{
    struct asking *asking = TT_CONTAINER_OF(wait, struct asking, wait);

    if (!asking->producer->parts)
        return 0;
    tt_tide_push_part(L, tt_running_parts_reply(asking->producer->parts), &asking->outcome);
    return 1;
}

static void wait_close(struct tt_wait *wait)
{
    struct asking *asking = TT_CONTAINER_OF(wait, struct asking, wait);

    if (asking->producer->wait == wait)
        asking->producer->wait = NULL;
    producer_unref(asking->producer);
}

/* Its part, or its commit, comes to nobody. */
static void wait_abandon(struct tt_wait *wait)
{
    (void)wait;
}

static const struct tt_wait_type asking_type = {
    .push = push_part, .close = wait_close, .abandon = wait_abandon};
static const struct tt_wait_type storing_type = {.close = wait_close, .abandon = wait_abandon};

static void on_part(const struct tt_reply_outcome *outcome, void *arg)
{
    struct asking *asking = arg;
    struct producer *producer = asking->producer;

    asking->outcome = *outcome;
    if (!asking->wait.task && producer->parts) /* the task is gone */
        end_reply(producer, outcome);
    tt_wait_done(&asking->wait);
}

static void on_stored(void *arg)
{
    struct asking *storing = arg;
    tt_wait_done(&storing->wait);
}

static struct asking *wait_new(struct producer *producer, const struct tt_wait_type *type)
{
    struct asking *asking = tt_wait_new(sizeof(*asking), type);

    asking->producer = producer;
    producer->references++;
    producer->wait = &asking->wait;
    return asking;
}

/* out:ask(spec) */
static int output_ask(lua_State *L)
{
    struct tt_task *task = tt_task_check_wait(L, "out:ask");
    struct tt_running_parts *parts = check_parts(L);
    struct tt_tide_llm_source source = {0};
    struct tt_running_part_source from = {0};

    (void)task;
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 2);
    lua_insert(L, 1); /* sources are read at index 1 */
    tt_tide_llm_read_source(L, &source, tt_value_push_arena(L));
    from.plan = source.played ? NULL : &source.plan;
    from.play = source.played ? &source.play : NULL;
    from.input_estimate = tt_value_field_int(L, 1, "input_estimate", 0);
    struct producer **value = luaL_checkudata(L, 2, OUTPUT_META);
    struct asking *asking = wait_new(*value, &asking_type);
    if (tt_running_parts_ask(parts, &from, on_part, asking, &asking->wait.err) != 0) {
        (*value)->wait = NULL;
        return tt_wait_refuse(L, &asking->wait);
    }
    return tt_task_yield(L, &asking->wait);
}

/* out:store() */
static int output_store(lua_State *L)
{
    struct tt_task *task = tt_task_check_wait(L, "out:store");
    struct tt_running_parts *parts = check_parts(L);
    struct asking *storing = wait_new(check_output(L), &storing_type);

    storing->wait.task = task;
    tt_running_parts_store(parts, on_stored, storing);
    return tt_task_yield(L, &storing->wait);
}

static int append(lua_State *L, enum tt_reply_kind kind, struct tt_str text)
{
    struct tt_err err = {0};

    if (tt_reply_append(tt_running_parts_reply(check_parts(L)), kind, text, &err) != 0)
        return tt_value_push_error(L, &err);
    lua_pushboolean(L, 1);
    return 1;
}

/* out:text(text, kind) */
static int output_text(lua_State *L)
{
    static const char *const kinds[] = {
        [TT_REPLY_CONTENT] = "content", [TT_REPLY_REASONING] = "reasoning", NULL};
    struct tt_str text;

    text.data = luaL_checklstring(L, 2, &text.len);
    luaL_argcheck(L, tt_utf8_valid(text), 2, "not valid UTF-8");
    return append(L, (enum tt_reply_kind)luaL_checkoption(L, 3, "content", kinds), text);
}

/* Entries are lines of JSON. */
static int append_lines(lua_State *L, enum tt_reply_kind kind)
{
    struct tt_str lines;
    ptrdiff_t end;

    lines.data = luaL_checklstring(L, 2, &lines.len);
    while ((end = tt_str_find(lines, '\n')) >= 0) {
        struct tt_err err = {0};
        if (tt_json_check(tt_str_of(lines.data, (size_t)end), JSON_DEPTH, &err) != 0)
            return luaL_error(L, "a line is not JSON: %s", err.message);
        int results = append(L, kind, tt_str_of(lines.data, (size_t)end + 1));
        if (results != 1)
            return results;
        lua_pop(L, 1);
        lines = tt_str_of(lines.data + end + 1, lines.len - (size_t)end - 1);
    }
    luaL_argcheck(L, lines.len == 0, 2, "the last line has no end");
    lua_pushboolean(L, 1);
    return 1;
}

/* out:step(lines) */
static int output_step(lua_State *L)
{
    return append_lines(L, TT_REPLY_STEPS);
}

/* out:tool_calls(lines): for the client, which calls them itself. */
static int output_tool_calls(lua_State *L)
{
    return append_lines(L, TT_REPLY_TOOL_CALLS);
}

/* out:finish{status, finish_reason, error} */
static int output_finish(lua_State *L)
{
    struct producer *producer = check_output(L);
    struct tt_reply_outcome outcome = {.retry_after_s = -1};

    check_parts(L);
    if (producer->wait)
        return luaL_error(L, "another task waits for a part of this reply");
    luaL_checktype(L, 2, LUA_TTABLE);
    struct tt_str status = tt_value_field(L, 2, "status");
    struct tt_str reason = tt_value_field(L, 2, "finish_reason");
    struct tt_str detail = tt_value_field(L, 2, "detail");
    outcome.status = status.data ? status.data : "complete";
    outcome.http_status = (int)tt_value_field_int(L, 2, "http_status", 0);
    if (reason.data)
        snprintf(outcome.finish_reason, sizeof(outcome.finish_reason), "%s", reason.data);
    if (detail.data)
        snprintf(outcome.detail, sizeof(outcome.detail), "%s", detail.data);
    if (lua_getfield(L, 2, "error") == LUA_TTABLE) {
        int table = lua_gettop(L);
        struct tt_str code = tt_value_field(L, table, "code");
        struct tt_str text = tt_value_field(L, table, "message");
        int http = (int)tt_value_field_int(L, table, "status", 500);
        tt_err_set(&outcome.error, http, code.data ? code.data : "internal_error", "%s",
                   text.data ? text.data : "");
    }
    end_reply(producer, &outcome);
    return 0;
}

static const luaL_Reg methods[] = {
    {"ask", output_ask},   {"store", output_store},           {"text", output_text},
    {"step", output_step}, {"tool_calls", output_tool_calls}, {"finish", output_finish},
    {NULL, NULL},
};

void tt_tide_llm_produce_setup(lua_State *L)
{
    luaL_newmetatable(L, OUTPUT_META);
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, output_gc);
    lua_setfield(L, -2, "__gc");
    tt_value_hide_metatable(L);
    lua_pop(L, 1);
}
