/* What is left out and why: io, os, package, debug, dofile, loadfile, load (files, processes,
 * native and binary code), collectgarbage (pauses belong to the core), coroutine (tasks are the
 * core's), string.dump. string.rep is capped, since a single call could eat the state's whole
 * memory. lua-cjson is loaded here, through the package library that scripts never see. */
#include "script/sandbox.h"

#include "script/value.h"

#include <lualib.h>

#define REP_MAX_BYTES (16u << 20)

static const luaL_Reg libraries[] = {
    {LUA_GNAME, luaopen_base},        {LUA_TABLIBNAME, luaopen_table},
    {LUA_STRLIBNAME, luaopen_string}, {LUA_MATHLIBNAME, luaopen_math},
    {LUA_UTF8LIBNAME, luaopen_utf8},  {NULL, NULL},
};

static const char *const hidden_globals[] = {"dofile",         "loadfile", "load",  "loadstring",
                                             "collectgarbage", "print",    "rawset"};

static int capped_rep(lua_State *L)
{
    size_t len, separator_len = 0;
    luaL_checklstring(L, 1, &len);
    lua_Integer times = luaL_checkinteger(L, 2);
    luaL_optlstring(L, 3, "", &separator_len);

    if (times > 0 && len + separator_len > REP_MAX_BYTES / (size_t)times)
        return luaL_error(L, "string.rep: the result would be larger than 16 MiB");
    if (len + separator_len == 0) { /* Lua would go round `times` times for nothing */
        lua_pushliteral(L, "");
        return 1;
    }
    lua_settop(L, 3);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, 3, 1);
    return 1;
}

/* Finalizers would run Lua wherever memory happens to be collected: in another request's task, or
 * while the state closes. A metatable with __gc counts only when it is set, so this is the door. */
static int checked_setmetatable(lua_State *L)
{
    if (lua_istable(L, 2)) {
        lua_pushliteral(L, "__gc");
        if (lua_rawget(L, 2) != LUA_TNIL)
            return luaL_error(L, "setmetatable: __gc is not available, use __close");
        lua_pop(L, 1);
    }
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, lua_gettop(L) - 1, 1);
    return 1;
}

/* lua-cjson's decoder is kept in the registry under TT_CJSON_DECODE for value.c. */
static void load_cjson(lua_State *L)
{
    luaL_requiref(L, LUA_LOADLIBNAME, luaopen_package, 1);
    lua_getglobal(L, "require");
    lua_pushliteral(L, "cjson");
    lua_call(L, 1, 1);
    lua_getfield(L, -1, "new");
    lua_call(L, 0, 1);
    lua_getfield(L, -1, "decode_invalid_numbers");
    lua_pushboolean(L, 0);
    lua_call(L, 1, 0);
    lua_getfield(L, -1, "decode");
    lua_setfield(L, LUA_REGISTRYINDEX, TT_CJSON_DECODE);
    lua_settop(L, 0);
    lua_pushnil(L);
    lua_setglobal(L, LUA_LOADLIBNAME);
    /* A fresh table of loaded modules: scripts find nothing that the core did not put there. */
    lua_newtable(L);
    lua_setfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
}

void tt_sandbox_open(lua_State *L)
{
    for (const luaL_Reg *library = libraries; library->func; library++) {
        luaL_requiref(L, library->name, library->func, 1);
        lua_pop(L, 1);
    }
    load_cjson(L);
    for (size_t i = 0; i < TT_COUNT(hidden_globals); i++) {
        lua_pushnil(L);
        lua_setglobal(L, hidden_globals[i]);
    }
    lua_getglobal(L, LUA_STRLIBNAME);
    lua_pushnil(L);
    lua_setfield(L, -2, "dump");
    lua_getfield(L, -1, "rep");
    lua_pushcclosure(L, capped_rep, 1);
    lua_setfield(L, -2, "rep");
    lua_pop(L, 1);
    lua_getglobal(L, "setmetatable");
    lua_pushcclosure(L, checked_setmetatable, 1);
    lua_setglobal(L, "setmetatable");
}

static int refuse_write(lua_State *L)
{
    return luaL_error(L, "'%s' cannot be set: globals and libraries are read-only, use local",
                      lua_tostring(L, 2) ? lua_tostring(L, 2) : "?");
}

static int refuse_read(lua_State *L)
{
    return luaL_error(L, "'%s' is not defined", lua_tostring(L, 2) ? lua_tostring(L, 2) : "?");
}

/* Replaces the table on top by an empty one that reads through to it. */
static void push_frozen(lua_State *L, bool strict)
{
    lua_newtable(L);
    lua_createtable(L, 0, 4);
    lua_pushvalue(L, -3);
    if (strict) {
        lua_createtable(L, 0, 1);
        lua_pushcfunction(L, refuse_read);
        lua_setfield(L, -2, "__index");
        lua_setmetatable(L, -2);
    }
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, refuse_write);
    lua_setfield(L, -2, "__newindex");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -2);
    lua_remove(L, -2);
}

void tt_sandbox_freeze(lua_State *L)
{
    static const char *const names[] = {LUA_TABLIBNAME, LUA_STRLIBNAME, LUA_MATHLIBNAME,
                                        LUA_UTF8LIBNAME};
    for (size_t i = 0; i < TT_COUNT(names); i++) {
        lua_getglobal(L, names[i]);
        push_frozen(L, false);
        lua_setglobal(L, names[i]);
    }
    /* The metatable of strings keeps the real table behind __index, out of reach. */
    lua_pushliteral(L, "");
    lua_getmetatable(L, -1);
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 2);

    lua_pushglobaltable(L);
    lua_pushnil(L);
    lua_setfield(L, -2, LUA_GNAME);
    push_frozen(L, true);
    lua_rawseti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
}
