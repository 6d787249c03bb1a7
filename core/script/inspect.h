/* A value as text for people: all of it, in lines, with what a plain tostring hides: where a
 * function is written, the metatable of a table. */
#pragma once
#include <lua.h>

/* inspect(value, depth): the text. `depth` is how far into tables it goes, 6 by default. */
int tt_inspect(lua_State *L);
