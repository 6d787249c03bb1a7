/* tide.config: the current settings, with types and without secrets. */
#include "script/value.h"
#include "tide/modules.h"

static int config_get(lua_State *L)
{
    struct tt_tide *tide = tt_tide_of(L);
    const char *key = luaL_checkstring(L, 1);
    struct tt_tide_setting setting;

    if (strncmp(key, "plugins.", 8) == 0) {
        if (tt_tide_push_plugin_setting(L, key))
            return 1;
        return tt_vm_of(L)->loaded
                   ? luaL_error(L, "config.get: there is no setting '%s', or it has no value", key)
                   : luaL_error(L,
                                "config.get: '%s' is known when all plugins are loaded: ask for "
                                "it where it is used",
                                key);
    }
    if (tide->setting(key, &setting, tide->setting_arg) != 0)
        return luaL_error(L, "config.get: there is no setting '%s'", key);
    switch (setting.type) {
    case TT_SETTING_STRING:
        lua_pushlstring(L, setting.text.data, setting.text.len);
        break;
    case TT_SETTING_INT:
        lua_pushinteger(L, setting.integer);
        break;
    case TT_SETTING_BOOL:
        lua_pushboolean(L, setting.integer != 0);
        break;
    case TT_SETTING_LIST:
        lua_createtable(L, (int)setting.item_count, 0);
        for (size_t i = 0; i < setting.item_count; i++) {
            lua_pushlstring(L, setting.items[i].data, setting.items[i].len);
            lua_rawseti(L, -2, (lua_Integer)i + 1);
        }
        tt_value_mark_array(L);
        break;
    }
    return 1;
}

static const luaL_Reg functions[] = {{"get", config_get}, {NULL, NULL}};

int tt_tide_config(lua_State *L)
{
    luaL_newlib(L, functions);
    return 1;
}
