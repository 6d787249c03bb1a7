/* Globals that no script has: the names that compiled files read or set and that are not in the
 * sandbox. A read raises when it runs, which in a function that is seldom called may be late. */
#pragma once
#include "script/vm.h"

/* A lua_CFunction for tt_vm_call; the argument is the tt_diagnostics that get the warnings. */
int tt_global_names_advise(lua_State *L);
