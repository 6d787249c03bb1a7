/* Modules of the server that plugins require. They work and are no part of what plugins are
 * promised: `tidetalk check` warns of each place. */
#pragma once
#include "script/vm.h"

/* Adds a diagnostic for each `require` of such a module in a plugin's files, with file and line;
 * run by tt_vm_call with the diagnostics. */
int tt_private_modules_advise(lua_State *L);
