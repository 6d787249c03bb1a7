/* The coroutine library of scripts: Lua's own, with three differences. The watchdog also stops code
 * that runs in a coroutine. A function of the core that waits may be called in one, and then the
 * whole task waits. A task's own coroutine cannot be resumed or closed by a script. */
#pragma once
#include <lua.h>

/* Pushes the library's table. */
int tt_coroutines_open(lua_State *L);
