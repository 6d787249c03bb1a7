/* One Lua state of one script generation on one worker: memory-capped, sandboxed, with the tide.*
 * modules and a `require` that knows only the bundle's files. Built on any one thread (the
 * builder), then handed to its worker for good. */
#pragma once
#include "base/err.h"
#include "script/bundle.h"
#include "script/complaints.h"
#include "script/env.h"

#include <lauxlib.h>
#include <lua.h>
#include <stdatomic.h>

struct tt_generation;

struct tt_vm {
    lua_State *L;
    const struct tt_bundle *bundle; /* borrowed */
    struct tt_env *env;
    struct tt_task *current; /* the task that runs now, NULL between */
    int generation;
    size_t memory_used, memory_max;
    char loading[256];    /* the file whose module runs, "" = none */
    int close_depth;      /* coroutines that are being closed within one another */
    int idle_threads[64]; /* registry references of coroutines ready for reuse */
    int idle_count;
    int handle_ref, routes_ref;  /* app.handle, app.routes (registry references) */
    struct tt_generation *owner; /* NULL in tests */
    struct tt_list timers;       /* declared by its modules, see timers.h */
    bool loaded;                 /* module bodies have run */
    size_t taken; /* bytes that its tasks were handed and still may hold, see tt_task_take */
    /* Requests begun, and those among them that failed by the scripts' own fault; any thread may
     * read. */
    atomic_ullong requests, failures;
};

/* Builds the state: compiles every file, then runs app.lua and every other module, so that whatever
 * is wrong anywhere is found here and not by a request. Fails: NULL with code "script_error";
 * *complaints gets everything that was found. Owns: the caller, tt_vm_free. */
struct tt_vm *tt_vm_new(const struct tt_bundle *bundle, struct tt_env *env, int generation,
                        struct tt_complaints *complaints, struct tt_err *err);
void tt_vm_free(struct tt_vm *vm);

/* At the swap: the vm becomes its worker's current one, or stops being it. What goes on without
 * requests (timers) changes hands in these two, in either order and without a turn between them.
 * Thread: the vm's worker, or main before it starts. */
void tt_vm_activate(struct tt_vm *vm);
void tt_vm_retire(struct tt_vm *vm);
/* Calls a C function in the state, with `arg` as a light userdata, and stands between what it
 * raises and the caller: -1, and a complaint with a traceback, about `file` when the error names no
 * place. Thread: the one that has the state. */
int tt_vm_call(struct tt_vm *vm, lua_CFunction function, void *arg, const char *file,
               struct tt_complaints *complaints);

/* The vm that a state belongs to. */
struct tt_vm *tt_vm_of(lua_State *L);

/* Pushes the table that app.lua returned. */
void tt_vm_push_app(lua_State *L);

/* The version of Lua, for `tidetalk version`. Thread: any. */
const char *tt_vm_library_version(void);
