/* What a script wants done when a reply has ended (a title asked from the model, say): a task of
 * its own, after the commit, without the request that began it. It keeps its generation alive, so
 * that the code that began a turn also ends it. */
#include "base/log.h"
#include "base/mem.h"
#include "script/bind.h"
#include "script/generation.h"
#include "script/llm_start.h"

#include <stdlib.h>

struct finish_hook {
    struct tt_vm *vm;
    struct tt_generation *generation; /* a reference */
    int function;                     /* registry reference */
    struct tt_reply *reply;           /* a reference, while the task runs */
    struct tt_owned owned;            /* by the task */
    struct tt_deferred after_task;
};

void *tt_lua_finish_hook(lua_State *L, int index)
{
    int type = lua_getfield(L, index, "on_finish");
    if (type == LUA_TNIL) {
        lua_pop(L, 1);
        return NULL;
    }
    if (type != LUA_TFUNCTION)
        luaL_error(L, "'on_finish' is a %s, not a function", luaL_typename(L, -1));
    int function = luaL_ref(L, LUA_REGISTRYINDEX);
    struct finish_hook *hook = TT_NEW(struct finish_hook);
    hook->vm = tt_vm_of(L);
    hook->generation = tt_generation_ref(hook->vm->owner);
    hook->function = function;
    return hook;
}

static void hook_free(struct finish_hook *hook)
{
    luaL_unref(hook->vm->L, LUA_REGISTRYINDEX, hook->function);
    tt_reply_unref(hook->reply);
    tt_generation_unref(hook->generation);
    free(hook);
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
    struct finish_hook *hook = lua_touserdata(L, 1);

    lua_rawgeti(L, LUA_REGISTRYINDEX, hook->function);
    tt_llm_push_result(L, hook->reply);
    lua_callk(L, 1, 0, 0, after_call);
    return 0;
}

static void on_end(const struct tt_err *error, void *arg)
{
    (void)arg;
    if (error)
        tt_log(TT_LOG_ERROR, "script error", TT_F_Z("where", "on_finish"),
               TT_F_Z("error", error->message));
}

static void free_later(struct tt_deferred *deferred)
{
    hook_free(TT_CONTAINER_OF(deferred, struct finish_hook, after_task));
}

/* The task is still being taken down when this is called: the hook goes in the loop's next step, so
 * that the generation is not closed under it. */
static void on_task_over(struct tt_owned *owned)
{
    struct finish_hook *hook = TT_CONTAINER_OF(owned, struct finish_hook, owned);
    tt_loop_defer(hook->vm->env->loop, &hook->after_task);
}

void tt_lua_on_finish(struct tt_reply *reply, void *arg)
{
    struct finish_hook *hook = arg;
    struct tt_task *task = NULL;

    if (reply && !hook->vm->env->drained && !hook->vm->env->closing)
        task = tt_task_new(hook->vm, on_end, hook);
    if (!task) {
        hook_free(hook);
        return;
    }
    hook->reply = tt_reply_ref(reply);
    hook->owned.close = on_task_over;
    hook->after_task.run = free_later;
    tt_task_own(task, &hook->owned);
    tt_task_start(task, entry);
}
