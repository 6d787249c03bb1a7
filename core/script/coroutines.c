/* Lua's library would break both: its resume does not report which coroutine runs, and it takes
 * every yield for one of the script. Here a yield of the core (tt_task_waits) is passed on, through
 * as many coroutines as there are, and comes back the same way.
 *
 * A mark in the coroutine's extra space, which Lua copies from the main thread, says what must not
 * be resumed: the thread is the core's. */
#include "script/coroutines.h"

#include "script/task.h"
#include "script/watchdog.h"

#include <lauxlib.h>

#define CLOSE_DEPTH_MAX 50 /* closing a coroutine may close another; Lua does not count that */

enum mark {
    MARK_CORE, /* a task's own coroutine, the main thread */
    MARK_SCRIPT,
    MARK_WAITS,  /* for the core: only its own task goes on with it */
    MARK_STOPPED /* by the watchdog: its hooks are off, nothing of it may run again */
};

static enum mark *mark_of(lua_State *L)
{
    return lua_getextraspace(L);
}

static lua_State *check_coroutine(lua_State *L)
{
    lua_State *co = lua_tothread(L, 1);
    luaL_argexpected(L, co, 1, "coroutine");
    return co;
}

static int create(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_State *co = lua_newthread(L);
    *mark_of(co) = MARK_SCRIPT;
    lua_pushvalue(L, 1);
    lua_xmove(L, co, 1);
    return 1;
}

static const char *status_of(lua_State *L, lua_State *co)
{
    lua_Debug frame;

    if (L == co)
        return "running";
    if (lua_status(co) == LUA_YIELD)
        return "suspended";
    if (lua_status(co) != LUA_OK)
        return "dead";
    if (lua_getstack(co, 0, &frame))
        return "normal"; /* it has resumed another one */
    return lua_gettop(co) == 0 ? "dead" : "suspended";
}

/* ---- resuming ---- */

/* Why `co` cannot be resumed, or NULL. */
static const char *refusal(lua_State *L, lua_State *co, int arguments)
{
    const char *status = status_of(L, co);

    if (*mark_of(co) == MARK_WAITS)
        return "cannot resume a coroutine that waits for the core in another request";
    if (*mark_of(co) == MARK_STOPPED || strcmp(status, "dead") == 0)
        return "cannot resume dead coroutine";
    if (*mark_of(co) != MARK_SCRIPT || strcmp(status, "suspended") != 0)
        return "cannot resume non-suspended coroutine";
    return lua_checkstack(co, arguments) ? NULL : "too many arguments to resume";
}

/* Lets `co` run. Returns the number of values on top of L: what it yielded or returned, or -1 with
 * its error; or WAITS, then L must yield as well. */
#define WAITS (-2)
static int run(lua_State *L, lua_State *co, int arguments)
{
    int results = 0;

    *mark_of(co) = MARK_SCRIPT;
    tt_task_enter_coroutine(L);
    lua_State *outer = tt_budget_enter(co);
    int status = lua_resume(co, L, arguments, &results);
    tt_budget_leave(outer);
    tt_task_leave_coroutine(L);
    if (status == LUA_YIELD && tt_task_waits(L)) {
        *mark_of(co) = MARK_WAITS;
        return WAITS;
    }
    if (status != LUA_OK && status != LUA_YIELD) {
        if (tt_budget_stopped())
            *mark_of(co) = MARK_STOPPED;
        lua_xmove(co, L, 1);
        return -1;
    }
    if (!lua_checkstack(L, results + 1)) {
        lua_pop(co, results);
        lua_pushliteral(L, "too many results to resume");
        return -1;
    }
    lua_xmove(co, L, results);
    return results;
}

static int resume_again(lua_State *L, int status, lua_KContext context);

static int finish_resume(lua_State *L, int results)
{
    if (results == WAITS)
        return lua_yieldk(L, 0, 0, resume_again);
    lua_pushboolean(L, results >= 0);
    lua_insert(L, -(results >= 0 ? results : 1) - 1);
    return (results >= 0 ? results : 1) + 1;
}

static int resume_again(lua_State *L, int status, lua_KContext context)
{
    (void)status;
    (void)context;
    return finish_resume(L, run(L, lua_tothread(L, 1), 0));
}

static int resume(lua_State *L)
{
    lua_State *co = check_coroutine(L);
    int arguments = lua_gettop(L) - 1;
    const char *refused = refusal(L, co, arguments);

    if (refused) {
        lua_pushboolean(L, 0);
        lua_pushstring(L, refused);
        return 2;
    }
    lua_xmove(L, co, arguments);
    return finish_resume(L, run(L, co, arguments));
}

/* ---- closing ---- */

/* Closes the variables of a coroutine that will not go on: 1 with true, or 2 with its error. */
static int reset(lua_State *L, lua_State *co)
{
    struct tt_vm *vm = tt_vm_of(L);
    int status = LUA_OK;

    if (*mark_of(co) != MARK_STOPPED) {
        if (vm->close_depth == CLOSE_DEPTH_MAX)
            return luaL_error(L, "too many coroutines close one another");
        vm->close_depth++;
        lua_State *outer = tt_budget_enter(co);
        status = lua_resetthread(co);
        tt_budget_leave(outer);
        vm->close_depth--;
    }
    lua_pushboolean(L, status == LUA_OK);
    if (status == LUA_OK)
        return 1;
    lua_xmove(co, L, 1);
    return 2;
}

static int close(lua_State *L)
{
    lua_State *co = check_coroutine(L);
    const char *status = status_of(L, co);

    if (*mark_of(co) == MARK_WAITS)
        return luaL_error(L, "cannot close a coroutine that waits for the core");
    if (*mark_of(co) == MARK_CORE ||
        (strcmp(status, "suspended") != 0 && strcmp(status, "dead") != 0))
        return luaL_error(L, "cannot close a %s coroutine", status);
    return reset(L, co);
}

/* ---- wrap ---- */

static int wrapped_again(lua_State *L, int status, lua_KContext context);

static int finish_wrapped(lua_State *L, lua_State *co, int results)
{
    if (results == WAITS)
        return lua_yieldk(L, 0, 0, wrapped_again);
    if (results >= 0)
        return results;
    if (lua_status(co) != LUA_OK && lua_status(co) != LUA_YIELD && reset(L, co) == 1)
        lua_pop(L, 1); /* else the error of closing takes the place of the first */
    if (lua_type(L, -1) == LUA_TSTRING) {
        luaL_where(L, 1);
        lua_insert(L, -2);
        lua_concat(L, 2);
    }
    return lua_error(L);
}

static int wrapped_again(lua_State *L, int status, lua_KContext context)
{
    lua_State *co = lua_tothread(L, lua_upvalueindex(1));
    (void)status;
    (void)context;
    return finish_wrapped(L, co, run(L, co, 0));
}

static int wrapped(lua_State *L)
{
    lua_State *co = lua_tothread(L, lua_upvalueindex(1));
    int arguments = lua_gettop(L);
    const char *refused = refusal(L, co, arguments);

    if (refused)
        return luaL_error(L, "%s", refused);
    lua_xmove(L, co, arguments);
    return finish_wrapped(L, co, run(L, co, arguments));
}

static int wrap(lua_State *L)
{
    create(L);
    lua_pushcclosure(L, wrapped, 1);
    return 1;
}

/* ---- the rest ---- */

/* Only out of a coroutine of the script's own: a task that yielded so would never go on. */
static int yield(lua_State *L)
{
    if (*mark_of(L) == MARK_CORE)
        return luaL_error(L, "attempt to yield from outside a coroutine");
    return lua_yield(L, lua_gettop(L));
}

static int status(lua_State *L)
{
    lua_State *co = check_coroutine(L);
    lua_pushstring(L, *mark_of(co) == MARK_STOPPED ? "dead" : status_of(L, co));
    return 1;
}

static int is_yieldable(lua_State *L)
{
    lua_State *co = lua_isnone(L, 1) ? L : check_coroutine(L);
    lua_pushboolean(L, *mark_of(co) != MARK_CORE && lua_isyieldable(co));
    return 1;
}

static int running(lua_State *L)
{
    lua_pushthread(L);
    lua_pushboolean(L, *mark_of(L) == MARK_CORE);
    return 2;
}

static const luaL_Reg functions[] = {
    {"create", create}, {"resume", resume}, {"close", close},     {"wrap", wrap},
    {"yield", yield},   {"status", status}, {"running", running}, {"isyieldable", is_yieldable},
    {NULL, NULL},
};

int tt_coroutines_open(lua_State *L)
{
    luaL_newlib(L, functions);
    return 1;
}
