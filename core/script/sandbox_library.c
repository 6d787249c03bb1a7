/* Nothing here reaches outside of the state: `os` tells the time, `load` compiles text, and `_G`
 * can be read. A library that asks whether it is in an older Lua gets nil for the names of that
 * Lua. */
#include "script/sandbox_library.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "script/vm.h"

#include <lualib.h>
#include <stdio.h>

#define PRINT_MAX 8192
#define LOAD_MAX  (1u << 20)
#define PLACE_MAX 256

/* ---- frozen tables ---- */

static const char inner_key; /* in the metatable of a frozen table: what it reads through to */

/* Names of older Luas, which libraries look up to see where they are. */
static const char *const foreign_names[] = {"unpack", "loadstring", "setfenv",  "getfenv", "module",
                                            "jit",    "bit32",      "newproxy", NULL};

static int refuse_write(lua_State *L)
{
    return luaL_error(L, "'%s' cannot be set: globals and libraries are read-only, use local",
                      lua_tostring(L, 2) ? lua_tostring(L, 2) : "?");
}

bool tt_sandbox_is_foreign(struct tt_str name)
{
    for (int i = 0; foreign_names[i]; i++)
        if (tt_str_eq(name, tt_str_from(foreign_names[i])))
            return true;
    return false;
}

static int refuse_read(lua_State *L)
{
    const char *name = lua_tostring(L, 2);

    if (name && tt_sandbox_is_foreign(tt_str_from(name)))
        return 0;
    return luaL_error(L, "'%s' is not defined", name ? name : "?");
}

bool tt_sandbox_push_inner(lua_State *L, int index)
{
    if (!lua_getmetatable(L, index))
        return false;
    if (lua_rawgetp(L, -1, &inner_key) == LUA_TTABLE) {
        lua_remove(L, -2);
        return true;
    }
    lua_pop(L, 2);
    return false;
}

/* pairs(frozen): over a copy, since the table itself must not get out. */
static int frozen_pairs(lua_State *L)
{
    lua_getglobal(L, "next");
    lua_newtable(L);
    if (tt_sandbox_push_inner(L, 1)) {
        lua_pushnil(L);
        while (lua_next(L, -2)) {
            lua_pushvalue(L, -2);
            lua_insert(L, -2);
            lua_rawset(L, 3);
        }
        lua_pop(L, 1);
    }
    return 2;
}

void tt_sandbox_push_frozen(lua_State *L, bool strict)
{
    lua_newtable(L);
    lua_createtable(L, 0, 6);
    lua_pushvalue(L, -3);
    if (strict) {
        lua_createtable(L, 0, 1);
        lua_pushcfunction(L, refuse_read);
        lua_setfield(L, -2, "__index");
        lua_setmetatable(L, -2);
    }
    lua_pushvalue(L, -1);
    lua_rawsetp(L, -3, &inner_key);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, refuse_write);
    lua_setfield(L, -2, "__newindex");
    lua_pushcfunction(L, frozen_pairs);
    lua_setfield(L, -2, "__pairs");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -2);
    lua_remove(L, -2);
}

/* ---- raw access ---- */

/* A table with a protected metatable is somebody else's. */
static int own_rawset(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_checkany(L, 2);
    luaL_checkany(L, 3);
    lua_settop(L, 3);
    if (luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL)
        return luaL_error(L, "rawset: the table has a protected metatable");
    lua_rawset(L, 1);
    return 1;
}

static int through_rawget(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_checkany(L, 2);
    lua_settop(L, 2);
    if (tt_sandbox_push_inner(L, 1))
        lua_replace(L, 1);
    lua_rawget(L, 1);
    return 1;
}

/* ---- print, warn ---- */

/* The arguments as print would write them, at most PRINT_MAX bytes. */
static struct tt_str join_arguments(lua_State *L)
{
    int count = lua_gettop(L);
    struct tt_str text;
    luaL_Buffer buffer;

    luaL_checkstack(L, 4, NULL);
    luaL_buffinit(L, &buffer);
    for (int i = 1; i <= count; i++) {
        if (i > 1)
            luaL_addchar(&buffer, '\t');
        luaL_tolstring(L, i, NULL);
        luaL_addvalue(&buffer);
    }
    luaL_pushresult(&buffer);
    text.data = lua_tolstring(L, -1, &text.len);
    if (text.len > PRINT_MAX)
        text.len = PRINT_MAX;
    return text;
}

static int write_line(lua_State *L, enum tt_log_level level)
{
    const struct tt_vm *vm = tt_vm_of(L);
    struct tt_str text = join_arguments(L);
    char place[PLACE_MAX];

    luaL_where(L, 1);
    snprintf(place, sizeof(place), "%s", lua_tostring(L, -1));
    struct tt_str where = tt_str_from(place);
    if (where.len >= 2)
        where.len -= 2; /* ": " */
    if (vm->runtime->prints) {
        printf("%.*s: %.*s\n", TT_STR_ARG(where), TT_STR_ARG(text));
        fflush(stdout);
        return 0;
    }
    const struct tt_log_field fields[] = {TT_F_STR("text", text), TT_F_STR("at", where),
                                          TT_F_INT("generation", vm->generation)};
    tt_log_write_for_script(level, "print", fields, TT_COUNT(fields));
    return 0;
}

static int library_print(lua_State *L)
{
    return write_line(L, TT_LOG_INFO);
}

static int library_warn(lua_State *L)
{
    luaL_checkstring(L, 1);
    return write_line(L, TT_LOG_WARN);
}

/* ---- load ---- */

/* The text that a reader function returns in pieces; pushes it. */
static void read_pieces(lua_State *L, int reader)
{
    luaL_Buffer buffer;
    size_t len = 0, all = 0;

    luaL_buffinit(L, &buffer);
    for (;;) {
        lua_pushvalue(L, reader);
        lua_call(L, 0, 1);
        if (lua_isnil(L, -1) || (lua_tolstring(L, -1, &len) && len == 0))
            break;
        if (lua_type(L, -1) != LUA_TSTRING)
            luaL_error(L, "load: the reader must return texts");
        all += len;
        if (all > LOAD_MAX)
            luaL_error(L, "load: more than 1 MiB");
        luaL_addvalue(&buffer);
    }
    lua_pop(L, 1);
    luaL_pushresult(&buffer);
}

/* load(text or function, name, mode, environment); the mode is always "t". */
static int library_load(lua_State *L)
{
    bool has_environment = lua_gettop(L) >= 4, pieces = lua_isfunction(L, 1);
    size_t len;

    lua_settop(L, 4);
    if (pieces) {
        read_pieces(L, 1);
        lua_replace(L, 1);
    }
    const char *text = luaL_checklstring(L, 1, &len);
    const char *name = luaL_optstring(L, 2, pieces ? "=(load)" : text);
    if (len > LOAD_MAX)
        return luaL_error(L, "load: more than 1 MiB");
    if (*name == '@') /* only files are in a file */
        name = lua_pushfstring(L, "=%s", name + 1);
    if (luaL_loadbufferx(L, text, len, name, "t") != LUA_OK) {
        lua_pushnil(L);
        lua_insert(L, -2);
        return 2;
    }
    if (has_environment) {
        lua_pushvalue(L, 4);
        if (!lua_setupvalue(L, -2, 1))
            lua_pop(L, 1);
    }
    return 1;
}

/* ---- os, debug, package ---- */

static const char *const os_names[] = {"time", "date", "clock", "difftime", NULL};
static const char *const debug_names[] = {"traceback", NULL};

/* A global table with some functions of a library. */
static void open_part(lua_State *L, const char *library, lua_CFunction open,
                      const char *const *names)
{
    luaL_requiref(L, library, open, 0);
    lua_newtable(L);
    for (; *names; names++) {
        lua_getfield(L, -2, *names);
        lua_setfield(L, -2, *names);
    }
    lua_setglobal(L, library);
    lua_pop(L, 1);
}

/* ---- the clock of os is the core's ---- */

/* os.time(): upvalue 1 is the library's. */
static int os_time(lua_State *L)
{
    if (lua_isnoneornil(L, 1)) {
        lua_pushinteger(L, tt_clock_wall_us() / 1000000);
        return 1;
    }
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, lua_gettop(L) - 1, 1);
    return 1;
}

static int os_date(lua_State *L)
{
    luaL_optstring(L, 1, "%c");
    lua_settop(L, 2);
    if (lua_isnil(L, 1)) {
        lua_pushliteral(L, "%c");
        lua_replace(L, 1);
    }
    if (lua_isnil(L, 2)) {
        lua_pushinteger(L, tt_clock_wall_us() / 1000000);
        lua_replace(L, 2);
    }
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, 2, 1);
    return 1;
}

static void wrap_os(lua_State *L, const char *name, lua_CFunction function)
{
    lua_getglobal(L, LUA_OSLIBNAME);
    lua_getfield(L, -1, name);
    lua_pushcclosure(L, function, 1);
    lua_setfield(L, -2, name);
    lua_pop(L, 1);
}

static int package_searchpath(lua_State *L)
{
    lua_pushnil(L);
    lua_pushliteral(L, "modules are not files here");
    return 2;
}

/* What libraries read of it; modules are loaded by `require` alone. */
static void open_package(lua_State *L)
{
    lua_createtable(L, 0, 2);
    lua_pushliteral(L, "/\n;\n?\n!\n-\n");
    lua_setfield(L, -2, "config");
    lua_pushcfunction(L, package_searchpath);
    lua_setfield(L, -2, "searchpath");
    lua_setglobal(L, LUA_LOADLIBNAME);
}

/* ---- io: the standard streams, as print ---- */

/* stream:write(…) */
static int stream_write(lua_State *L)
{
    lua_remove(L, 1);
    write_line(L, TT_LOG_INFO);
    return 0;
}

static void push_stream(lua_State *L)
{
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, stream_write);
    lua_setfield(L, -2, "write");
    tt_sandbox_push_frozen(L, false);
}

static void open_io(lua_State *L)
{
    lua_createtable(L, 0, 3);
    lua_pushcfunction(L, library_print);
    lua_setfield(L, -2, "write");
    push_stream(L);
    lua_setfield(L, -2, "stdout");
    push_stream(L);
    lua_setfield(L, -2, "stderr");
    lua_setglobal(L, LUA_IOLIBNAME);
}

/* ---- all of it ---- */

static const luaL_Reg functions[] = {
    {"print", library_print}, {"warn", library_warn},     {"load", library_load},
    {"rawset", own_rawset},   {"rawget", through_rawget}, {NULL, NULL},
};

void tt_sandbox_library_open(lua_State *L)
{
    for (const luaL_Reg *function = functions; function->name; function++) {
        lua_pushcfunction(L, function->func);
        lua_setglobal(L, function->name);
    }
    open_part(L, LUA_OSLIBNAME, luaopen_os, os_names);
    wrap_os(L, "time", os_time);
    wrap_os(L, "date", os_date);
    open_part(L, LUA_DBLIBNAME, luaopen_debug, debug_names);
    open_package(L);
    open_io(L);
}

static int raw_index(lua_State *L)
{
    lua_settop(L, 2);
    lua_rawget(L, lua_upvalueindex(1));
    return 1;
}

void tt_sandbox_library_finish(lua_State *L)
{
    static const char *const names[] = {LUA_TABLIBNAME,  LUA_STRLIBNAME, LUA_MATHLIBNAME,
                                        LUA_UTF8LIBNAME, LUA_COLIBNAME,  LUA_OSLIBNAME,
                                        LUA_DBLIBNAME};
    int globals = lua_gettop(L);

    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    for (size_t i = 0; i < TT_COUNT(names); i++) {
        lua_getfield(L, globals, names[i]);
        lua_setfield(L, -2, names[i]);
    }
    lua_pop(L, 1);
    /* Names that are not there are nil in it: libraries look for what they could use. */
    lua_pushvalue(L, globals);
    tt_sandbox_push_frozen(L, false);
    lua_getmetatable(L, -1);
    lua_pushvalue(L, globals);
    lua_pushcclosure(L, raw_index, 1);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    lua_setfield(L, globals, LUA_GNAME);
}
