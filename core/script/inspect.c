#include "script/inspect.h"

#include "base/buf.h"
#include "script/value.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_USUAL 6
#define DEPTH_MAX   40
#define TEXT_MAX    ((size_t)1 << 20)
#define SEEN        2 /* index: the tables that this one lies in */

static void put_value(lua_State *L, int index, int depth, int left, struct tt_buf *out);

static void indent(struct tt_buf *out, int depth)
{
    tt_buf_putc(out, '\n');
    for (int i = 0; i < depth; i++)
        tt_buf_append_z(out, "  ");
}

/* In Lua's notation. */
static void put_string(lua_State *L, int index, struct tt_buf *out)
{
    size_t len;
    const char *text = lua_tolstring(L, index, &len);

    tt_buf_putc(out, '"');
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\')
            tt_buf_printf(out, "\\%c", c);
        else if (c == '\n')
            tt_buf_append_z(out, "\\n");
        else if (c < ' ' || c == 127)
            tt_buf_printf(out, "\\%03u", c);
        else
            tt_buf_putc(out, (char)c);
    }
    tt_buf_putc(out, '"');
}

static bool is_identifier(lua_State *L, int index)
{
    static const char *const keywords[] = {"end",    "if",     "in",     "or",      "and",   "not",
                                           "for",    "nil",    "do",     "then",    "else",  "true",
                                           "false",  "local",  "while",  "until",   "break", "goto",
                                           "repeat", "return", "elseif", "function"};
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";
    const char *text = lua_type(L, index) == LUA_TSTRING ? lua_tostring(L, index) : "";

    for (size_t i = 0; i < TT_COUNT(keywords); i++)
        if (strcmp(text, keywords[i]) == 0)
            return false;
    return *text && !(*text >= '0' && *text <= '9') && strspn(text, letters) == strlen(text) &&
           strlen(text) == lua_rawlen(L, index);
}

static void put_function(lua_State *L, int index, struct tt_buf *out)
{
    lua_Debug where;

    lua_pushvalue(L, index);
    lua_getinfo(L, ">S", &where);
    if (where.linedefined > 0)
        tt_buf_printf(out, "<function at %s:%d>", where.short_src, where.linedefined);
    else
        tt_buf_append_z(out, *where.what == 'C' ? "<function of the core>" : "<chunk>");
}

static void put_key(lua_State *L, int index, struct tt_buf *out)
{
    if (is_identifier(L, index)) {
        tt_buf_append_z(out, lua_tostring(L, index));
    } else {
        tt_buf_putc(out, '[');
        if (lua_type(L, index) == LUA_TSTRING)
            put_string(L, index, out);
        else
            tt_buf_append_z(out, luaL_tolstring(L, index, NULL));
        tt_buf_putc(out, ']');
    }
    tt_buf_append_z(out, " = ");
}

static int by_text(lua_State *L)
{
    const char *a = luaL_tolstring(L, 1, NULL), *b = luaL_tolstring(L, 2, NULL);
    lua_pushboolean(L, strcmp(a, b) < 0);
    return 1;
}

/* Pushes the keys behind the list, sorted by their text. */
static void push_keys(lua_State *L, int table, lua_Integer list)
{
    lua_newtable(L);
    int keys = lua_gettop(L);

    for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
        if (lua_isinteger(L, -2) && lua_tointeger(L, -2) >= 1 && lua_tointeger(L, -2) <= list)
            continue;
        lua_pushvalue(L, -2);
        lua_rawseti(L, keys, (lua_Integer)lua_rawlen(L, keys) + 1);
    }
    lua_getglobal(L, LUA_TABLIBNAME);
    lua_getfield(L, -1, "sort");
    lua_pushvalue(L, keys);
    lua_pushcfunction(L, by_text);
    lua_call(L, 2, 0);
    lua_settop(L, keys);
}

static void put_members(lua_State *L, int table, int depth, int left, struct tt_buf *out)
{
    lua_Integer list = (lua_Integer)lua_rawlen(L, table);
    int top = lua_gettop(L);

    tt_buf_putc(out, '{');
    for (lua_Integer i = 1; i <= list; i++) {
        indent(out, depth + 1);
        lua_rawgeti(L, table, i);
        put_value(L, top + 1, depth + 1, left - 1, out);
        tt_buf_putc(out, ',');
        lua_settop(L, top);
    }
    push_keys(L, table, list);
    lua_Integer count = (lua_Integer)lua_rawlen(L, top + 1);
    for (lua_Integer i = 1; i <= count; i++) {
        indent(out, depth + 1);
        lua_rawgeti(L, top + 1, i);
        put_key(L, top + 2, out);
        lua_settop(L, top + 2);
        lua_pushvalue(L, top + 2);
        lua_rawget(L, table);
        put_value(L, top + 3, depth + 1, left - 1, out);
        tt_buf_putc(out, ',');
        lua_settop(L, top + 1);
    }
    if (luaL_getmetafield(L, table, "__name") == LUA_TSTRING) {
        indent(out, depth + 1);
        tt_buf_printf(out, "<metatable %s>", lua_tostring(L, -1));
    } else if (lua_getmetatable(L, table)) {
        indent(out, depth + 1);
        tt_buf_append_z(out, "<metatable>");
    }
    lua_settop(L, top);
    if (list + count > 0)
        indent(out, depth);
    tt_buf_putc(out, '}');
}

static void put_table(lua_State *L, int table, int depth, int left, struct tt_buf *out)
{
    lua_pushvalue(L, table);
    bool inside = lua_rawget(L, SEEN) != LUA_TNIL;
    lua_pop(L, 1);
    if (inside) {
        tt_buf_append_z(out, "<a table that this one lies in>");
    } else if (left <= 0) {
        tt_buf_append_z(out, "{…}");
    } else {
        lua_pushvalue(L, table);
        lua_pushboolean(L, 1);
        lua_rawset(L, SEEN);
        put_members(L, table, depth, left, out);
        lua_pushvalue(L, table);
        lua_pushnil(L);
        lua_rawset(L, SEEN);
    }
}

static void put_value(lua_State *L, int index, int depth, int left, struct tt_buf *out)
{
    luaL_checkstack(L, 16, "inspect");
    if (out->len >= TEXT_MAX)
        return;
    switch (lua_type(L, index)) {
    case LUA_TSTRING:
        put_string(L, index, out);
        break;
    case LUA_TFUNCTION:
        put_function(L, index, out);
        break;
    case LUA_TTABLE:
        put_table(L, index, depth, left, out);
        break;
    default:
        tt_buf_append_z(out, luaL_tolstring(L, index, NULL));
        lua_pop(L, 1);
    }
}

int tt_inspect(lua_State *L)
{
    lua_Integer depth = luaL_optinteger(L, 2, DEPTH_USUAL);

    luaL_checkany(L, 1);
    luaL_argcheck(L, depth >= 0 && depth <= DEPTH_MAX, 2, "0 to 40");
    lua_settop(L, 1);
    lua_newtable(L);
    struct tt_buf *out = tt_value_push_buf(L, 2 * TEXT_MAX);
    put_value(L, 1, 0, (int)depth, out);
    lua_pushlstring(L, out->data ? out->data : "", out->len);
    return 1;
}
