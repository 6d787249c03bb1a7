/* Tasks: coroutines from a pool, resumed in turns (resumes.h). A coroutine that ended by an error
 * is dropped, never pooled (the state of its hooks and stack is unknown). */
#include "script/task.h"

#include "script/task_error.h"
#include "script/value.h"
#include "script/watchdog.h"

#include <stdlib.h>

struct tt_task {
    struct tt_list node; /* runtime->tasks */
    struct tt_vm *vm;
    lua_State *L;
    int thread_ref;
    tt_task_end_fn *on_end;
    void *arg;
    struct tt_wait *wait;    /* what it waits for */
    bool waits;              /* from the yield on until it is resumed */
    int barriers;            /* coroutines of the script that run where nothing can yield */
    struct tt_resume resume; /* queued when the wait is through */
    int arguments;           /* on its stack, until it begins */
    struct tt_list owned;
    struct tt_task *parent, *root; /* NULL for a task that is nobody's child */
    struct tt_list children, sibling;
    int descendants; /* of a root */
    uint64_t owner;  /* of a root */
    size_t taken;    /* bytes handed to a root and its descendants */
    bool left;       /* nobody waits for what it does any more */
};

/* Bytes that a script deals with in no time, whatever it does with them: within them the default
 * budget is almost a microsecond for each. */
#define TAKEN_MUCH 65536

static void run_again(struct tt_resume *turn);

/* Protected: making a thread may fail for lack of memory, which is a longjmp. */
static int new_thread(lua_State *L)
{
    struct tt_task *task = lua_touserdata(L, 1);
    task->L = lua_newthread(L);
    task->thread_ref = luaL_ref(L, LUA_REGISTRYINDEX);
    return 0;
}

static int take_thread(struct tt_vm *vm, struct tt_task *task)
{
    if (vm->idle_count > 0) {
        task->thread_ref = vm->idle_threads[--vm->idle_count];
        lua_rawgeti(vm->L, LUA_REGISTRYINDEX, task->thread_ref);
        task->L = lua_tothread(vm->L, -1);
        lua_pop(vm->L, 1);
        return 0;
    }
    lua_pushcfunction(vm->L, new_thread);
    lua_pushlightuserdata(vm->L, task);
    if (lua_pcall(vm->L, 1, 0, 0) == LUA_OK)
        return 0;
    lua_settop(vm->L, 0);
    return -1;
}

struct tt_task *tt_task_new(struct tt_vm *vm, tt_task_end_fn *on_end, void *arg)
{
    struct tt_task *task = TT_NEW(struct tt_task);

    if (take_thread(vm, task) != 0) {
        free(task);
        return NULL;
    }
    task->vm = vm;
    task->on_end = on_end;
    task->arg = arg;
    task->resume.run = run_again;
    tt_list_init(&task->owned);
    tt_list_init(&task->children);
    tt_list_push_back(&vm->runtime->tasks, &task->node);
    vm->runtime->task_count++;
    tt_vm_hold(vm);
    return task;
}

struct tt_task *tt_task_new_child(struct tt_task *parent, tt_task_end_fn *on_end, void *arg,
                                  struct tt_err *err)
{
    struct tt_task *root = tt_task_root(parent), *task = NULL;

    if (root->descendants < TT_TASK_CHILDREN_MAX)
        task = tt_task_new(parent->vm, on_end, arg);
    if (!task) {
        tt_err_set(err, 503, "busy", "more than %d tasks at once, or no memory for one more",
                   TT_TASK_CHILDREN_MAX);
        return NULL;
    }
    task->parent = parent;
    task->root = root;
    root->descendants++;
    tt_list_push_back(&parent->children, &task->sibling);
    return task;
}

struct tt_task *tt_task_root(struct tt_task *task)
{
    return task->root ? task->root : task;
}

bool tt_task_is_within(const struct tt_task *task, const struct tt_task *outer)
{
    while (task && task != outer)
        task = task->parent;
    return task != NULL;
}

void tt_task_take(lua_State *L, size_t bytes)
{
    struct tt_vm *vm = tt_vm_of(L);
    if (!vm->current)
        return;
    vm->taken += bytes;
    tt_task_root(vm->current)->taken += bytes;
}

void tt_task_push_taken(lua_State *L, struct tt_str bytes)
{
    tt_task_take(L, bytes.len);
    lua_pushlstring(L, bytes.data ? bytes.data : "", bytes.len);
}

void tt_task_set_owner(struct tt_task *task, uint64_t owner)
{
    tt_task_root(task)->owner = owner;
}

uint64_t tt_task_owner(lua_State *L)
{
    struct tt_task *current = tt_vm_of(L)->current;
    return current ? tt_task_root(current)->owner : 0;
}

bool tt_task_is_own_fault(const struct tt_task *task, const struct tt_err *error)
{
    const struct tt_task *root = task->root ? task->root : task;

    if (strcmp(error->code, "script_timeout") == 0)
        return root->taken < TAKEN_MUCH;
    if (strcmp(error->code, "script_memory") == 0)
        return task->vm->taken < TAKEN_MUCH;
    return strcmp(error->code, "no_memory") != 0;
}

struct tt_runtime *tt_task_runtime(struct tt_task *task)
{
    return task->vm->runtime;
}

void *tt_wait_new(size_t size, const struct tt_wait_type *type)
{
    struct tt_wait *wait = tt_alloc(size);
    wait->type = type;
    return wait;
}

void tt_wait_free(struct tt_wait *wait)
{
    if (wait->type->close)
        wait->type->close(wait);
    free(wait);
}

int tt_wait_refuse(lua_State *L, struct tt_wait *wait)
{
    struct tt_err err = wait->err;
    tt_wait_free(wait);
    return tt_value_push_error(L, &err);
}

static void release_wait(struct tt_task *task)
{
    struct tt_wait *wait = task->wait;
    task->wait = NULL;
    if (wait)
        tt_wait_free(wait);
}

/* Its task is cancelled. */
static void abandon_wait(struct tt_task *task)
{
    struct tt_wait *wait = task->wait;
    task->wait = NULL;
    if (!wait)
        return;
    wait->task = NULL;
    if (wait->done || !wait->type->abandon)
        tt_wait_free(wait);
    else
        wait->type->abandon(wait);
}

/* One budget for what all of them close. */
static void cancel_children(struct tt_task *task)
{
    struct tt_budget guard;

    if (tt_list_empty(&task->children))
        return;
    tt_budget_begin(&guard, task->vm->L, task->vm->runtime->time_ms);
    while (!tt_list_empty(&task->children))
        tt_task_cancel(tt_list_entry(task->children.next, struct tt_task, sibling));
    tt_budget_end(&guard);
}

static void destroy(struct tt_task *task, bool reuse)
{
    struct tt_vm *vm = task->vm;

    cancel_children(task);
    while (!tt_list_empty(&task->owned)) {
        struct tt_owned *owned = tt_list_entry(task->owned.next, struct tt_owned, node);
        tt_list_remove(&owned->node);
        owned->close(owned);
    }
    tt_resumes_remove(&vm->runtime->resumes, &task->resume);
    vm->taken -= task->taken;
    if (reuse && vm->idle_count < (int)TT_COUNT(vm->idle_threads)) {
        lua_settop(task->L, 0);
        vm->idle_threads[vm->idle_count++] = task->thread_ref;
    } else { /* not emptied: that could run a __close */
        luaL_unref(vm->L, LUA_REGISTRYINDEX, task->thread_ref);
    }
    if (task->root)
        task->root->descendants--;
    tt_list_remove(&task->sibling);
    tt_list_remove(&task->node);
    vm->runtime->task_count--;
    free(task);
    tt_vm_release(vm); /* from here on the vm may be gone */
}

/* Closes the variables of a coroutine that will not go on; that is Lua code as well, but of no task
 * any more. */
static void close_variables(struct tt_task *task)
{
    struct tt_vm *vm = task->vm;
    struct tt_task *outer = vm->current;
    struct tt_budget guard;

    vm->current = NULL;
    tt_budget_begin(&guard, task->L, vm->runtime->time_ms);
    lua_resetthread(task->L);
    tt_budget_end(&guard);
    vm->current = outer;
}

/* What a script that ran out of memory leaves behind is collected at once: near the limit Lua would
 * have to look through everything at every other allocation. */
static void collect(struct tt_vm *vm)
{
    lua_gc(vm->L, LUA_GCCOLLECT);
}

static void resume(struct tt_task *task, int arguments)
{
    struct tt_vm *vm = task->vm;
    struct tt_task *outer = vm->current;
    struct tt_budget guard;
    struct tt_err err = {0};
    int results = 0;

    vm->current = task;
    task->waits = false;
    tt_budget_begin(&guard, task->L, vm->runtime->time_ms);
    int status = lua_resume(task->L, vm->L, arguments, &results);
    bool stopped = tt_budget_end(&guard);
    vm->current = outer;
    if (status == LUA_YIELD)
        return; /* task->wait is set: the only way to yield is tt_task_yield */
    release_wait(task);
    if (status == LUA_OK) {
        task->on_end(NULL, task->arg);
        destroy(task, true);
        return;
    }
    tt_task_read_error(vm, task->L, status, stopped, &err);
    if (!stopped) /* its hooks are off: a loop in a __close could not be stopped */
        close_variables(task);
    if (status == LUA_ERRMEM)
        collect(vm);
    task->on_end(&err, task->arg);
    destroy(task, false);
}

/* Goes on soon, when it is its owner's turn. */
static void queue(struct tt_task *task)
{
    struct tt_runtime *runtime = task->vm->runtime;

    task->resume.owner = tt_task_root(task)->owner;
    tt_resumes_push(&runtime->resumes, runtime->loop, &task->resume);
}

void tt_task_start(struct tt_task *task, lua_CFunction entry)
{
    lua_pushcfunction(task->L, entry);
    lua_pushlightuserdata(task->L, task->arg);
    resume(task, 1);
}

void tt_task_start_in_turn(struct tt_task *task, lua_CFunction entry)
{
    const struct tt_runtime *runtime = task->vm->runtime;

    if (!tt_resumes_are_behind(&runtime->resumes, runtime->loop)) {
        tt_task_start(task, entry);
        return;
    }
    lua_pushcfunction(task->L, entry);
    lua_pushlightuserdata(task->L, task->arg);
    task->arguments = 1;
    queue(task);
}

int tt_task_start_later(struct tt_task *task, lua_CFunction entry, lua_State *L, int arguments)
{
    if (!lua_checkstack(task->L, arguments + 2))
        return -1;
    lua_pushcfunction(task->L, entry);
    lua_pushlightuserdata(task->L, task->arg);
    lua_xmove(L, task->L, arguments);
    task->arguments = arguments + 1;
    queue(task);
    return 0;
}

static void run_again(struct tt_resume *turn)
{
    struct tt_task *task = TT_CONTAINER_OF(turn, struct tt_task, resume);
    int arguments = task->arguments;
    task->arguments = 0;
    resume(task, arguments);
}

void tt_task_cancel(struct tt_task *task)
{
    abandon_wait(task);
    close_variables(task);
    destroy(task, false);
}

void tt_task_cancel_all(struct tt_runtime *runtime)
{
    while (!tt_list_empty(&runtime->tasks))
        tt_task_cancel(tt_list_entry(runtime->tasks.next, struct tt_task, node));
}

void tt_task_client_left(struct tt_task *task)
{
    task->left = true;
    if (task->wait && task->wait->type->on_left)
        task->wait->type->on_left(task->wait);
    tt_list_for_each (node, &task->owned) {
        struct tt_owned *owned = tt_list_entry(node, struct tt_owned, node);
        if (owned->on_left)
            owned->on_left(owned);
    }
    tt_list_for_each (child, &task->children)
        tt_task_client_left(tt_list_entry(child, struct tt_task, sibling));
}

bool tt_task_has_client(const struct tt_task *task)
{
    return !(task->root ? task->root : task)->left;
}

struct tt_task *tt_task_check(lua_State *L, const char *function)
{
    struct tt_task *task = tt_vm_of(L)->current;
    if (!task)
        luaL_error(L, "%s cannot be called %s", function,
                   tt_vm_of(L)->loaded ? "here, outside of a request or task (in on_delta, say)"
                                       : "while a module loads");
    return task;
}

bool tt_task_can_wait(lua_State *L)
{
    const struct tt_task *task = tt_vm_of(L)->current;
    return task && lua_isyieldable(L) && !task->barriers;
}

struct tt_task *tt_task_check_wait(lua_State *L, const char *function)
{
    struct tt_task *task = tt_task_check(L, function);
    if (!tt_task_can_wait(L))
        luaL_error(L, "%s waits, which is not possible here (inside sort, gsub or a metamethod)",
                   function);
    return task;
}

void tt_task_own(struct tt_task *task, struct tt_owned *owned)
{
    tt_list_push_back(&task->owned, &owned->node);
}

void tt_task_disown(struct tt_owned *owned)
{
    tt_list_remove(&owned->node);
}

static int push_results(struct tt_wait *wait, lua_State *L)
{
    if (wait->err.status)
        return tt_value_push_error(L, &wait->err);
    return wait->type->push ? wait->type->push(wait, L) : 0;
}

/* In a coroutine of the script the task may be another one by now, in theory: coroutines.c lets
 * only the task that waits go on with it. */
static int after_wait(lua_State *L, int status, lua_KContext context)
{
    struct tt_task *task = tt_vm_of(L)->current;
    (void)status;
    (void)context;
    lua_settop(L, task->wait->arguments);
    luaL_checkstack(L, 8, "results");
    int results = push_results(task->wait, L);
    release_wait(task);
    return results;
}

int tt_task_yield(lua_State *L, struct tt_wait *wait)
{
    struct tt_task *task = tt_vm_of(L)->current;
    release_wait(task); /* one whose push raised, and the script went on */
    wait->task = task;
    task->wait = wait;
    task->waits = true;
    return lua_yieldk(L, 0, 0, after_wait);
}

bool tt_task_waits(lua_State *L)
{
    const struct tt_task *task = tt_vm_of(L)->current;
    return task && task->waits;
}

void tt_task_enter_coroutine(lua_State *L)
{
    struct tt_task *task = tt_vm_of(L)->current;
    if (task && !lua_isyieldable(L))
        task->barriers++;
}

void tt_task_leave_coroutine(lua_State *L)
{
    struct tt_task *task = tt_vm_of(L)->current;
    if (task && !lua_isyieldable(L))
        task->barriers--;
}

void tt_wait_done(struct tt_wait *wait)
{
    if (wait->task)
        queue(wait->task);
    tt_wait_drop(wait);
}

void tt_wait_drop(struct tt_wait *wait)
{
    wait->done = true;
    if (!wait->task)
        tt_wait_free(wait);
}
