/* A function of a script that runs as its own task, without the request that gave it: the end of a
 * reply, a timer. While it waits to run and while it runs it keeps its generation alive, so the
 * code that gave the function is also the code that runs. Thread: the worker of the vm. */
#pragma once
#include "script/vm.h"

struct tt_detached;

/* Takes the function at `index`; `where` (a constant) names it in logs. Owns: the caller, until it
 * is run or freed. Fails: raises when the state is out of memory. */
struct tt_detached *tt_detached_new(lua_State *L, int index, const char *where);

/* The same for a function that the vm itself holds (a registry reference). Never fails. */
struct tt_detached *tt_detached_borrow(struct tt_vm *vm, int function, const char *where);

void tt_detached_free(struct tt_detached *detached);

struct tt_detached_call {
    int (*push)(lua_State *L, void *arg); /* the arguments, returns how many; may be NULL */
    /* Called once, in a later tick of the loop, when the task has ended; also when it could not
     * run. An error has been logged by then. May be NULL. */
    void (*on_over)(void *arg, bool failed);
    /* Before on_over: the function did not come to an end, or did not begin, because the server
     * stops or the task was cancelled. May be NULL. */
    void (*on_dropped)(void *arg);
    void *arg;
};

/* Drops the task of one that runs and waits; the call's on_over follows as failed. Not from within
 * the task. */
void tt_detached_cancel(struct tt_detached *detached);

/* Runs it once and releases it. Nothing runs any more once the drain limit has passed. */
void tt_detached_run(struct tt_detached *detached, const struct tt_detached_call *call);
