/* llm.ask: a reply that belongs to no session and is not stored; a test of a connection, a title,
 * an answer of the OpenAI routes. Nobody can come back to it, so it ends when its client leaves,
 * unless the script wants the result all the same. */
#include "script/bind.h"
#include "script/llm_start.h"
#include "script/production.h"
#include "script/value.h"

int tt_lua_llm_ask(lua_State *L)
{
    struct tt_task *task = tt_task_check(L, "llm.ask");
    struct tt_env *env = tt_vm_of(L)->env;
    struct tt_lua_source source = {0};
    struct tt_production_spec spec = {0};
    struct tt_err err = {0};

    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    tt_lua_read_source(L, &source, tt_value_push_arena(L));
    tt_lua_read_counting(L, &spec);
    spec.cancel_unheard =
        lua_getfield(L, 1, "disconnect") == LUA_TNIL || tt_lua_read_disconnect(L, -1);
    lua_pop(L, 1);
    spec.play = source.played ? &source.play : NULL;
    spec.plan = source.played ? NULL : &source.plan;
    struct tt_reply **holder = tt_llm_push_reply(L);
    spec.on_finish_arg = tt_lua_finish_hook(L, 1);
    spec.on_finish = spec.on_finish_arg ? tt_lua_on_finish : NULL;
    spec.filter = tt_lua_filter(L, 1);
    *holder = tt_production_start(env, &spec, &err);
    tt_lua_plan_wipe(&source.plan);
    if (!*holder)
        return tt_value_push_error(L, &err);
    tt_lua_listen(task, *holder);
    return 1;
}
