/* Building a script state: allocator with a limit, the safe part of the standard library, require
 * from the bundle, then app.lua. Module bodies run here, so whatever they do wrong is found before
 * a generation serves its first request. */
#include "script/vm.h"

#include "base/log.h"
#include "script/bind.h"
#include "script/sandbox.h"
#include "script/timers.h"
#include "script/value.h"

#include <lualib.h>
#include <stdlib.h>

static const char app_key;

/* Lua's allocator: refuses over the limit, which Lua turns into "not enough memory" after a full
 * collection. */
static void *allocate(void *ud, void *block, size_t old_size, size_t new_size)
{
    struct tt_vm *vm = ud;
    void *moved;

    if (!block)
        old_size = 0; /* Lua passes the kind of object here */
    if (new_size == 0) {
        vm->memory_used -= old_size;
        free(block);
        return NULL;
    }
    if (new_size > old_size && vm->memory_used + (new_size - old_size) > vm->memory_max)
        return NULL;
    moved = realloc(block, new_size);
    if (moved)
        vm->memory_used += new_size - old_size;
    return moved;
}

struct tt_vm *tt_vm_of(lua_State *L)
{
    void *ud;
    lua_getallocf(L, &ud);
    return ud;
}

/* require "routes.chat" -> routes/chat.lua of the bundle, "tide.x" -> the core's module. Loaded
 * once a state; a module that requires itself through others gets a clear error instead of a loop.
 */
static int bundle_require(lua_State *L)
{
    struct tt_vm *vm = tt_vm_of(L);
    size_t len;
    const char *name = luaL_checklstring(L, 1, &len);
    char path[256];

    lua_settop(L, 1);
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_pushvalue(L, 1);
    if (lua_rawget(L, 2) != LUA_TNIL) {
        if (lua_islightuserdata(L, -1))
            return luaL_error(L, "module '%s' requires itself (through others)", name);
        return 1;
    }
    if (len + 5 > sizeof(path))
        return luaL_error(L, "module name too long");
    for (size_t i = 0; i <= len; i++)
        path[i] = name[i] == '.' ? '/' : name[i];
    memcpy(path + len, ".lua", 5);
    const struct tt_bundle_file *file = tt_bundle_find(vm->bundle, tt_str_from(path));
    if (!file)
        return luaL_error(L, "module '%s' not found: no lua/%s and no core module of that name",
                          name, path);
    if (vm->current)
        return luaL_error(L, "module '%s' must be required while modules load, not in a handler",
                          name);
    lua_pushvalue(L, 1);
    lua_pushlightuserdata(L, vm); /* being loaded */
    lua_rawset(L, 2);
    const char *chunk = lua_pushfstring(L, "@%s", path);
    if (luaL_loadbufferx(L, file->bytes.data, file->bytes.len, chunk, "t") != LUA_OK)
        return lua_error(L);
    lua_pushvalue(L, 1);
    lua_call(L, 1, 1);
    if (lua_isnil(L, -1))
        return luaL_error(L, "module '%s' returned nothing", name);
    lua_pushvalue(L, 1);
    lua_pushvalue(L, -2);
    lua_rawset(L, 2);
    return 1;
}

static void add_module(lua_State *L, const char *name, lua_CFunction push)
{
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_pushcfunction(L, push);
    lua_call(L, 0, 1);
    lua_setfield(L, -2, name);
    lua_pop(L, 1);
}

static int build(lua_State *L)
{
    struct tt_vm *vm = tt_vm_of(L);

    tt_sandbox_open(L);
    tt_value_setup(L);
    tt_bind_request_setup(L);
    add_module(L, "tide.json", tt_bind_json);
    add_module(L, "tide.db", tt_bind_db);
    add_module(L, "tide.crypto", tt_bind_crypto);
    add_module(L, "tide.time", tt_bind_time);
    add_module(L, "tide.log", tt_bind_log);
    add_module(L, "tide.config", tt_bind_config);
    add_module(L, "tide.text", tt_bind_text);
    add_module(L, "tide.personas", tt_bind_personas);
    add_module(L, "tide.llm", tt_bind_llm);
    add_module(L, "tide.cache", tt_bind_cache);
    add_module(L, "tide.files", tt_bind_files);
    add_module(L, "tide.http", tt_bind_http);
    add_module(L, "tide.task", tt_bind_task);
    add_module(L, "tide.timer", tt_bind_timer);
    lua_pushcfunction(L, bundle_require);
    lua_setglobal(L, "require");
    tt_sandbox_freeze(L);

    lua_pushcfunction(L, bundle_require);
    lua_pushliteral(L, "app");
    lua_call(L, 1, 1);
    if (!lua_istable(L, -1))
        return luaL_error(L, "app.lua:1: must return a table, not a %s", luaL_typename(L, -1));
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &app_key);
    if (lua_getfield(L, -1, "handle") != LUA_TFUNCTION)
        return luaL_error(L, "app.lua:1: 'handle' must be a function");
    vm->handle_ref = luaL_ref(L, LUA_REGISTRYINDEX);
    if (lua_getfield(L, -1, "routes") != LUA_TTABLE)
        return luaL_error(L, "app.lua:1: 'routes' must be a table");
    vm->routes_ref = luaL_ref(L, LUA_REGISTRYINDEX);
    return 0;
}

void tt_vm_push_app(struct tt_vm *vm)
{
    lua_rawgetp(vm->L, LUA_REGISTRYINDEX, &app_key);
}

static int compile_one(lua_State *L)
{
    const struct tt_bundle_file *file = lua_touserdata(L, 1);
    const char *chunk = lua_pushfstring(L, "@%s", file->path.data);
    if (luaL_loadbufferx(L, file->bytes.data, file->bytes.len, chunk, "t") != LUA_OK)
        return lua_error(L);
    return 0;
}

/* Compiles every file without running it, so that all syntax errors are reported at once. */
static int compile_all(const struct tt_bundle *bundle, lua_State *L, struct tt_buf *errors)
{
    int failed = 0;
    for (size_t i = 0; i < bundle->file_count; i++) {
        const struct tt_bundle_file *file = &bundle->files[i];
        if (!tt_str_ends(file->path, TT_STR(".lua")))
            continue;
        lua_pushcfunction(L, compile_one);
        lua_pushlightuserdata(L, (void *)(uintptr_t)file);
        if (lua_pcall(L, 1, 0, 0) != LUA_OK) {
            struct tt_str message = tt_str_from(lua_tostring(L, -1));
            if (!tt_str_starts(message, file->path)) /* out of memory, or no text */
                tt_buf_printf(errors, "%s:1: ", file->path.data);
            tt_buf_printf(errors, "%.*s\n", TT_STR_ARG(message));
            failed = -1;
        }
        lua_settop(L, 0);
    }
    return failed;
}

static int traceback(lua_State *L)
{
    const char *message = lua_tostring(L, 1);
    if (!message)
        message = lua_pushfstring(L, "(the error value is a %s)", luaL_typename(L, 1));
    luaL_traceback(L, L, message, 1);
    return 1;
}

/* An error outside of any protected call: a bug of the core. Lua aborts when this returns. */
static int panic(lua_State *L)
{
    const char *message = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "?";
    tt_log(TT_LOG_ERROR, "unprotected Lua error", TT_F_Z("error", message));
    return 0;
}

struct tt_vm *tt_vm_new(const struct tt_bundle *bundle, struct tt_env *env, int generation,
                        struct tt_buf *errors, struct tt_err *err)
{
    struct tt_vm *vm = TT_NEW(struct tt_vm);

    vm->bundle = bundle;
    vm->env = env;
    vm->generation = generation;
    tt_list_init(&vm->timers);
    vm->memory_max = env->script_memory_max;
    vm->L = lua_newstate(allocate, vm);
    if (!vm->L) {
        free(vm);
        tt_err_set(err, 503, "script_error", "no memory for a script state");
        return NULL;
    }
    lua_atpanic(vm->L, panic);
    *(struct tt_task **)lua_getextraspace(vm->L) = NULL; /* coroutines begin with a copy of it */
    if (compile_all(bundle, vm->L, errors) != 0)
        goto failed;
    lua_pushcfunction(vm->L, traceback);
    lua_pushcfunction(vm->L, build);
    if (lua_pcall(vm->L, 0, 0, 1) != LUA_OK) {
        const char *message = lua_tostring(vm->L, -1);
        tt_buf_printf(errors, "%s\n", message ? message : "app.lua:1: does not load");
        goto failed;
    }
    lua_settop(vm->L, 0);
    vm->loaded = true;
    return vm;
failed:
    tt_err_set(err, 422, "script_error", "the scripts do not load");
    tt_vm_free(vm);
    return NULL;
}

void tt_vm_free(struct tt_vm *vm)
{
    if (!vm)
        return;
    lua_close(vm->L);
    tt_timers_forget(vm);
    free(vm);
}

void tt_vm_activate(struct tt_vm *vm)
{
    tt_timers_adopt(vm);
}

void tt_vm_retire(struct tt_vm *vm)
{
    tt_timers_give_up(vm);
}

const char *tt_vm_library_version(void)
{
    return LUA_RELEASE;
}
