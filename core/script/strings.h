/* The functions of Lua's string library that match patterns, over pattern.h. */
#pragma once
#include <lua.h>

int tt_strings_find(lua_State *L);
int tt_strings_match(lua_State *L);
int tt_strings_gmatch(lua_State *L);
int tt_strings_gsub(lua_State *L);
