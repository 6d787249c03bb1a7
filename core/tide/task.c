/* tide.task: tasks within a task, to wait for several things at the same time. A child is an
 * ordinary task, so everything that waits works in it; it ends with its parent at the latest.
 *
 *
 * A child's record is shared by its task and by its holders (the script's handle, task.all), so
 * that neither needs to outlive the other. Its results stay in the registry until then. */
#include "script/task.h"

#include "base/log.h"
#include "script/value.h"
#include "tide/modules.h"

#include <stdlib.h>

#define CHILD_META "tide.Task"

struct joiner { /* waits for a child; in child->joiners */
    struct tt_list node;
    void (*on_over)(struct joiner *joiner);
};

struct child {
    int references;
    struct tt_vm *vm;
    struct tt_task *task;  /* NULL once it is over */
    struct tt_owned owned; /* in its own task: closed however that ends */
    struct tt_list joiners;
    enum { CHILD_RUNNING, CHILD_RETURNED, CHILD_FAILED, CHILD_CANCELLED } state;
    bool refused;        /* it returned nil and an error */
    bool reported;       /* somebody has received its error */
    int results, count;  /* CHILD_RETURNED: a table (registry reference), its length */
    struct tt_err error; /* CHILD_FAILED */
};

/* ---- a child's life ---- */

static void child_unref(struct child *child)
{
    if (--child->references > 0)
        return;
    if (child->state == CHILD_FAILED && !child->reported)
        tt_log(TT_LOG_ERROR, "script error", TT_F_Z("where", "task.spawn"),
               TT_F_LINES("error", tt_str_from(child->error.message)));
    luaL_unref(child->vm->L, LUA_REGISTRYINDEX, child->results);
    free(child);
}

static void on_task_gone(struct tt_owned *owned)
{
    struct child *child = TT_CONTAINER_OF(owned, struct child, owned);
    struct tt_list waiting;

    if (child->state == CHILD_RUNNING)
        child->state = CHILD_CANCELLED;
    child->task = NULL;
    tt_list_init(&waiting);
    tt_list_splice(&waiting, &child->joiners);
    while (!tt_list_empty(&waiting)) {
        struct joiner *joiner = tt_list_entry(waiting.next, struct joiner, node);
        tt_list_remove(&joiner->node);
        joiner->on_over(joiner);
    }
    child_unref(child);
}

static void on_task_end(const struct tt_err *error, void *arg)
{
    struct child *child = arg;
    child->state = error ? CHILD_FAILED : CHILD_RETURNED;
    if (error)
        child->error = *error;
}

/* Keeps what the function returned: 1 = the record, 2.. = the results. */
static int child_after(lua_State *L, int status, lua_KContext context)
{
    struct child *child = (struct child *)context;
    (void)status;

    child->count = lua_gettop(L) - 1;
    child->refused = child->count >= 2 && lua_isnil(L, 2) && lua_toboolean(L, 3);
    lua_createtable(L, child->count, 0);
    lua_insert(L, 2);
    for (int i = child->count; i >= 1; i--)
        lua_rawseti(L, 2, i);
    child->results = luaL_ref(L, LUA_REGISTRYINDEX);
    return 0;
}

/* 1 = the record, 2 = the function, 3.. = its arguments. */
static int child_entry(lua_State *L)
{
    lua_KContext child = (lua_KContext)lua_touserdata(L, 1);
    lua_callk(L, lua_gettop(L) - 2, LUA_MULTRET, child, child_after);
    return child_after(L, LUA_OK, child);
}

/* Starts a function with its arguments, `count` values on top of the stack, which are popped.
 * Returns a reference; NULL with "busy". */
static struct child *child_start(lua_State *L, struct tt_task *parent, int count,
                                 struct tt_err *err)
{
    struct child *child = TT_NEW(struct child);

    child->references = 2;
    child->vm = tt_vm_of(L);
    child->results = LUA_NOREF;
    tt_list_init(&child->joiners);
    child->task = tt_task_new_child(parent, on_task_end, child, err);
    if (!child->task) {
        free(child);
        return NULL;
    }
    child->owned.close = on_task_gone;
    tt_task_own(child->task, &child->owned);
    if (tt_task_start_later(child->task, child_entry, L, count) == 0)
        return child;
    tt_task_cancel(child->task);
    child_unref(child);
    tt_err_set(err, 503, "busy", "no memory for the arguments of a task");
    return NULL;
}

/* Pushes the child's results; raises with its traceback if it failed. */
static int push_outcome(lua_State *L, struct child *child)
{
    struct tt_err cancelled = {0};

    if (child->state == CHILD_FAILED) {
        child->reported = true;
        lua_pushstring(L, child->error.message);
        return lua_error(L);
    }
    if (child->state == CHILD_CANCELLED) {
        tt_err_set(&cancelled, 503, "cancelled", "the task was cancelled");
        return tt_value_push_error(L, &cancelled);
    }
    luaL_checkstack(L, child->count + 1, "results of a task");
    lua_rawgeti(L, LUA_REGISTRYINDEX, child->results);
    int table = lua_gettop(L);
    for (int i = 1; i <= child->count; i++)
        lua_rawgeti(L, table, i);
    return child->count;
}

/* ---- join ---- */

struct joining {
    struct tt_wait wait;
    struct joiner joiner;
    struct child *child; /* a reference */
};

static void joining_over(struct joiner *joiner)
{
    tt_wait_done(&TT_CONTAINER_OF(joiner, struct joining, joiner)->wait);
}

static int joining_push(struct tt_wait *wait, lua_State *L)
{
    return push_outcome(L, TT_CONTAINER_OF(wait, struct joining, wait)->child);
}

static void joining_close(struct tt_wait *wait)
{
    struct joining *joining = TT_CONTAINER_OF(wait, struct joining, wait);
    tt_list_remove(&joining->joiner.node);
    child_unref(joining->child);
}

static struct child *check_child(lua_State *L)
{
    return *(struct child **)luaL_checkudata(L, 1, CHILD_META);
}

static int child_join(lua_State *L)
{
    static const struct tt_wait_type type = {.push = joining_push, .close = joining_close};
    struct tt_task *task = tt_task_check_wait(L, "task:join");
    struct child *child = check_child(L);

    if (!child->task)
        return push_outcome(L, child);
    if (tt_task_is_within(task, child->task))
        return luaL_error(L, "task:join: a task cannot wait for itself or what it runs in");
    struct joining *joining = tt_wait_new(sizeof(*joining), &type);
    joining->joiner.on_over = joining_over;
    joining->child = child;
    child->references++;
    tt_list_push_back(&child->joiners, &joining->joiner.node);
    return tt_task_yield(L, &joining->wait);
}

static int child_cancel(lua_State *L)
{
    struct tt_task *task = tt_task_check(L, "task:cancel");
    struct child *child = check_child(L);

    if (child->task && tt_task_is_within(task, child->task))
        return luaL_error(L, "task:cancel: a task cannot cancel itself or what it runs in");
    if (child->task)
        tt_task_cancel(child->task);
    return 0;
}

static int child_state(lua_State *L)
{
    static const char *const names[] = {"running", "returned", "failed", "cancelled"};
    lua_pushstring(L, names[check_child(L)->state]);
    return 1;
}

static int child_gc(lua_State *L)
{
    struct child **holder = luaL_checkudata(L, 1, CHILD_META);
    if (*holder)
        child_unref(*holder);
    *holder = NULL;
    return 0;
}

/* ---- all ---- */

struct gathered {
    struct joiner joiner;
    struct gathering *all;
    struct child *child; /* a reference */
};

struct gathering {
    struct tt_wait wait;
    struct child *failed; /* the first one */
    int count, over;
    struct gathered items[];
};

static void gathered_over(struct joiner *joiner)
{
    struct gathered *item = TT_CONTAINER_OF(joiner, struct gathered, joiner);
    struct gathering *all = item->all;

    all->over++;
    if (!all->failed && (item->child->state != CHILD_RETURNED || item->child->refused))
        all->failed = item->child;
    if (all->failed || all->over == all->count)
        tt_wait_done(&all->wait);
}

static void cancel_rest(struct gathering *all)
{
    for (int i = 0; i < all->count; i++) {
        tt_list_remove(&all->items[i].joiner.node);
        if (all->items[i].child->task)
            tt_task_cancel(all->items[i].child->task);
        all->items[i].child->reported = true; /* the first failure is the one that counts */
    }
}

static int gathering_push(struct tt_wait *wait, lua_State *L)
{
    struct gathering *all = TT_CONTAINER_OF(wait, struct gathering, wait);

    if (all->failed) {
        cancel_rest(all);
        return push_outcome(L, all->failed);
    }
    lua_createtable(L, all->count, 0);
    for (int i = 0; i < all->count; i++) {
        lua_rawgeti(L, LUA_REGISTRYINDEX, all->items[i].child->results);
        lua_rawgeti(L, -1, 1);
        lua_rawseti(L, 1, i + 1);
        lua_pop(L, 1);
    }
    return 1;
}

static void gathering_close(struct tt_wait *wait)
{
    struct gathering *all = TT_CONTAINER_OF(wait, struct gathering, wait);
    for (int i = 0; i < all->count; i++) {
        tt_list_remove(&all->items[i].joiner.node);
        child_unref(all->items[i].child);
    }
}

static int task_all(lua_State *L)
{
    static const struct tt_wait_type type = {.push = gathering_push, .close = gathering_close};
    struct tt_task *task = tt_task_check_wait(L, "task.all");

    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    int count = (int)lua_rawlen(L, 1);
    luaL_argcheck(L, count <= TT_TASK_CHILDREN_MAX, 1, "at most 256 functions");
    luaL_checkstack(L, count + 4, "task.all");
    for (int i = 1; i <= count; i++)
        if (lua_rawgeti(L, 1, i) != LUA_TFUNCTION)
            return luaL_error(L, "task.all: entry %d is a %s, not a function", i,
                              luaL_typename(L, -1));
    if (count == 0) {
        lua_newtable(L);
        return 1;
    }
    struct gathering *all =
        tt_wait_new(sizeof(*all) + (size_t)count * sizeof(struct gathered), &type);
    for (int i = 0; i < count; i++) {
        struct gathered *item = &all->items[i];
        lua_pushvalue(L, i + 2);
        item->child = child_start(L, task, 1, &all->wait.err);
        if (!item->child) {
            cancel_rest(all);
            return tt_wait_refuse(L, &all->wait);
        }
        all->count++;
        item->all = all;
        item->joiner.on_over = gathered_over;
        tt_list_push_back(&item->child->joiners, &item->joiner.node);
    }
    return tt_task_yield(L, &all->wait);
}

/* ---- the module ---- */

static int task_spawn(lua_State *L)
{
    struct tt_task *task = tt_task_check(L, "task.spawn");
    struct tt_err err = {0};

    luaL_checktype(L, 1, LUA_TFUNCTION);
    struct child **holder = lua_newuserdatauv(L, sizeof(*holder), 0);
    *holder = NULL;
    luaL_setmetatable(L, CHILD_META);
    lua_insert(L, 1);
    *holder = child_start(L, task, lua_gettop(L) - 1, &err);
    return *holder ? 1 : tt_value_push_error(L, &err);
}

static const luaL_Reg methods[] = {
    {"join", child_join}, {"cancel", child_cancel}, {"state", child_state}, {NULL, NULL}};

static const luaL_Reg functions[] = {{"all", task_all}, {"spawn", task_spawn}, {NULL, NULL}};

int tt_tide_task(lua_State *L)
{
    tt_value_new_class(L, CHILD_META, methods, child_gc);
    luaL_newlib(L, functions);
    return 1;
}
