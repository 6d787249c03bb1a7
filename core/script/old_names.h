/* Names of the release before this one, which scripts may go on using for one release. What is
 * renamed in lua/ stands in lua/aliases.lua of the bundle; what is renamed in tide.* stands in a
 * table of old_names.c. `tidetalk check` names the new ones.
 *
 * aliases.lua returns {modules = {["lib.pages"] = "web.pages"}, fields = {["lib.objects"] =
 * {file = "files.objects.file"}}}: `fields` is for names in a module that is required by its old
 * path; the new one is a module and its field. */
#pragma once
#include "script/vm.h"

/* Pushes the module that an old path stands for, or nothing: false. `require` is asked for it.
 * Raises what `require` raises. */
bool tt_old_names_push_module(lua_State *L, const char *name, lua_CFunction require);

/* Gives the loaded modules tide.* their old names besides. */
void tt_old_names_add(lua_State *L);

/* A diagnostic for each use of an old name in the bundle, with file and line; tt_vm_call runs it
 * with the diagnostics. */
int tt_old_names_advise(lua_State *L);
