/* Calls that wait where Lua cannot yield: in a comparator of table.sort, in a callback of gsub, in
 * __tostring, and in the filter that on_delta returns. They raise when they run, and some only when
 * they have something to wait for. */
#pragma once
#include "script/vm.h"

/* A lua_CFunction for tt_vm_call; the argument is the tt_diagnostics that get the warnings. */
int tt_source_waits_advise(lua_State *L);
