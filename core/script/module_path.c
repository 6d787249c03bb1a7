#include "script/module_path.h"

#include <stdio.h>

/* The file whose code calls `require`: that of the innermost Lua function that is in a file. A tail
 * call leaves no trace of its function; while a module loads, it is that module's. */
static struct tt_str file_of_caller(lua_State *L)
{
    const struct tt_vm *vm = tt_vm_of(L);
    lua_Debug frame;

    if (vm->loading[0] && lua_getstack(L, 0, &frame) && lua_getinfo(L, "t", &frame) &&
        frame.istailcall)
        return tt_str_from(vm->loading);
    for (int level = 1; lua_getstack(L, level, &frame); level++) {
        lua_getinfo(L, "S", &frame);
        if (frame.source[0] == '@')
            return tt_str_from(frame.source + 1);
    }
    return tt_str_from(vm->loading);
}

/* The plugin whose code calls `require`, length 0 = none. */
static struct tt_str plugin_of_caller(lua_State *L)
{
    return tt_vm_of(L)->bundle->plugin_count ? tt_plugin_of(file_of_caller(L)) : (struct tt_str){0};
}

static bool has_file(const struct tt_bundle *bundle, const char *path)
{
    return tt_bundle_find(bundle, tt_str_from(path)) != NULL;
}

static bool is_plugin(const struct tt_bundle *bundle, struct tt_str name)
{
    for (size_t i = 0; i < bundle->plugin_count; i++)
        if (tt_str_eq(bundle->plugins[i], name))
            return true;
    return false;
}

/* A file of a folder whose path begins with `out`, which has `len` bytes; check_name has seen to it
 * that all of it fits. Called for each `require`, so it is no printf. */
static void put_file(char *out, size_t len, struct tt_str module, const char *end)
{
    for (size_t i = 0; i < module.len; i++)
        out[len + i] = module.data[i] == '.' ? '/' : module.data[i];
    strcpy(out + len + module.len, end);
}

static void put_path(char *out, struct tt_str module)
{
    put_file(out, 0, module, ".lua");
}

/* Writes a plugin's folder and returns its length. */
static size_t put_folder(char *out, struct tt_str plugin)
{
    size_t before = sizeof(TT_PLUGINS) - 1;

    memcpy(out, TT_PLUGINS, before);
    memcpy(out + before, plugin.data, plugin.len);
    out[before + plugin.len] = '/';
    return before + plugin.len + 1;
}

static void put_name(char *out, struct tt_str name)
{
    memcpy(out, name.data, name.len);
    out[name.len] = '\0';
}

/* The file of a module in a plugin's folder; a folder's own file is its init.lua. */
static bool find_in_plugin(const struct tt_vm *vm, struct tt_str plugin, struct tt_str module,
                           struct tt_module_path *out)
{
    size_t folder = put_folder(out->path, plugin);

    put_name(out->name, plugin);
    out->name[plugin.len] = '.';
    put_name(out->name + plugin.len + 1, module);
    put_file(out->path, folder, module, "/init.lua");
    if (has_file(vm->bundle, out->path))
        return true;
    put_file(out->path, folder, module, ".lua");
    return has_file(vm->bundle, out->path);
}

static struct tt_str head_of(struct tt_str name)
{
    ptrdiff_t dot = tt_str_find(name, '.');
    return tt_str_of(name.data, dot > 0 ? (size_t)dot : name.len);
}

bool tt_module_path_is_written(const struct tt_bundle *bundle, struct tt_str name)
{
    char path[TT_MODULE_PATH_BYTES];
    put_path(path, name);
    return has_file(bundle, path);
}

bool tt_module_path_is_server(const struct tt_bundle *bundle, struct tt_str name)
{
    struct tt_str head = head_of(name);
    char path[TT_MODULE_PATH_BYTES];

    if (name.len + sizeof(".lua") > sizeof(path) || tt_str_eq(head, TT_STR("tide")))
        return false;
    if (head.len < name.len && is_plugin(bundle, head))
        return false;
    put_path(path, name);
    return has_file(bundle, path);
}

static void check_name(lua_State *L, struct tt_str name)
{
    if (name.len + sizeof(TT_PLUGINS "/init.lua") + 48 > TT_MODULE_PATH_BYTES)
        luaL_error(L, "module name too long");
    if (tt_str_find(name, '/') >= 0)
        luaL_error(L, "module '%s': names have dots, not slashes", name.data);
}

void tt_module_path_find(lua_State *L, struct tt_str name, struct tt_module_path *out)
{
    const struct tt_vm *vm = tt_vm_of(L);
    struct tt_str head = head_of(name), plugin;

    check_name(L, name);
    if (head.len < name.len && is_plugin(vm->bundle, head)) {
        plugin = plugin_of_caller(L);
        if (plugin.len && !tt_str_eq(plugin, head))
            luaL_error(L, "module '%s' belongs to the plugin %s: a plugin has its own modules only",
                       name.data, lua_pushlstring(L, head.data, head.len));
        out->found = find_in_plugin(
            vm, head, tt_str_of(name.data + head.len + 1, name.len - head.len - 1), out);
        return;
    }
    put_path(out->path, name);
    out->found = has_file(vm->bundle, out->path);
    if (!out->found && (plugin = plugin_of_caller(L)).len) {
        out->found = find_in_plugin(vm, plugin, name, out);
        if (out->found)
            return;
        put_path(out->path, name);
    }
    put_name(out->name, name);
}

int tt_module_name_of(struct tt_str path, char out[static TT_MODULE_PATH_BYTES])
{
    size_t before = tt_plugin_of(path).len ? sizeof(TT_PLUGINS) - 1 : 0;
    size_t len = path.len - before - 4;

    if (len >= TT_MODULE_PATH_BYTES || memchr(path.data + before, '.', len))
        return -1;
    for (size_t i = 0; i < len; i++)
        out[i] = path.data[before + i] == '/' ? '.' : path.data[before + i];
    out[len] = '\0';
    return 0;
}
