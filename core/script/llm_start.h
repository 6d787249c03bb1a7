/* llm.start and llm.ask: reading a script's description of what to ask, for bind_llm.c. */
#pragma once
#include "llm/registry.h"
#include "script/task.h"

#define TT_TURN_META "tide.llm.turn"

/* A place in a session's queue as a Lua value; the task that entered owns it too. */
struct tt_lua_turn {
    struct tt_owned owned;
    struct tt_turn *turn; /* NULL once left or taken over */
};
void tt_lua_turn_leave(struct tt_lua_turn *holder);

int tt_lua_llm_start(lua_State *L);
int tt_lua_llm_ask(lua_State *L);
