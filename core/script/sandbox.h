/* The part of Lua's standard library that scripts get: nothing that reads files, starts processes,
 * loads bytecode or inspects the machine. It protects against mistakes; it is not a boundary
 * between tenants. */
#pragma once
#include <lua.h>

/* Opens the safe libraries into a new state. */
void tt_sandbox_open(lua_State *L);

/* Makes the globals and library tables read-only. */
void tt_sandbox_freeze(lua_State *L);
