/* One Lua state of one script generation on one worker: memory-capped, sandboxed, with the tide.*
 * modules and a `require` that knows only the bundle's files. Built on any one thread (the
 * builder), then handed to its worker for good. */
#pragma once
#include "base/err.h"
#include "script/allocator.h"
#include "script/bundle.h"
#include "script/diagnostics.h"
#include "script/runtime.h"

#include <lauxlib.h>
#include <lua.h>
#include <stdatomic.h>

struct tt_vm {
    lua_State *L;
    const struct tt_bundle *bundle; /* borrowed */
    struct tt_runtime *runtime;
    struct tt_task *current; /* the task that runs now, or NULL */
    int generation;
    struct tt_allocator allocator;
    char loading[256];    /* the file whose module runs, "" = none */
    int close_depth;      /* coroutines that are being closed within one another */
    int idle_threads[64]; /* registry references of coroutines ready for reuse */
    int idle_count;
    int handle_ref, routes_ref; /* app.handle, app.routes (registry references) */
    /* Hold and release the owner of the state; NULL in tests. */
    void (*hold)(struct tt_vm *vm), (*release)(struct tt_vm *vm);
    void *owner;           /* theirs */
    struct tt_list timers; /* declared by its modules, see timers.h */
    bool loaded;           /* module bodies have run */
    size_t taken;          /* bytes that its tasks received and may still hold, see tt_task_take */
    /* Requests begun, and those that failed because of the scripts; any thread may read. */
    atomic_ullong requests, failures;
};

/* Builds the state: compiles every file, which the bundle keeps (compiled.h), then runs app.lua and
 * every other module, so that any mistake is found here and not by a request. Fails: NULL with code
 * "script_error"; *diagnostics gets everything that was found. Owns: the caller, tt_vm_free. */
struct tt_vm *tt_vm_new(struct tt_bundle *bundle, struct tt_runtime *runtime, int generation,
                        struct tt_diagnostics *diagnostics, struct tt_err *err);
void tt_vm_free(struct tt_vm *vm);

/* Code that runs something in the state without a request (a task, a filter) holds it meanwhile.
 * After the release the state may be gone. Thread: the vm's worker. */
void tt_vm_hold(struct tt_vm *vm);
void tt_vm_release(struct tt_vm *vm);

/* Calls a C function in the state, with `arg` as a light userdata, and catches what it raises: -1,
 * and a diagnostic with a traceback, about `file` when the error names no place. Thread: the one
 * that has the state. */
int tt_vm_call(struct tt_vm *vm, lua_CFunction function, void *arg, const char *file,
               struct tt_diagnostics *diagnostics);

/* The vm that a state belongs to. */
struct tt_vm *tt_vm_of(lua_State *L);

/* Pushes the table that app.lua returned. */
void tt_vm_push_app(lua_State *L);

/* The version of Lua, for `tidetalk version`. Thread: any. */
const char *tt_vm_library_version(void);
