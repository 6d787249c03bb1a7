/* Left out, with the reason: dofile, loadfile, most of io, os, debug and package (files, processes,
 * native and binary code), collectgarbage (pauses belong to the core), math.randomseed (all
 * requests share the generator), string.dump. Replaced: coroutine (coroutines.c), what
 * sandbox_library.c has, xpcall, setmetatable, and the functions of which one call could run too
 * long or use the state's whole memory, since the watchdog cannot stop a C function. lua-cjson is
 * loaded here, through the package library that scripts never see. */
#include "script/sandbox.h"

#include "script/coroutines.h"
#include "script/sandbox_library.h"
#include "script/strings.h"
#include "script/value.h"

#include <lualib.h>

#define REP_MAX_BYTES (16u << 20)
#define TABLE_MAX     (1 << 22) /* elements that one call of a table function walks through */
#define SORT_MAX      (1 << 19)

static const luaL_Reg libraries[] = {
    {LUA_GNAME, luaopen_base},
    {LUA_TABLIBNAME, luaopen_table},
    {LUA_STRLIBNAME, luaopen_string},
    {LUA_MATHLIBNAME, luaopen_math},
    {LUA_UTF8LIBNAME, luaopen_utf8},
    {LUA_COLIBNAME, tt_coroutines_open},
    {NULL, NULL},
};

static const char *const hidden_globals[] = {"dofile", "loadfile", "collectgarbage"};

/* The function behind a replaced one, with the same arguments. */
static int call_original(lua_State *L)
{
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
    return lua_gettop(L);
}

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
    return call_original(L);
}

static int stop_at(lua_State *L, const char *function, lua_Integer max)
{
    return luaL_error(L, "table.%s: more than %I elements in one call", function, (LUAI_UACINT)max);
}

static int capped_move(lua_State *L)
{
    lua_Integer from = luaL_checkinteger(L, 2), to = luaL_checkinteger(L, 3);
    if (to >= from && (lua_Unsigned)to - (lua_Unsigned)from >= TABLE_MAX)
        return stop_at(L, "move", TABLE_MAX);
    return call_original(L);
}

static int capped_concat(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_Integer from = luaL_optinteger(L, 3, 1);
    lua_Integer to = lua_isnoneornil(L, 4) ? luaL_len(L, 1) : luaL_checkinteger(L, 4);
    if (to >= from && (lua_Unsigned)to - (lua_Unsigned)from >= TABLE_MAX)
        return stop_at(L, "concat", TABLE_MAX);
    lua_settop(L, 3);
    lua_pushinteger(L, to); /* what was looked at is what is done */
    return call_original(L);
}

static int check_length(lua_State *L, const char *function, lua_Integer max)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    if (luaL_getmetafield(L, 1, "__len") != LUA_TNIL) /* it could tell Lua another length than us */
        return luaL_error(L, "table.%s: not on a table with __len", function);
    return luaL_len(L, 1) > max ? stop_at(L, function, max) : call_original(L);
}

static int capped_insert(lua_State *L)
{
    return check_length(L, "insert", TABLE_MAX);
}

static int capped_remove(lua_State *L)
{
    return check_length(L, "remove", TABLE_MAX);
}

static int capped_sort(lua_State *L)
{
    return check_length(L, "sort", SORT_MAX);
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
    return call_original(L);
}

static int after_handler(lua_State *L, int status, lua_KContext context)
{
    (void)status;
    (void)context;
    lua_pushboolean(L, 0);
    lua_insert(L, 1);
    return lua_gettop(L);
}

/* 1 = the handler, then the results or the error. */
static int after_protected(lua_State *L, int status, lua_KContext context)
{
    (void)context;
    if (status != LUA_OK && status != LUA_YIELD) {
        lua_callk(L, 1, LUA_MULTRET, 0, after_handler);
        return after_handler(L, LUA_OK, 0);
    }
    lua_pushboolean(L, 1);
    lua_replace(L, 1);
    return lua_gettop(L);
}

/* Lua calls a message handler where the error is, with hooks off: a loop in it could not be
 * stopped. Here it is called after the stack has been left. */
static int late_xpcall(lua_State *L)
{
    luaL_checktype(L, 2, LUA_TFUNCTION);
    lua_rotate(L, 1, -1);
    lua_insert(L, 2);
    return after_protected(L, lua_pcallk(L, lua_gettop(L) - 2, LUA_MULTRET, 0, 0, after_protected),
                           0);
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

static const struct replacement {
    const char *library, *name;
    lua_CFunction function; /* NULL: left out */
} replacements[] = {
    {LUA_STRLIBNAME, "dump", NULL},
    {LUA_STRLIBNAME, "rep", capped_rep},
    {LUA_STRLIBNAME, "find", tt_strings_find},
    {LUA_STRLIBNAME, "match", tt_strings_match},
    {LUA_STRLIBNAME, "gmatch", tt_strings_gmatch},
    {LUA_STRLIBNAME, "gsub", tt_strings_gsub},
    {LUA_MATHLIBNAME, "randomseed", NULL},
    {LUA_TABLIBNAME, "move", capped_move},
    {LUA_TABLIBNAME, "concat", capped_concat},
    {LUA_TABLIBNAME, "insert", capped_insert},
    {LUA_TABLIBNAME, "remove", capped_remove},
    {LUA_TABLIBNAME, "sort", capped_sort},
    {LUA_GNAME, "setmetatable", checked_setmetatable},
    {LUA_GNAME, "xpcall", late_xpcall},
};

/* The original becomes the upvalue of what takes its place. */
static void replace(lua_State *L, const struct replacement *row)
{
    lua_getglobal(L, row->library);
    lua_getfield(L, -1, row->name);
    if (row->function)
        lua_pushcclosure(L, row->function, 1);
    else
        lua_pushnil(L);
    lua_setfield(L, 1, row->name);
    lua_settop(L, 0);
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
    for (size_t i = 0; i < TT_COUNT(replacements); i++)
        replace(L, &replacements[i]);
    tt_sandbox_library_open(L);
}

void tt_sandbox_freeze(lua_State *L)
{
    static const char *const names[] = {LUA_TABLIBNAME,  LUA_STRLIBNAME, LUA_MATHLIBNAME,
                                        LUA_UTF8LIBNAME, LUA_COLIBNAME,  LUA_OSLIBNAME,
                                        LUA_LOADLIBNAME, LUA_IOLIBNAME,  LUA_DBLIBNAME};
    for (size_t i = 0; i < TT_COUNT(names); i++) {
        lua_getglobal(L, names[i]);
        tt_sandbox_push_frozen(L, false);
        lua_setglobal(L, names[i]);
    }
    /* The metatable of strings keeps the real table behind __index, out of reach. */
    lua_pushliteral(L, "");
    lua_getmetatable(L, -1);
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 2);

    lua_pushglobaltable(L);
    tt_sandbox_library_finish(L);
    tt_sandbox_push_frozen(L, true);
    lua_rawseti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
}
