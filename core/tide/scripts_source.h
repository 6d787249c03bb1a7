/* The functions of tide.scripts that read sources. */
#pragma once
#include <lua.h>

int tt_scripts_returns(lua_State *L);
int tt_scripts_calls(lua_State *L);
