/* tide.test: accounts, logged in, with models of the scripted upstream. Everything goes by the
 * server's own routes, but for the role, which no route gives. */
#include "base/str.h"
#include "script/task.h"
#include "tide/modules.h"
#include "tide/testing.h"

#define PASSWORD "high-tide"

/* Replaces the value on top by {method, path, json = that value, user?}, for test_request. */
static void push_post(lua_State *L, const char *path, int user)
{
    lua_createtable(L, 0, 4);
    lua_insert(L, -2);
    lua_setfield(L, -2, "json");
    lua_pushstring(L, path);
    lua_setfield(L, -2, "path");
    if (user) {
        lua_pushvalue(L, user);
        lua_setfield(L, -2, "user");
    }
}

static void check_ok(lua_State *L, const char *what)
{
    lua_getfield(L, -1, "status");
    if (lua_tointeger(L, -1) != 200) {
        lua_getfield(L, -2, "body");
        luaL_error(L, "test.user: %s was answered with %d: %s", what, (int)lua_tointeger(L, -2),
                   lua_tostring(L, -1));
    }
    lua_pop(L, 1);
}

/* 1 = the wishes {model, models, role}, 2 = the user, 3 = how many models are stored, 4 = the
 * response, or the result of db.write. */
static int after_model(lua_State *L, int status, lua_KContext context);
static int after_role(lua_State *L, int status, lua_KContext context);

static int store_next_model(lua_State *L)
{
    const struct tt_testing *testing = tt_testing_check(L, true);
    lua_Integer next = lua_tointeger(L, 3) + 1;

    lua_settop(L, 2);
    lua_pushinteger(L, next);
    lua_getfield(L, 1, "models");
    if (lua_rawgeti(L, 4, next) == LUA_TNIL) {
        lua_settop(L, 2);
        return 1;
    }
    lua_pushcfunction(L, tt_tide_test_request);
    lua_createtable(L, 0, 4);
    lua_pushvalue(L, 5);
    lua_setfield(L, -2, "model_name");
    lua_pushfstring(L, "scripted %d", (int)next);
    lua_setfield(L, -2, "api_name");
    lua_pushliteral(L, "sk-scripted");
    lua_setfield(L, -2, "api_key");
    lua_pushfstring(L, "http://127.0.0.1:%d/v1", tt_test_upstream_port(testing->upstream));
    lua_setfield(L, -2, "base_url");
    push_post(L, "/api/user/apis", 2);
    lua_remove(L, 5);
    lua_remove(L, 4);
    lua_callk(L, 1, 1, 0, after_model);
    return after_model(L, LUA_OK, 0);
}

static int after_model(lua_State *L, int status, lua_KContext context)
{
    (void)status;
    (void)context;
    check_ok(L, "storing a model");
    return store_next_model(L);
}

static int after_role(lua_State *L, int status, lua_KContext context)
{
    (void)status;
    (void)context;
    if (!lua_toboolean(L, 4))
        return luaL_error(L, "test.user: the role could not be stored");
    lua_settop(L, 2);
    lua_getfield(L, 1, "role");
    lua_setfield(L, 2, "role");
    lua_pushinteger(L, 0);
    return store_next_model(L);
}

/* As `tidetalk user` would. */
static int store_role(lua_State *L)
{
    lua_settop(L, 3);
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_getfield(L, -1, "tide.db");
    lua_getfield(L, -1, "write");
    lua_replace(L, 4);
    lua_settop(L, 4);
    lua_createtable(L, 1, 0);
    lua_createtable(L, 2, 0);
    lua_pushliteral(L, "UPDATE users SET role = ?, version = version + 1 WHERE id = ?");
    lua_rawseti(L, -2, 1);
    lua_createtable(L, 2, 0);
    lua_getfield(L, 1, "role");
    lua_rawseti(L, -2, 1);
    lua_getfield(L, 2, "id");
    lua_rawseti(L, -2, 2);
    lua_rawseti(L, -2, 2);
    lua_rawseti(L, -2, 1);
    lua_callk(L, 1, 1, 0, after_role);
    return after_role(L, LUA_OK, 0);
}

/* 1 = the wishes, 2 = the response of the registration: becomes the user. */
static int after_register(lua_State *L, int status, lua_KContext context)
{
    (void)status;
    (void)context;
    check_ok(L, "the registration");
    lua_getfield(L, 2, "json");
    lua_getfield(L, 3, "user");
    lua_getfield(L, 3, "token");
    lua_setfield(L, 4, "token");
    lua_getfield(L, 1, "model");
    lua_setfield(L, 4, "model");
    lua_replace(L, 2);
    lua_settop(L, 2);
    lua_pushinteger(L, 0);
    return lua_getfield(L, 1, "role") == LUA_TNIL ? store_next_model(L) : store_role(L);
}

/* Replaces the argument by {model, models, role}; models has at least that one. */
static void read_wishes(lua_State *L)
{
    if (!lua_istable(L, 1)) {
        const char *model = luaL_optstring(L, 1, "scripted");
        lua_settop(L, 1);
        lua_createtable(L, 0, 2);
        lua_pushstring(L, model);
        lua_setfield(L, -2, "model");
        lua_replace(L, 1);
    }
    lua_createtable(L, 0, 3);
    for (lua_pushnil(L); lua_next(L, 1); lua_pop(L, 1)) {
        struct tt_str key = {0};
        if (lua_type(L, -2) == LUA_TSTRING)
            key.data = lua_tolstring(L, -2, &key.len);
        if (!tt_str_eq(key, TT_STR("role")) && !tt_str_eq(key, TT_STR("model")) &&
            !tt_str_eq(key, TT_STR("models")))
            luaL_error(L, "test.user: there is no field '%s'", key.data ? key.data : "?");
        lua_pushvalue(L, -2);
        lua_pushvalue(L, -2);
        lua_rawset(L, 2);
    }
    if (lua_getfield(L, 2, "models") == LUA_TNIL) {
        lua_createtable(L, 1, 0);
        if (lua_getfield(L, 2, "model") == LUA_TNIL) {
            lua_pop(L, 1);
            lua_pushliteral(L, "scripted");
        }
        lua_rawseti(L, -2, 1);
        lua_setfield(L, 2, "models");
    }
    lua_getfield(L, 2, "models");
    luaL_argcheck(L, lua_istable(L, -1) && lua_rawlen(L, -1) > 0, 1, "'models' is a list of names");
    if (lua_getfield(L, 2, "model") == LUA_TNIL) {
        lua_rawgeti(L, -2, 1);
        lua_setfield(L, 2, "model");
    }
    lua_settop(L, 2);
    lua_replace(L, 1);
}

/* A new account, logged in, with the scripted upstream as its models. */
static int test_user(lua_State *L)
{
    struct tt_testing *testing = tt_testing_check(L, true);

    tt_task_check_wait(L, "test.user");
    lua_settop(L, 1);
    read_wishes(L);
    lua_pushcfunction(L, tt_tide_test_request);
    lua_createtable(L, 0, 2);
    lua_pushfstring(L, "user%d", ++testing->user_count);
    lua_setfield(L, -2, "username");
    lua_pushliteral(L, PASSWORD);
    lua_setfield(L, -2, "password");
    push_post(L, "/api/register", 0);
    lua_callk(L, 1, 1, 0, after_register);
    return after_register(L, LUA_OK, 0);
}

static const luaL_Reg functions[] = {{"user", test_user}, {NULL, NULL}};

void tt_tide_test_user(lua_State *L)
{
    luaL_setfuncs(L, functions, 0);
}
