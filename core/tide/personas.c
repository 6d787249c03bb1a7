/* tide.personas: the list of style.yaml as a table. */
#include "tide/modules.h"

int tt_tide_personas(lua_State *L)
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
