/* tide.scripts: what the source of a function or of the scripts says, for the checks in
 * lua/checks/. */
#include "tide/scripts_source.h"

#include "script/lua_source.h"
#include "tide/modules.h"

#include <string.h>

/* ---- returns ---- */

struct value { /* tokens of one expression: [begin, end) */
    size_t begin, end;
};

static bool ends_return(const struct tt_lua_source *source, size_t i)
{
    static const char *const ends[] = {"end", "else", "elseif", "until", ";"};

    for (size_t n = 0; n < TT_COUNT(ends); n++)
        if (tt_lua_source_is(source, i, ends[n]))
            return true;
    return i >= source->count;
}

/* A member of a table constructor at `i`: its name, data == NULL if it has none. */
static struct tt_str member_at(const struct tt_lua_source *source, size_t i)
{
    bool named = source->tokens[i].type == TT_LUA_NAME && tt_lua_source_is(source, i + 1, "=");
    bool quoted = tt_lua_source_is(source, i, "[") && i + 1 < source->count &&
                  source->tokens[i + 1].type == TT_LUA_STRING &&
                  tt_lua_source_is(source, i + 2, "]");

    return named    ? source->tokens[i].text
           : quoted ? source->tokens[i + 1].text
                    : (struct tt_str){0};
}

/* Fills `keys` (a list) and `texts` (of members whose value is one string) of the description on
 * top of the stack. */
static void describe_table(lua_State *L, const struct tt_lua_source *source, struct value value)
{
    bool first = true;
    lua_Integer count = 0;

    lua_newtable(L);
    lua_newtable(L);
    for (size_t i = value.begin + 1; i < value.end - 1; i++) {
        struct tt_str name = first ? member_at(source, i) : (struct tt_str){0};
        size_t at = i + (tt_lua_source_is(source, i, "[") ? 4 : 2); /* of its value */
        if (name.data) {
            lua_pushlstring(L, name.data, name.len);
            lua_rawseti(L, -3, ++count);
        }
        if (name.data && at < value.end - 1 && source->tokens[at].type == TT_LUA_STRING &&
            (at + 2 == value.end || tt_lua_source_is(source, at + 1, ","))) {
            lua_pushlstring(L, name.data, name.len);
            lua_pushlstring(L, source->tokens[at].text.data, source->tokens[at].text.len);
            lua_rawset(L, -3);
        }
        i = tt_lua_source_end(source, i);
        first = tt_lua_source_is(source, i, ",") || tt_lua_source_is(source, i, ";");
    }
    lua_setfield(L, -3, "texts");
    lua_setfield(L, -2, "keys");
}

static const char *type_of(const struct tt_lua_source *source, struct value value)
{
    const struct tt_lua_token *token = &source->tokens[value.begin];
    bool one = value.end == value.begin + 1;

    if (tt_lua_source_is(source, value.begin, "{"))
        return tt_lua_source_end(source, value.begin) + 1 == value.end ? "table" : "other";
    if (!one)
        return "other";
    if (token->type == TT_LUA_STRING)
        return "string";
    if (tt_lua_source_is(source, value.begin, "nil"))
        return "nil";
    if (tt_lua_source_is(source, value.begin, "true") ||
        tt_lua_source_is(source, value.begin, "false"))
        return "boolean";
    return token->text.len && token->text.data[0] >= '0' && token->text.data[0] <= '9' ? "number"
                                                                                       : "other";
}

/* Appends what `return` at `i` returns to the list on top of the stack; the index behind it. */
static size_t add_return(lua_State *L, const struct tt_lua_source *source, size_t i)
{
    struct value value = {.begin = i + 1};
    lua_Integer count = 0;

    lua_newtable(L);
    lua_pushinteger(L, source->tokens[i].line);
    lua_setfield(L, -2, "line");
    for (i++; !ends_return(source, value.begin); value.begin = i + 1) {
        for (i = value.begin; !ends_return(source, i) && !tt_lua_source_is(source, i, ","); i++)
            i = tt_lua_source_end(source, i);
        value.end = i;
        lua_newtable(L);
        lua_pushstring(L, type_of(source, value));
        if (strcmp(lua_tostring(L, -1), "table") == 0) {
            lua_setfield(L, -2, "type");
            describe_table(L, source, value);
        } else {
            lua_setfield(L, -2, "type");
        }
        lua_rawseti(L, -2, ++count);
        if (!tt_lua_source_is(source, i, ","))
            break;
    }
    lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
    return i;
}

/* The function's token `function`; the count of tokens when there is none, or several in one line.
 */
static size_t find_function(const struct tt_lua_source *source, const lua_Debug *where)
{
    size_t found = source->count;

    for (size_t i = 0; i < source->count; i++) {
        if (source->tokens[i].line != where->linedefined ||
            !tt_lua_source_is(source, i, "function"))
            continue;
        size_t end = tt_lua_source_end(source, i);
        if (end < source->count && source->tokens[end].line == where->lastlinedefined)
            found = found == source->count ? i : SIZE_MAX;
    }
    return found == SIZE_MAX ? source->count : found;
}

static void add_returns(lua_State *L, const struct tt_lua_source *source, const lua_Debug *where)
{
    size_t begin = find_function(source, where);
    size_t end = begin < source->count ? tt_lua_source_end(source, begin) : 0;

    for (size_t i = begin + 1; i < end; i++) {
        if (tt_lua_source_is(source, i, "function"))
            i = tt_lua_source_end(source, i);
        else if (tt_lua_source_is(source, i, "return"))
            i = add_return(L, source, i) - 1;
    }
}

/* 1 = the list, 2 = the source, 3 = where the function is. */
static int fill_returns(lua_State *L)
{
    lua_pushvalue(L, 1);
    add_returns(L, lua_touserdata(L, 2), lua_touserdata(L, 3));
    return 0;
}

int tt_scripts_returns(lua_State *L)
{
    struct tt_lua_source source;
    lua_Debug where;

    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_settop(L, 1);
    lua_pushvalue(L, 1);
    lua_getinfo(L, ">S", &where);
    lua_newtable(L);
    if (*where.source != '@')
        return 1;
    lua_pushstring(L, where.source + 1);
    lua_setfield(L, 2, "file");
    const struct tt_bundle_file *file =
        tt_bundle_find(tt_vm_of(L)->bundle, tt_str_from(where.source + 1));
    if (!file)
        return 1;
    lua_pushcfunction(L, fill_returns);
    lua_pushvalue(L, 2);
    lua_pushlightuserdata(L, &source);
    lua_pushlightuserdata(L, &where);
    tt_lua_source_read(&source, file->bytes);
    int status = lua_pcall(L, 3, 0, 0);
    tt_lua_source_free(&source);
    if (status != LUA_OK)
        return lua_error(L);
    return 1;
}

/* ---- calls ---- */

/* Appends {file, line, text} for each call of module.field whose first argument is a string. 1 =
 * the list, 2 = the source, 3 = the file, 4 = module, 5 = field. */
static int fill_calls(lua_State *L)
{
    const struct tt_lua_source *source = lua_touserdata(L, 2);
    const struct tt_bundle_file *file = lua_touserdata(L, 3);
    struct tt_str module = tt_str_from(lua_tostring(L, 4));
    const char *field = lua_tostring(L, 5);

    for (size_t i = 2; i < source->count; i++) {
        size_t string;
        if (!tt_lua_source_is(source, i, field) || !tt_lua_source_is(source, i - 1, ".") ||
            !tt_lua_source_is_free_name(source, i - 2) ||
            !tt_str_eq(tt_lua_source_module(source, source->tokens[i - 2].text), module) ||
            !(string = tt_lua_source_string_argument(source, i)))
            continue;
        lua_createtable(L, 0, 3);
        lua_pushstring(L, file->path.data);
        lua_setfield(L, -2, "file");
        lua_pushinteger(L, source->tokens[string].line);
        lua_setfield(L, -2, "line");
        lua_pushlstring(L, source->tokens[string].text.data, source->tokens[string].text.len);
        lua_setfield(L, -2, "text");
        lua_rawseti(L, 1, (lua_Integer)lua_rawlen(L, 1) + 1);
    }
    return 0;
}

int tt_scripts_calls(lua_State *L)
{
    const struct tt_bundle *bundle = tt_vm_of(L)->bundle;

    luaL_checkstring(L, 1);
    luaL_checkstring(L, 2);
    lua_settop(L, 2);
    lua_newtable(L);
    for (size_t i = 0; i < bundle->file_count; i++) {
        struct tt_lua_source source;
        if (!tt_str_ends(bundle->files[i].path, TT_STR(".lua")))
            continue;
        lua_pushcfunction(L, fill_calls);
        lua_pushvalue(L, 3);
        lua_pushlightuserdata(L, &source);
        lua_pushlightuserdata(L, &bundle->files[i]);
        lua_pushvalue(L, 1);
        lua_pushvalue(L, 2);
        tt_lua_source_read(&source, bundle->files[i].bytes);
        int status = lua_pcall(L, 5, 0, 0);
        tt_lua_source_free(&source);
        if (status != LUA_OK)
            return lua_error(L);
    }
    return 1;
}
