/* tide.log: structured logging for scripts. Only strings, numbers and booleans are taken, so a
 * secret or a whole table cannot slip into a log. */
#include "base/log.h"

#include "tide/modules.h"

#define FIELDS_MAX 16

static size_t read_fields(lua_State *L, int index, struct tt_log_field *fields)
{
    size_t count = 0;

    lua_pushnil(L);
    while (lua_next(L, index)) {
        if (lua_type(L, -2) != LUA_TSTRING)
            luaL_error(L, "log: field names must be strings");
        if (count == FIELDS_MAX)
            luaL_error(L, "log: more than %d fields", FIELDS_MAX);
        struct tt_log_field *field = &fields[count++];
        *field = (struct tt_log_field){.key = lua_tostring(L, -2)};
        switch (lua_type(L, -1)) {
        case LUA_TSTRING:
            field->type = TT_LOG_STR;
            field->str.data = lua_tolstring(L, -1, &field->str.len);
            break;
        case LUA_TNUMBER:
            field->type = lua_isinteger(L, -1) ? TT_LOG_INT : TT_LOG_NUM;
            field->integer = lua_tointeger(L, -1);
            field->number = lua_tonumber(L, -1);
            break;
        case LUA_TBOOLEAN:
            field->type = TT_LOG_BOOL;
            field->integer = lua_toboolean(L, -1);
            break;
        default:
            luaL_error(L, "log: field '%s' is a %s", field->key, luaL_typename(L, -1));
        }
        lua_pop(L, 1); /* the table keeps the strings alive */
    }
    return count;
}

static int write_log(lua_State *L, enum tt_log_level level)
{
    const char *message = luaL_checkstring(L, 1);
    struct tt_log_field fields[FIELDS_MAX + 1];
    size_t count = 0;

    if (!tt_log_enabled_for_scripts(level))
        return 0;
    if (!lua_isnoneornil(L, 2)) {
        luaL_checktype(L, 2, LUA_TTABLE);
        count = read_fields(L, 2, fields);
    }
    fields[count++] = TT_F_INT("generation", tt_vm_of(L)->generation);
    tt_log_write_for_script(level, message, fields, count);
    return 0;
}

static int log_debug(lua_State *L)
{
    return write_log(L, TT_LOG_DEBUG);
}

static int log_info(lua_State *L)
{
    return write_log(L, TT_LOG_INFO);
}

static int log_warn(lua_State *L)
{
    return write_log(L, TT_LOG_WARN);
}

static int log_error(lua_State *L)
{
    return write_log(L, TT_LOG_ERROR);
}

static const luaL_Reg functions[] = {
    {"debug", log_debug}, {"info", log_info}, {"warn", log_warn},
    {"error", log_error}, {NULL, NULL},
};

int tt_tide_log(lua_State *L)
{
    luaL_newlib(L, functions);
    return 1;
}
