/* Building a script state: the safe part of the standard library, require from the bundle, then
 * app.lua. Module bodies run here, so their mistakes are found before a generation serves its first
 * request. */
#include "base/log.h"
#include "script/compiled.h"
#include "script/module_path.h"
#include "script/old_names.h"
#include "script/sandbox.h"
#include "script/schema.h"
#include "script/vm.h"
#include "script/watchdog.h"

#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>

static const char app_key;
static const char compiled_key; /* path -> function, until it is run */
static const char failed_key;   /* also the error of requiring what was found wrong before */

/* The compiled file, which is run only once and so not kept. */
static bool take_compiled(lua_State *L, const char *path)
{
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &compiled_key) != LUA_TTABLE)
        return false;
    bool found = lua_getfield(L, -1, path) == LUA_TFUNCTION;
    lua_pushnil(L);
    lua_setfield(L, -3, path);
    lua_remove(L, -2);
    return found;
}

static int bundle_require(lua_State *L);

/* Runs a module's body with its name; its value is at index 3, and among those loaded. While it
 * runs a light userdata takes its place, which reveals circles. If that remains, the module has
 * failed: that is reported once, where it failed, and not again for every module that requires it.
 */
static int run_module(lua_State *L, const char *name, const char *path)
{
    struct tt_vm *vm = tt_vm_of(L);
    char outer[sizeof(vm->loading)];

    lua_pushvalue(L, 1);
    lua_pushlightuserdata(L, vm);
    lua_rawset(L, 2);
    if (!take_compiled(L, path)) {
        lua_pushlightuserdata(L, (void *)(uintptr_t)&failed_key);
        return lua_error(L);
    }
    memcpy(outer, vm->loading, sizeof(outer));
    snprintf(vm->loading, sizeof(vm->loading), "%s", path);
    lua_pushvalue(L, 1);
    lua_call(L, 1, 1);
    memcpy(vm->loading, outer, sizeof(outer));
    if (lua_isnil(L, -1))
        return luaL_error(L, "module '%s' returned nothing", name);
    lua_pushvalue(L, 1);
    lua_pushvalue(L, -2);
    lua_rawset(L, 2);
    return 1;
}

/* A module that is not there, by the name that it has now; the result is at the top. */
static bool push_renamed(lua_State *L, const char *name)
{
    if (!tt_old_names_push_module(L, name, bundle_require))
        return false;
    lua_pushvalue(L, 1);
    lua_pushvalue(L, -2);
    lua_rawset(L, 2);
    return true;
}

/* The loaded module by the name at index 1: 1 = it is pushed, 0 = it has not run. */
static int push_loaded(lua_State *L)
{
    lua_settop(L, 2);
    lua_pushvalue(L, 1);
    int type = lua_rawget(L, 2);
    if (type == LUA_TLIGHTUSERDATA && lua_touserdata(L, -1) == &failed_key)
        return lua_error(L);
    if (type == LUA_TLIGHTUSERDATA)
        return luaL_error(L,
                          tt_vm_of(L)->loaded ? "module '%s' failed when it was first required"
                                              : "module '%s' requires itself (through others)",
                          lua_tostring(L, 1));
    return type != LUA_TNIL;
}

/* require "chat.chat_routes" -> chat/chat_routes.lua of the bundle, "tide.x" -> the core's module.
 * Loaded once a state. */
static int bundle_require(lua_State *L)
{
    struct tt_vm *vm = tt_vm_of(L);
    struct tt_module_path module;
    struct tt_str name;

    name.data = luaL_checklstring(L, 1, &name.len);
    lua_settop(L, 1);
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    if (vm->bundle->plugin_count == 0 && push_loaded(L))
        return 1;
    tt_module_path_find(L, name, &module);
    lua_settop(L, 2);
    if (strcmp(module.name, name.data) != 0) {
        lua_pushstring(L, module.name);
        lua_replace(L, 1);
    }
    if (push_loaded(L))
        return 1;
    lua_settop(L, 2);
    if (module.found)
        return run_module(L, module.name, module.path);
    if (push_renamed(L, module.name))
        return 1;
    return luaL_error(L, "module '%s' not found: no %s%s and no core module of that name",
                      name.data, tt_plugin_of(tt_str_from(module.path)).len ? "" : "lua/",
                      module.path);
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
    const struct tt_runtime *runtime = tt_vm_of(L)->runtime;

    tt_sandbox_open(L);
    tt_value_setup(L);
    tt_schema_setup(L);
    for (const struct tt_script_module *module = runtime->modules; module->name; module++)
        if (!tt_module_path_is_written(tt_vm_of(L)->bundle, tt_str_from(module->name)))
            add_module(L, module->name, module->open);
    tt_old_names_add(L);
    lua_pushcfunction(L, bundle_require);
    lua_setglobal(L, "require");
    tt_sandbox_freeze(L);
    lua_newtable(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &compiled_key);
    return 0;
}

void tt_vm_push_app(lua_State *L)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &app_key);
}

static int traceback(lua_State *L)
{
    const char *message = lua_tostring(L, 1);

    if (lua_touserdata(L, 1) == &failed_key)
        return 1;
    if (!message)
        message = lua_pushfstring(L, "(the error value is a %s)", luaL_typename(L, 1));
    luaL_traceback(L, L, message, 1);
    return 1;
}

/* lua_pcall of what is on the stack, with one argument, no results. Stopped by the watchdog when
 * the outermost of such calls has used up the time of loading. */
static int call(lua_State *L, const char *file, struct tt_diagnostics *diagnostics)
{
    struct tt_vm *vm = tt_vm_of(L);
    int64_t budget_ms = vm->runtime->load_ms;
    int base = lua_gettop(L) - 2;

    lua_pushcfunction(L, traceback);
    lua_insert(L, base + 1);
    int status = tt_budget_call(L, 1, 0, base + 1, budget_ms > 0 ? budget_ms : TT_BUDGET_LOAD_MS);
    if (status != LUA_OK && lua_touserdata(L, -1) != &failed_key) {
        struct tt_str text = {0};
        if (status == LUA_ERRMEM && vm->loading[0])
            file = vm->loading; /* the error itself names no place */
        text.data = lua_tolstring(L, -1, &text.len);
        tt_diagnostics_add(diagnostics, file, text.data ? text : TT_STR("does not load"));
    }
    vm->loading[0] = 0;
    lua_settop(L, base);
    return status == LUA_OK ? 0 : -1;
}

int tt_vm_call(struct tt_vm *vm, lua_CFunction function, void *arg, const char *file,
               struct tt_diagnostics *diagnostics)
{
    lua_pushcfunction(vm->L, function);
    lua_pushlightuserdata(vm->L, arg);
    return call(vm->L, file, diagnostics);
}

static int compile_one(lua_State *L)
{
    struct tt_bundle_file *file = lua_touserdata(L, 1);

    lua_rawgetp(L, LUA_REGISTRYINDEX, &compiled_key);
    tt_compiled_push(L, file);
    lua_setfield(L, 2, file->path.data);
    return 0;
}

/* What is still marked as being loaded when nothing is: it failed. */
static void mark_failed(lua_State *L)
{
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_pushnil(L);
    while (lua_next(L, -2)) {
        bool failed = lua_islightuserdata(L, -1);
        lua_pop(L, 1);
        if (!failed)
            continue;
        lua_pushvalue(L, -1);
        lua_pushlightuserdata(L, (void *)(uintptr_t)&failed_key);
        lua_rawset(L, -4);
    }
    lua_pop(L, 1);
}

/* Requires the module of a file. */
static int load_file(lua_State *L, struct tt_str path, struct tt_diagnostics *diagnostics)
{
    char name[TT_MODULE_PATH_BYTES];

    if (tt_module_name_of(path, name) != 0) {
        tt_diagnostics_add(diagnostics, path.data,
                           TT_STR("a name with a dot in it cannot be required, rename the file"));
        return -1;
    }
    lua_pushcfunction(L, bundle_require);
    lua_pushstring(L, name);
    int result = call(L, path.data, diagnostics);
    if (result != 0)
        mark_failed(L);
    return result;
}

struct load {
    struct tt_diagnostics *diagnostics;
    int failed;
};

/* Of a plugin, plugin.lua runs and what it requires; a library in its folder may have files that
 * only work elsewhere. The others run when they are required. */
static bool runs_at_load(struct tt_str path)
{
    return tt_str_ends(path, TT_STR(".lua")) && tt_plugin_of(path).len == 0;
}

/* app.lua first: the order in which modules run is the one that its author sees. */
static int load_all(lua_State *L)
{
    struct load *load = lua_touserdata(L, 1);
    const struct tt_bundle *bundle = tt_vm_of(L)->bundle;

    load->failed = load_file(L, TT_STR("app.lua"), load->diagnostics);
    for (size_t i = 0; i < bundle->file_count && !tt_budget_stopped(); i++)
        if (runs_at_load(bundle->files[i].path) &&
            load_file(L, bundle->files[i].path, load->diagnostics) != 0)
            load->failed = -1;
    if (bundle->plugin_count == 0) {
        lua_pushnil(L);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &compiled_key);
    }
    return 0;
}

static int find_app(lua_State *L)
{
    struct tt_vm *vm = tt_vm_of(L);

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

/* Compiles every file before any is run, so that all syntax errors are reported at once. */
static int compile_all(struct tt_vm *vm, struct tt_bundle *bundle,
                       struct tt_diagnostics *diagnostics)
{
    int failed = 0;

    for (size_t i = 0; i < bundle->file_count; i++) {
        struct tt_bundle_file *file = &bundle->files[i];
        if (tt_str_ends(file->path, TT_STR(".lua")) &&
            tt_vm_call(vm, compile_one, file, file->path.data, diagnostics) != 0)
            failed = -1;
    }
    return failed;
}

/* An error outside of any protected call: a bug of the core. Lua aborts when this returns. */
static int panic(lua_State *L)
{
    const char *message = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "?";
    tt_log(TT_LOG_ERROR, "unprotected Lua error", TT_F_Z("error", message));
    return 0;
}

static int load(struct tt_vm *vm, struct tt_bundle *bundle, struct tt_diagnostics *diagnostics)
{
    struct load load = {.diagnostics = diagnostics};

    diagnostics->phase = "load";
    if (tt_vm_call(vm, build, NULL, "app.lua", diagnostics) != 0)
        return -1;
    diagnostics->phase = "compile";
    if (compile_all(vm, bundle, diagnostics) != 0)
        return -1;
    diagnostics->phase = "load";
    if (tt_vm_call(vm, load_all, &load, "app.lua", diagnostics) != 0 || load.failed)
        return -1;
    return tt_vm_call(vm, find_app, NULL, "app.lua", diagnostics);
}

struct tt_vm *tt_vm_new(struct tt_bundle *bundle, struct tt_runtime *runtime, int generation,
                        struct tt_diagnostics *diagnostics, struct tt_err *err)
{
    struct tt_vm *vm = TT_NEW(struct tt_vm);

    vm->bundle = bundle;
    vm->runtime = runtime;
    vm->generation = generation;
    tt_list_init(&vm->timers);
    tt_allocator_create(&vm->allocator, runtime->memory_max);
    vm->L = lua_newstate(tt_allocator_realloc, &vm->allocator);
    if (!vm->L) {
        tt_allocator_destroy(&vm->allocator);
        free(vm);
        tt_err_set(err, 503, "script_error", "no memory for a script state");
        return NULL;
    }
    lua_atpanic(vm->L, panic);
    memset(lua_getextraspace(vm->L), 0, LUA_EXTRASPACE); /* coroutines.c has a mark there */
    if (load(vm, bundle, diagnostics) == 0) {
        vm->loaded = true;
        lua_gc(vm->L, LUA_GCCOLLECT); /* what loading left behind, while no request waits */
        return vm;
    }
    tt_err_set(err, 422, "script_error", "the scripts do not load");
    tt_vm_free(vm);
    return NULL;
}

void tt_vm_free(struct tt_vm *vm)
{
    if (!vm)
        return;
    lua_close(vm->L);
    tt_allocator_destroy(&vm->allocator);
    free(vm);
}
