/* The functions that app.lua may define beside routes: export_state (old scripts, before), on_start
 * (new scripts, while they can still be refused), on_stop (old scripts, after). */
#include "serve/lifecycle.h"

#include "script/detached.h"
#include "script/task.h"
#include "script/value.h"

#define STATE_MAX_BYTES (4u << 20)

/* ---- the old side ---- */

struct export
{
    struct tt_buf *state;
    struct tt_err *err;
    bool ended;
};

static int export_entry(lua_State *L)
{
    struct export *export = lua_touserdata(L, 1);

    tt_vm_push_app(L);
    int type = lua_getfield(L, -1, "export_state");
    if (type == LUA_TNIL)
        return 0;
    if (type != LUA_TFUNCTION)
        return luaL_error(L, "app.lua:1: 'export_state' is a %s, not a function",
                          luaL_typename(L, -1));
    lua_call(L, 0, 1);
    if (lua_isnil(L, -1))
        return 0;
    struct tt_buf *scratch = tt_value_scratch(L);
    tt_value_encode(L, lua_gettop(L), scratch);
    if (scratch->len > STATE_MAX_BYTES)
        return luaL_error(L, "app.lua:1: what 'export_state' returned is larger than 4 MiB");
    tt_buf_append_str(export->state, tt_buf_str(scratch));
    return 0;
}

static void on_export_end(const struct tt_err *error, void *arg)
{
    struct export *export = arg;

    export->ended = true;
    if (error)
        tt_err_set(export->err, 422, "script_error", "%s", error->message);
}

/* lua_call makes waiting impossible: a function that tries gets an error that says so. */
int tt_lifecycle_export_state(struct tt_vm *vm, struct tt_buf *state, struct tt_err *err)
{
    struct tt_err why = {0};
    struct export export = {.state = state, .err = &why};
    struct tt_task *task = tt_task_new(vm, on_export_end, &export);

    if (!task)
        return tt_err_set(err, 503, "script_memory", "export_state: no memory for a task");
    tt_task_start(task, export_entry);
    if (!export.ended) {
        tt_task_cancel(task);
        tt_err_set(&why, 422, "script_error", "app.lua:1: 'export_state' must not wait");
    }
    if (why.status == 0)
        return 0;
    if (err)
        *err = why;
    return -1;
}

/* Protected: keeping a function may fail for lack of memory. */
static int take_on_stop(lua_State *L)
{
    struct tt_detached **on_stop = lua_touserdata(L, 1);

    tt_vm_push_app(L);
    lua_pushliteral(L, "on_stop");
    if (lua_rawget(L, -2) == LUA_TFUNCTION)
        *on_stop = tt_detached_new(L, lua_gettop(L), "on_stop");
    return 0;
}

void tt_lifecycle_stop(struct tt_vm *vm)
{
    struct tt_detached *on_stop = NULL;

    lua_pushcfunction(vm->L, take_on_stop);
    lua_pushlightuserdata(vm->L, &on_stop);
    if (lua_pcall(vm->L, 1, 0, 0) != LUA_OK)
        lua_settop(vm->L, 0);
    if (on_stop)
        tt_detached_run(on_stop, &(struct tt_detached_call){0});
}

/* ---- the new side ---- */

static int start_entry(lua_State *L)
{
    const struct tt_str *state = lua_touserdata(L, 1);
    struct tt_err err = {0};

    tt_vm_push_app(L);
    int type = lua_getfield(L, -1, "on_start");
    if (type == LUA_TNIL)
        return 0;
    if (type != LUA_TFUNCTION)
        return luaL_error(L, "'on_start' is a %s, not a function", luaL_typename(L, -1));
    if (state->len == 0)
        lua_pushnil(L);
    else if (tt_value_decode(L, *state, &err) != 0)
        return luaL_error(L, "the exported state: %s", err.message);
    lua_call(L, 1, 2);
    if (lua_isboolean(L, -2) && !lua_toboolean(L, -2))
        return luaL_error(L, "'on_start' refuses: %s", luaL_tolstring(L, -1, NULL));
    return 0;
}

int tt_lifecycle_start(struct tt_vm *vm, struct tt_str state, struct tt_diagnostics *diagnostics)
{
    diagnostics->phase = "on_start";
    return tt_vm_call(vm, start_entry, &state, "app.lua", diagnostics);
}
