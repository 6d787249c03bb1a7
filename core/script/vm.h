/* One Lua state of one script generation on one worker: memory-capped, sandboxed, with the tide.*
 * modules and a `require` that knows only the bundle's files. Built on any one thread (the
 * builder), then handed to its worker for good. */
#pragma once
#include "base/err.h"
#include "script/bundle.h"
#include "script/env.h"

#include <lauxlib.h>
#include <lua.h>

struct tt_vm {
    lua_State *L;
    const struct tt_bundle *bundle; /* borrowed */
    struct tt_env *env;
    struct tt_task *current; /* the task that runs now, NULL between */
    int generation;
    size_t memory_used, memory_max;
    int idle_threads[64]; /* registry references of coroutines ready for reuse */
    int idle_count;
    int handle_ref, routes_ref; /* app.handle, app.routes (registry references) */
    void *owner;                /* the generation */
    struct tt_list timers;      /* declared by its modules, see timers.h */
    bool loaded;                /* module bodies have run */
};

/* Builds the state and runs lua/app.lua. Fails: NULL with code "script_error"; *errors gets every
 * complaint, one "file:line: message" a line. Owns: the caller, tt_vm_free. */
struct tt_vm *tt_vm_new(const struct tt_bundle *bundle, struct tt_env *env, int generation,
                        struct tt_buf *errors, struct tt_err *err);
void tt_vm_free(struct tt_vm *vm);

/* At the swap: the vm becomes its worker's current one, or stops being it. What goes on without
 * requests (timers) changes hands in these two, in either order and without a turn between them.
 * Thread: the vm's worker, or main before it starts. */
void tt_vm_activate(struct tt_vm *vm);
void tt_vm_retire(struct tt_vm *vm);

/* The vm that a state belongs to. */
struct tt_vm *tt_vm_of(lua_State *L);

/* The app table that app.lua returned is on top of L's stack (for generation.c's reading). */
void tt_vm_push_app(struct tt_vm *vm);

/* The version of Lua, for `tidetalk version`. Thread: any. */
const char *tt_vm_library_version(void);
