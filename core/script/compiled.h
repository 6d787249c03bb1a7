/* The bytecode of a file of scripts, compiled once: the states of all workers are made from it, and
 * those of later generations in which the file has the same bytes. It never leaves the process, and
 * scripts cannot load bytecode (sandbox.c), so only what the compiler has made is ever run. */
#pragma once
#include "script/bundle.h"

#include <lua.h>

/* Shared by the bundles whose file it is. Thread: the one that builds and frees generations. */
struct tt_compiled *tt_compiled_ref(struct tt_compiled *compiled);
void tt_compiled_unref(struct tt_compiled *compiled); /* NULL is fine */

/* Pushes the function of a file, which the first call compiles. Fails: raises what the compiler
 * says. */
void tt_compiled_push(lua_State *L, struct tt_bundle_file *file);
