/* llm.ask: a reply that belongs to no session and is not stored; a test of a connection, a title.
 * Nobody can come back to it, so it ends when its client leaves. */
#include "script/bind.h"
#include "script/llm_start.h"
#include "script/value.h"

static void finish_now(struct tt_reply *reply, void *arg)
{
    (void)arg;
    tt_reply_finish(reply, NULL);
}

int tt_lua_llm_ask(lua_State *L)
{
    struct tt_env *env = tt_vm_of(L)->env;
    struct tt_lua_source source = {0};
    struct tt_err err = {0};
    int failed = 0;

    luaL_checktype(L, 1, LUA_TTABLE);
    struct tt_task *task = tt_task_check(L, "llm.ask");
    lua_settop(L, 1);
    tt_lua_read_source(L, &source, tt_value_push_arena(L));
    struct tt_reply **holder = tt_llm_push_reply(L);
    *holder = tt_reply_new(env->loop, 0, 0, 0, &err);
    if (!*holder)
        return tt_value_push_error(L, &err);
    tt_reply_cancel_unheard(*holder);
    tt_reply_on_produced(*holder, finish_now, NULL);
    if (source.played) {
        tt_play_start(&source.play, *holder);
    } else {
        tt_lua_source_take_body(&source);
        failed = tt_upstream_start(env->client, &source.request, source.spec, *holder, &err);
    }
    tt_lua_source_done(&source);
    if (failed)
        return tt_value_push_error(L, &err);
    tt_lua_listen(task, *holder);
    return 1;
}
