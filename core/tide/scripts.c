/* tide.scripts: the files of the bundle, so that scripts can find the files of a folder. */
#include "tide/modules.h"

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

static const luaL_Reg functions[] = {{"names", scripts_names}, {NULL, NULL}};

int tt_tide_scripts(lua_State *L)
{
    luaL_newlib(L, functions);
    return 1;
}
