/* tide.scripts: the files of the bundle, so that scripts can find the files of a folder. */
#include "script/lua_tokens.h"
#include "tide/modules.h"
#include "tide/scripts_source.h"

static int scripts_names(lua_State *L)
{
    const struct tt_bundle *bundle = tt_vm_of(L)->bundle;
    struct tt_str folder;
    lua_Integer count = 0;

    folder.data = luaL_checklstring(L, 1, &folder.len);
    lua_newtable(L);
    for (size_t i = 0; i < bundle->file_count; i++) {
        struct tt_str path = bundle->files[i].path;
        if (!tt_str_starts(path, folder) || !tt_str_ends(path, TT_STR(".lua")) ||
            path.len < folder.len + sizeof("/x.lua") - 1 || path.data[folder.len] != '/')
            continue;
        struct tt_str name =
            tt_str_of(path.data + folder.len + 1, path.len - folder.len - sizeof("/.lua") + 1);
        if (tt_str_find(name, '/') >= 0)
            continue;
        lua_pushlstring(L, name.data, name.len);
        lua_rawseti(L, -2, ++count);
    }
    return 1;
}

static int scripts_plugins(lua_State *L)
{
    const struct tt_bundle *bundle = tt_vm_of(L)->bundle;

    lua_createtable(L, (int)bundle->plugin_count, 0);
    for (size_t i = 0; i < bundle->plugin_count; i++) {
        lua_pushlstring(L, bundle->plugins[i].data, bundle->plugins[i].len);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

/* Moves to the token behind `name =` or `["name"] =`; the line, or 0. */
static int find_member(struct tt_lua_tokens *tokens, struct tt_str name)
{
    struct tt_lua_token token;
    int line = 0; /* of the name, until something else than ] or = follows */

    while (tt_lua_tokens_next(tokens, &token)) {
        if (line && tt_str_eq(token.text, TT_STR("=")) && token.type == TT_LUA_SYMBOL)
            return line;
        if (token.type != TT_LUA_SYMBOL && tt_str_eq(token.text, name))
            line = token.line;
        else if (token.type != TT_LUA_SYMBOL || !tt_str_eq(token.text, TT_STR("]")))
            line = 0;
    }
    return 0;
}

/* A member may be built elsewhere in the file than where it is named: as many of the names as are
 * found in this order count. */
static int scripts_line_of(lua_State *L)
{
    int line = 1, count = lua_gettop(L);
    struct tt_str path;

    path.data = luaL_checklstring(L, 1, &path.len);
    const struct tt_bundle_file *file = tt_bundle_find(tt_vm_of(L)->bundle, path);
    struct tt_lua_tokens tokens = tt_lua_tokens_of(file ? file->bytes : TT_STR(""));
    for (int i = 2; i <= count; i++) {
        struct tt_str name;
        name.data = luaL_checklstring(L, i, &name.len);
        struct tt_lua_tokens from = tokens;
        int found = find_member(&from, name);
        if (found) {
            line = found;
            tokens = from;
        }
    }
    lua_pushinteger(L, line);
    return 1;
}

static int scripts_is_current(lua_State *L)
{
    const struct tt_vm *vm = tt_vm_of(L);
    const struct tt_timers *timers = &vm->runtime->timers;
    lua_pushboolean(L, timers->active == vm && !timers->named_off);
    return 1;
}

static const luaL_Reg functions[] = {
    {"is_current", scripts_is_current},
    {"names", scripts_names},
    {"plugins", scripts_plugins},
    {"line_of", scripts_line_of},
    {"returns", tt_scripts_returns},
    {"calls", tt_scripts_calls},
    {NULL, NULL},
};

int tt_tide_scripts(lua_State *L)
{
    luaL_newlib(L, functions);
    return 1;
}
