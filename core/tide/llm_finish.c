/* What a script does when a reply has ended (such as asking the model for a title): its own task,
 * after the commit, without the request that began it. */
#include "script/detached.h"
#include "tide/llm_start.h"
#include "tide/modules.h"

void *tt_tide_llm_finish_hook(lua_State *L, int index)
{
    int type = lua_getfield(L, index, "on_finish");
    struct tt_detached *hook = NULL;

    if (type != LUA_TNIL && type != LUA_TFUNCTION)
        luaL_error(L, "'on_finish' is a %s, not a function", luaL_typename(L, -1));
    if (type == LUA_TFUNCTION)
        hook = tt_detached_new(L, -1, "on_finish");
    lua_pop(L, 1);
    return hook;
}

static int push_result(lua_State *L, void *arg)
{
    tt_tide_push_result(L, arg);
    return 1;
}

static void on_over(void *arg, bool failed)
{
    (void)failed;
    tt_reply_unref(arg);
}

void tt_tide_llm_on_finish(struct tt_reply *reply, void *hook)
{
    if (reply)
        tt_detached_run(
            hook, &(struct tt_detached_call){push_result, on_over, NULL, tt_reply_ref(reply)});
    else
        tt_detached_free(hook);
}
