/* tide.messages: conversations whose texts stay in the core. db.messages reads stored ones. */
#include "script/value_messages.h"
#include "tide/modules.h"

static const luaL_Reg functions[] = {{"new", tt_value_messages_new}, {NULL, NULL}};

int tt_tide_messages(lua_State *L)
{
    luaL_newlib(L, functions);
    return 1;
}
