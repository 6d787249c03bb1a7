/* A coroutine that has failed may have no memory left, and its state neither: the code and the
 * place are found without any, the traceback is tried after that. */
#include "script/task_error.h"

#include <lauxlib.h>
#include <stdio.h>

/* Runs protected on the vm's main thread: 1 = the failed coroutine, 2 = the tt_err. */
static int describe_error(lua_State *L)
{
    lua_State *failed = lua_touserdata(L, 1);
    const char *message = lua_tostring(failed, -1);
    if (!message)
        message = lua_pushfstring(L, "(the error value is a %s)", luaL_typename(failed, -1));
    luaL_traceback(L, failed, message, 0);
    struct tt_err *err = lua_touserdata(L, 2);
    tt_err_set(err, err->status, err->code, "%s", lua_tostring(L, -1));
    return 0;
}

/* The innermost line of Lua on the stack of a failed coroutine; needs no memory. */
static void find_place(lua_State *failed, lua_Debug *place)
{
    snprintf(place->short_src, sizeof(place->short_src), "?");
    place->currentline = 0;
    for (int level = 0; lua_getstack(failed, level, place); level++) {
        lua_getinfo(failed, "Sl", place);
        if (place->currentline > 0)
            return;
    }
}

void tt_task_read_error(struct tt_vm *vm, lua_State *failed, int status, bool stopped,
                        struct tt_err *err)
{
    lua_State *L = vm->L;
    lua_Debug place;

    find_place(failed, &place);
    if (stopped)
        tt_err_set(err, 500, "script_timeout", "%s:%d: the script ran too long and was stopped",
                   place.short_src, place.currentline);
    else if (status == LUA_ERRMEM && vm->allocator.system_refused)
        tt_err_set(err, 503, "no_memory", "%s:%d: the system has no memory left", place.short_src,
                   place.currentline);
    else if (status == LUA_ERRMEM)
        tt_err_set(err, 500, "script_memory", "%s:%d: the state's memory limit was reached",
                   place.short_src, place.currentline);
    else
        tt_err_set(err, 500, "internal_error", "%s:%d: an error, and no memory to tell it",
                   place.short_src, place.currentline);
    lua_pushcfunction(L, describe_error);
    lua_pushlightuserdata(L, failed);
    lua_pushlightuserdata(L, err);
    if (lua_pcall(L, 2, 0, 0) != LUA_OK)
        lua_settop(L, 0);
}
