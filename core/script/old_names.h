/* Names of the previous release, which scripts may use for one more release. Renames in lua/ are
 * listed in lua/aliases.lua of the bundle; renames in tide.* in a table of old_names.c. `tidetalk
 * check` reports the new names.
 *
 * aliases.lua returns {modules = {["lib.pages"] = "web.pages"}, fields = {["lib.objects"] = {file =
 * "files.objects.file"}}}: `fields` is for names in a module that is required by its old path; the
 * new name is a module and its field. */
#pragma once
#include "script/vm.h"

/* Pushes the module for an old path, or returns false and pushes nothing. It calls `require` for it
 * and raises what that raises. */
bool tt_old_names_push_module(lua_State *L, const char *name, lua_CFunction require);

/* Adds the old names to the loaded tide.* modules. */
void tt_old_names_add(lua_State *L);

/* Adds a diagnostic for each use of an old name in the bundle, with file and line; run by
 * tt_vm_call with the diagnostics. */
int tt_old_names_advise(lua_State *L);
