/* The part of Lua's standard library that scripts get: nothing that reads files, starts processes,
 * loads bytecode or looks into the machine. Protection against mistakes, not a tenant boundary. */
#pragma once
#include <lua.h>

/* Opens the safe libraries into a new state. */
void tt_sandbox_open(lua_State *L);

/* Makes the globals and library tables read-only. */
void tt_sandbox_freeze(lua_State *L);
