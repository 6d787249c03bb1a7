/* tide.config: the settings in force, typed; secrets are not among them. */
#include "script/value.h"
#include "tide/bind.h"

static int config_get(lua_State *L)
{
    struct tt_env *env = tt_vm_of(L)->env;
    const char *key = luaL_checkstring(L, 1);
    struct tt_lua_setting setting;

    if (env->setting(key, &setting, env->setting_arg) != 0)
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

int tt_bind_config(lua_State *L)
{
    luaL_newlib(L, functions);
    return 1;
}

int tt_bind_personas(lua_State *L)
{
    const struct tt_bundle *bundle = tt_vm_of(L)->bundle;

    lua_createtable(L, (int)bundle->persona_count, 0);
    for (size_t i = 0; i < bundle->persona_count; i++) {
        const struct tt_persona *persona = &bundle->personas[i];
        lua_createtable(L, 0, 2);
        lua_pushlstring(L, persona->name.data, persona->name.len);
        lua_setfield(L, -2, "name");
        lua_pushlstring(L, persona->content.data, persona->content.len);
        lua_setfield(L, -2, "content");
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}
