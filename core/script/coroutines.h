/* The coroutine library of scripts: Lua's own, with three differences. The watchdog stops what runs
 * in a coroutine too; a function of the core that waits may be called in one, and the whole task
 * waits; and a task's own coroutine cannot be resumed or closed by a script. */
#pragma once
#include <lua.h>

/* Pushes the library's table. */
int tt_coroutines_open(lua_State *L);
