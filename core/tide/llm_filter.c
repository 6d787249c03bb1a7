/* A script's filter between a producer and the reply's log: the only Lua that runs per token, and
 * only for replies that were started with one. It runs on the state's main thread, outside of any
 * task: it can hold text back, but cannot wait. Any error in it ends the reply with its own code
 * and is logged; text that it did not let through is not shown. It keeps its generation alive until
 * the reply has ended. */
#include "base/log.h"
#include "base/mem.h"
#include "script/watchdog.h"
#include "tide/llm_start.h"
#include "tide/modules.h"

#include <stdio.h>
#include <stdlib.h>

struct lua_filter {
    struct tt_vm *vm;
    int function; /* registry reference */
};

static void close_filter(void *arg)
{
    struct lua_filter *filter = arg;
    luaL_unref(filter->vm->L, LUA_REGISTRYINDEX, filter->function);
    tt_vm_release(filter->vm);
    free(filter);
}

struct filter_call {
    const struct lua_filter *filter;
    enum tt_reply_kind kind;
    struct tt_str text;
    bool final;
    struct tt_reply_filtered *out;
};

/* What stands behind the text that the function returned: "stop" ends the reply, a reason may
 * follow. */
static void read_end(lua_State *L, int index, struct tt_reply_filtered *out)
{
    size_t len = 0;

    if (lua_isnil(L, index))
        return;
    if (!lua_isstring(L, index) || strcmp(lua_tostring(L, index), "stop") != 0)
        luaL_error(L, "on_delta may return \"stop\" behind the text, nothing else");
    const char *reason = lua_isnil(L, index + 1) ? "stop" : lua_tolstring(L, index + 1, &len);
    if (!reason || !*reason || len >= sizeof(out->finish_reason))
        luaL_error(L, "on_delta: a finish reason is a text of 1 to %d bytes",
                   (int)sizeof(out->finish_reason) - 1);
    snprintf(out->finish_reason, sizeof(out->finish_reason), "%s", reason);
}

/* Protected: 1 = the call. */
static int call_filter(lua_State *L)
{
    const struct filter_call *call = lua_touserdata(L, 1);
    struct tt_str told;

    lua_rawgeti(L, LUA_REGISTRYINDEX, call->filter->function);
    lua_pushlstring(L, call->text.data, call->text.len);
    lua_pushstring(L, call->kind == TT_REPLY_CONTENT ? "content" : "reasoning");
    lua_pushboolean(L, call->final);
    int text = lua_gettop(L) - 3;
    lua_call(L, 3, 3);
    if (lua_type(L, text) != LUA_TSTRING)
        return luaL_error(L, "on_delta returned a %s, not a text", luaL_typename(L, text));
    told.data = lua_tolstring(L, text, &told.len);
    read_end(L, text + 1, call->out);
    if (tt_buf_append_str(&call->out->text, told) != 0)
        return luaL_error(L, "on_delta returned more than a reply may hold");
    return 0;
}

static int add_traceback(lua_State *L)
{
    luaL_traceback(L, L, luaL_tolstring(L, 1, NULL), 1);
    return 1;
}

static int run_filter(void *arg, enum tt_reply_kind kind, struct tt_str text, bool final,
                      struct tt_reply_filtered *out, struct tt_err *err)
{
    const struct lua_filter *filter = arg;
    struct filter_call call = {filter, kind, text, final, out};
    struct tt_vm *vm = filter->vm;
    struct tt_task *outer = vm->current;
    lua_State *L = vm->L;
    int top = lua_gettop(L);

    lua_pushcfunction(L, add_traceback);
    lua_pushcfunction(L, call_filter);
    lua_pushlightuserdata(L, &call);
    vm->current = NULL;
    int status = tt_budget_call(L, 1, 0, top + 1, vm->runtime->time_ms);
    vm->current = outer;
    if (status != LUA_OK) {
        const char *message = lua_tostring(L, -1);
        tt_log(TT_LOG_ERROR, "script error", TT_F_Z("where", "on_delta"),
               TT_F_LINES("error", tt_str_from(message ? message : "?")));
        bool no_memory = status == LUA_ERRMEM && vm->allocator.system_refused;
        tt_err_set(err, no_memory ? 503 : 500,
                   status == TT_BUDGET_STOPPED ? "script_timeout"
                   : no_memory                 ? "no_memory"
                   : status == LUA_ERRMEM      ? "script_memory"
                                               : "hook_failed",
                   "%s", message ? message : "on_delta failed");
    }
    lua_settop(L, top);
    return status == LUA_OK ? 0 : -1;
}

struct tt_reply_filter tt_tide_llm_filter(lua_State *L, int index)
{
    int type = lua_getfield(L, index, "on_delta");
    if (type == LUA_TNIL) {
        lua_pop(L, 1);
        return (struct tt_reply_filter){0};
    }
    if (type != LUA_TFUNCTION)
        luaL_error(L, "'on_delta' is a %s, not a function", luaL_typename(L, -1));
    int function = luaL_ref(L, LUA_REGISTRYINDEX);
    struct lua_filter *filter = TT_NEW(struct lua_filter);
    filter->vm = tt_vm_of(L);
    tt_vm_hold(filter->vm);
    filter->function = function;
    return (struct tt_reply_filter){run_filter, close_filter, filter};
}
