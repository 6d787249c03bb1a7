/* llm.ask: a reply that belongs to no session and is not stored: a test of a connection, a title,
 * an answer of the OpenAI routes. Nobody can come back to it, so it ends when its client leaves,
 * unless the script wants the result all the same. */
#include "chat/running_reply.h"
#include "script/value.h"
#include "tide/llm_start.h"
#include "tide/modules.h"

struct ask {
    struct tt_running_reply_spec spec;
    struct tt_tide_llm_source source;
};

/* Protected, because only a running reply frees the hook and the filter: 1 = the script's table, 2
 * = where to store the description. Returns what keeps that alive, the reply's holder last. */
static int read_ask(lua_State *L)
{
    struct ask *ask = lua_touserdata(L, 2);
    struct tt_running_reply_spec *spec = &ask->spec;

    tt_tide_llm_read_source(L, &ask->source, tt_value_push_arena(L));
    tt_tide_llm_read_counting(L, spec);
    spec->stop_without_clients =
        lua_getfield(L, 1, "disconnect") == LUA_TNIL || tt_tide_llm_read_disconnect(L, -1);
    lua_pop(L, 1);
    spec->play = ask->source.played ? &ask->source.play : NULL;
    spec->plan = ask->source.played ? NULL : &ask->source.plan;
    spec->on_finish_arg = tt_tide_llm_finish_hook(L, 1);
    spec->on_finish = spec->on_finish_arg ? tt_tide_llm_on_finish : NULL;
    spec->filter = tt_tide_llm_filter(L, 1);
    tt_tide_push_reply(L);
    return lua_gettop(L) - 2;
}

int tt_tide_llm_ask(lua_State *L)
{
    struct tt_task *task = tt_task_check(L, "llm.ask");
    struct tt_tide *tide = tt_tide_of(L);
    struct ask ask = {0};
    struct tt_err err = {0};

    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    lua_pushcfunction(L, read_ask);
    lua_pushvalue(L, 1);
    lua_pushlightuserdata(L, &ask);
    if (lua_pcall(L, 2, LUA_MULTRET, 0) != LUA_OK) {
        tt_running_reply_refuse(&tide->chat, &ask.spec,
                                NULL); /* no row: only hook and filter are released */
        return lua_error(L);
    }
    struct tt_reply **holder = lua_touserdata(L, -1);
    *holder = tt_running_reply_start(&tide->chat, &ask.spec, &err);
    if (!*holder)
        return tt_value_push_error(L, &err);
    tt_tide_llm_listen(task, *holder);
    return 1;
}
