/* Loading test files and running their cases. A failed assertion is a Lua error whose value is a
 * table with the text in [1]: it names its line and needs no traceback. Every other error gets one.
 */
#include "tide/testing.h"

#include "base/mem.h"
#include "script/task.h"
#include "script/watchdog.h"
#include "tide/tide.h"

#include <stdlib.h>

struct tt_testing *tt_testing_check(lua_State *L, bool in_case)
{
    struct tt_testing *testing = tt_tide_of(L)->testing;

    if (!testing || (in_case && !testing->upstream))
        luaL_error(L, testing ? "this works inside a test.case only"
                              : "tide.test works in `tidetalk test` only");
    return testing;
}

static int add_traceback(lua_State *L)
{
    if (lua_istable(L, 1) && lua_rawgeti(L, 1, 1) == LUA_TSTRING)
        return 1;
    luaL_traceback(L, L, luaL_tolstring(L, 1, NULL), 1);
    return 1;
}

int tt_testing_load(struct tt_vm *vm, struct tt_str file, struct tt_str source,
                    struct tt_buf *failure)
{
    struct tt_testing *testing = tt_tide_of_runtime(vm->runtime)->testing;
    lua_State *L = vm->L;
    int top = lua_gettop(L);
    size_t before = testing->count;
    struct tt_buf chunk = {0};

    tt_buf_printf(&chunk, "@%.*s", TT_STR_ARG(file));
    lua_pushcfunction(L, add_traceback);
    int status = luaL_loadbufferx(L, source.data, source.len, chunk.data, "t");
    if (status == LUA_OK)
        status = tt_budget_call(L, 0, 0, top + 1, vm->runtime->load_ms);
    if (status != LUA_OK)
        tt_buf_append_z(failure, lua_tostring(L, -1) ? lua_tostring(L, -1) : "does not load");
    lua_settop(L, top);
    tt_buf_free(&chunk);
    for (size_t i = before; i < testing->count; i++)
        testing->cases[i].file = tt_str_of(tt_strndup(file.data, file.len), file.len);
    return status == LUA_OK ? 0 : -1;
}

struct run {
    const struct tt_test_case *test;
    struct tt_buf failure;
    void (*done)(void *arg, struct tt_str failure);
    void *arg;
};

static int after_test(lua_State *L, int status, lua_KContext context)
{
    struct run *run = (struct run *)context;
    if (status != LUA_OK && status != LUA_YIELD)
        tt_buf_append_z(&run->failure, lua_tostring(L, -1) ? lua_tostring(L, -1) : "failed");
    return 0;
}

static int entry(lua_State *L)
{
    struct run *run = lua_touserdata(L, 1);

    lua_settop(L, 0);
    lua_pushcfunction(L, add_traceback);
    lua_rawgeti(L, LUA_REGISTRYINDEX, run->test->function);
    return after_test(L, lua_pcallk(L, 0, 0, 1, (lua_KContext)run, after_test), (lua_KContext)run);
}

static void on_end(const struct tt_err *error, void *arg)
{
    struct run *run = arg;
    if (error) /* what pcall does not catch: the watchdog, no memory */
        tt_buf_append_z(&run->failure, error->message);
    run->done(run->arg, tt_buf_str(&run->failure));
    tt_buf_free(&run->failure);
    free(run);
}

void tt_testing_run(struct tt_vm *vm, const struct tt_test_case *test,
                    void (*done)(void *arg, struct tt_str failure), void *arg)
{
    struct run *run = TT_NEW(struct run);
    *run = (struct run){.test = test, .done = done, .arg = arg};
    struct tt_task *task = tt_task_new(vm, on_end, run);
    if (!task) {
        free(run);
        done(arg, TT_STR("no memory for the test's task"));
        return;
    }
    tt_task_start(task, entry);
}

void tt_testing_free(struct tt_testing *testing)
{
    for (size_t i = 0; i < testing->count; i++) {
        free((char *)(uintptr_t)testing->cases[i].file.data);
        free((char *)(uintptr_t)testing->cases[i].name.data);
    }
    free(testing->cases);
    testing->cases = NULL;
    testing->count = 0;
}
