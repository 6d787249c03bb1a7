/* What libraries written for plain Lua expect, in a form that is safe here: print, load, rawset, a
 * view of the globals, a part of os. Private to the sandbox. */
#pragma once
#include "base/str.h"

#include <lua.h>
#include <stdbool.h>

/* Into the globals, before they are frozen. */
void tt_sandbox_library_open(lua_State *L);

/* After they are: `_G`, and what `require "string"` means. On top of the stack: the table of all
 * globals, which scripts never get. */
void tt_sandbox_library_finish(lua_State *L);

/* A table that tt_sandbox_freeze has made: pushes what it reads through to and returns true, or
 * pushes nothing. */
bool tt_sandbox_push_inner(lua_State *L, int index);

/* A name of an older Lua, which is nil and does not raise. */
bool tt_sandbox_is_foreign(struct tt_str name);

/* Replaces the table on top by an empty one that reads through to it and cannot be changed. With
 * `strict`, a name that is not there raises. */
void tt_sandbox_push_frozen(lua_State *L, bool strict);
