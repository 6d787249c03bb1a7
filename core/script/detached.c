/* The task is still being taken down when its end is reported, so everything is released in the
 * loop's next tick: otherwise the last reference would close the generation under its own task. */
#include "script/detached.h"

#include "base/log.h"
#include "base/mem.h"
#include "script/task.h"

#include <stdlib.h>

struct tt_detached {
    struct tt_vm *vm;
    const char *where;
    int function; /* registry reference */
    bool borrowed, failed;
    bool ended;           /* the function returned or raised */
    struct tt_task *task; /* while it runs */
    struct tt_detached_call call;
    struct tt_owned owned; /* by the task */
    struct tt_deferred after_task;
};

struct tt_detached *tt_detached_borrow(struct tt_vm *vm, int function, const char *where)
{
    struct tt_detached *detached = TT_NEW(struct tt_detached);
    detached->vm = vm;
    tt_vm_hold(vm);
    detached->where = where;
    detached->function = function;
    detached->borrowed = true;
    return detached;
}

struct tt_detached *tt_detached_new(lua_State *L, int index, const char *where)
{
    lua_pushvalue(L, index);
    int function = luaL_ref(L, LUA_REGISTRYINDEX);
    struct tt_detached *detached = tt_detached_borrow(tt_vm_of(L), function, where);
    detached->borrowed = false;
    return detached;
}

void tt_detached_free(struct tt_detached *detached)
{
    if (!detached)
        return;
    if (!detached->borrowed)
        luaL_unref(detached->vm->L, LUA_REGISTRYINDEX, detached->function);
    tt_vm_release(detached->vm);
    free(detached);
}

static int after_call(lua_State *L, int status, lua_KContext context)
{
    (void)L;
    (void)status;
    (void)context;
    return 0;
}

static int entry(lua_State *L)
{
    struct tt_detached *detached = lua_touserdata(L, 1);
    int arguments = 0;

    lua_rawgeti(L, LUA_REGISTRYINDEX, detached->function);
    if (detached->call.push)
        arguments = detached->call.push(L, detached->call.arg);
    lua_callk(L, arguments, 0, 0, after_call);
    return 0;
}

static void on_end(const struct tt_err *error, void *arg)
{
    struct tt_detached *detached = arg;
    detached->task = NULL;
    detached->ended = true;
    if (!error)
        return;
    detached->failed = true;
    tt_log(TT_LOG_ERROR, "script error", TT_F_Z("where", detached->where),
           TT_F_LINES("error", tt_str_from(error->message)));
}

static void over(struct tt_deferred *deferred)
{
    struct tt_detached *detached = TT_CONTAINER_OF(deferred, struct tt_detached, after_task);
    struct tt_detached_call call = detached->call;
    bool failed = detached->failed, dropped = !detached->ended;

    tt_detached_free(detached);
    if (dropped && call.on_dropped)
        call.on_dropped(call.arg);
    if (call.on_over)
        call.on_over(call.arg, failed);
}

static void on_task_gone(struct tt_owned *owned)
{
    struct tt_detached *detached = TT_CONTAINER_OF(owned, struct tt_detached, owned);
    tt_loop_defer(detached->vm->runtime->loop, &detached->after_task);
}

void tt_detached_run(struct tt_detached *detached, const struct tt_detached_call *call)
{
    struct tt_runtime *runtime = detached->vm->runtime;
    struct tt_task *task = NULL;

    detached->call = *call;
    detached->owned.close = on_task_gone;
    detached->after_task.run = over;
    if (!runtime->drained && !runtime->closing)
        task = tt_task_new(detached->vm, on_end, detached);
    if (!task) {
        if (runtime->closing) /* the loop has ended: there is no later step */
            over(&detached->after_task);
        else
            on_task_gone(&detached->owned);
        return;
    }
    detached->task = task;
    tt_task_own(task, &detached->owned);
    tt_task_start(task, entry);
}

void tt_detached_cancel(struct tt_detached *detached)
{
    struct tt_task *task = detached->task;

    detached->task = NULL;
    detached->failed = true;
    if (task)
        tt_task_cancel(task);
}
