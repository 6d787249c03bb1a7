/* A provider's table, compiled once per table and state. The names of fields are here and in
 * lua/types/provider.lua; core/upstream/delta.h describes their meaning. A path may be a text or a
 * list of texts. Unknown names are refused, because a misspelt path would silently never match. */
#include "script/value.h"
#include "tide/llm_start.h"
#include "tide/modules.h"

#define SPEC_META "tide.llm.delta_spec"

static const char specs_key;

static const struct {
    const char *name;
    enum tt_delta_role role;
} path_names[] =
    {
        {"content", TT_DELTA_CONTENT},
        {"reasoning", TT_DELTA_REASONING},
        {"finish_reason", TT_DELTA_FINISH},
        {"input_tokens", TT_DELTA_INPUT},
        {"output_tokens", TT_DELTA_OUTPUT},
        {"error", TT_DELTA_ERROR},
        {"input_tokens_else", TT_DELTA_INPUT_ELSE},
        {"output_tokens_else", TT_DELTA_OUTPUT_ELSE},
        {"cached_tokens", TT_DELTA_CACHED},
        {"reasoning_tokens", TT_DELTA_THOUGHT},
        {"signature", TT_DELTA_SIGNATURE},
        {"redacted", TT_DELTA_REDACTED},
        {"image", TT_DELTA_IMAGE},
        {"code", TT_DELTA_CODE},
        {"error_type", TT_DELTA_ERROR_TYPE},
        {"ended", TT_DELTA_ENDED},
},
  call_names[] = {
      {"index", TT_DELTA_CALL_INDEX}, {"id", TT_DELTA_CALL_ID},
      {"name", TT_DELTA_CALL_NAME},   {"arguments", TT_DELTA_CALL_ARGUMENTS},
      {"extra", TT_DELTA_CALL_EXTRA},
};

/* Shared by the protected parts below; the userdata owns `spec`. */
struct compiling {
    lua_State *L;
    struct tt_delta_spec *spec;
    const char *provider; /* its name */
};

static int refuse(const struct compiling *c, const char *where, const char *name, const char *why)
{
    return luaL_error(c->L, "provider '%s': %s.%s: %s", c->provider, where, name, why);
}

static void add_path(const struct compiling *c, bool whole, const char *name,
                     enum tt_delta_role role)
{
    struct tt_err err = {0};
    const char *where = whole ? "whole" : "stream";

    if (lua_type(c->L, -1) != LUA_TSTRING)
        refuse(c, where, name, "a path is a text, or a list of texts");
    const char *path = lua_tostring(c->L, -1);
    int added = role == TT_DELTA_CARRIED ? tt_delta_spec_carry(c->spec, whole, name, path, &err)
                                         : tt_delta_spec_path(c->spec, whole, role, path, &err);
    if (added != 0)
        refuse(c, where, name, err.message);
}

/* Reads the path or paths on top of the stack. */
static void add_paths(const struct compiling *c, bool whole, const char *name,
                      enum tt_delta_role role)
{
    if (lua_type(c->L, -1) != LUA_TTABLE) {
        add_path(c, whole, name, role);
        return;
    }
    lua_Integer count = (lua_Integer)lua_rawlen(c->L, -1);
    for (lua_Integer i = 1; i <= count; i++) {
        lua_rawgeti(c->L, -1, i);
        add_path(c, whole, name, role);
        lua_pop(c->L, 1);
    }
}

/* The role named by the key below the top of the stack, or an error. */
static enum tt_delta_role role_of(const struct compiling *c, bool whole, bool of_calls,
                                  const char **name)
{
    size_t count = of_calls ? TT_COUNT(call_names) : TT_COUNT(path_names);
    const char *where = of_calls ? "tool_calls" : whole ? "whole" : "stream";

    *name = lua_type(c->L, -2) == LUA_TSTRING ? lua_tostring(c->L, -2) : "?";
    for (size_t i = 0; i < count; i++) {
        const char *known = of_calls ? call_names[i].name : path_names[i].name;
        if (strcmp(known, *name) == 0)
            return of_calls ? call_names[i].role : path_names[i].role;
    }
    refuse(c, where, *name, "there is no such path");
    return TT_DELTA_ROLES;
}

/* Reads the table of paths of calls on top of the stack; `extra_key` is not a path. */
static void add_calls(const struct compiling *c, bool whole)
{
    lua_State *L = c->L;
    const char *name;

    luaL_checktype(L, -1, LUA_TTABLE);
    int table = lua_gettop(L);
    for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
        if (lua_type(L, -2) == LUA_TSTRING && strcmp(lua_tostring(L, -2), "extra_key") == 0) {
            tt_delta_spec_extra(c->spec, luaL_checkstring(L, -1));
            continue;
        }
        enum tt_delta_role role = role_of(c, whole, true, &name);
        add_paths(c, whole, name, role);
    }
}

/* Reads the table of what is carried on top of the stack: name = path or paths. */
static void add_carried(const struct compiling *c, bool whole)
{
    lua_State *L = c->L;

    luaL_checktype(L, -1, LUA_TTABLE);
    int table = lua_gettop(L);
    for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
        if (lua_type(L, -2) != LUA_TSTRING)
            luaL_error(L, "provider '%s': a name of 'carried' is no text", c->provider);
        add_paths(c, whole, lua_tostring(L, -2), TT_DELTA_CARRIED);
    }
}

static void add_form(const struct compiling *c, int provider, bool whole)
{
    lua_State *L = c->L;
    const char *name, *form = whole ? "whole" : "stream";

    if (lua_getfield(L, provider, form) != LUA_TTABLE)
        luaL_error(L, "provider '%s': '%s' must be a table of paths", c->provider, form);
    int table = lua_gettop(L);
    for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
        if (lua_type(L, -2) == LUA_TSTRING && strcmp(lua_tostring(L, -2), "tool_calls") == 0) {
            add_calls(c, whole);
            continue;
        }
        if (lua_type(L, -2) == LUA_TSTRING && strcmp(lua_tostring(L, -2), "carried") == 0) {
            add_carried(c, whole);
            continue;
        }
        enum tt_delta_role role = role_of(c, whole, false, &name);
        add_paths(c, whole, name, role);
    }
    lua_pop(L, 1);
}

/* A table of words: theirs = ours. */
static void add_words(const struct compiling *c, int provider, const char *key,
                      enum tt_delta_role role)
{
    lua_State *L = c->L;
    int type = lua_getfield(L, provider, key);
    int table = lua_gettop(L);

    if (type != LUA_TNIL && type != LUA_TTABLE)
        luaL_error(L, "provider '%s': '%s' must be a table", c->provider, key);
    for (lua_pushnil(L); type == LUA_TTABLE && lua_next(L, table); lua_pop(L, 1)) {
        lua_pushvalue(L, -2); /* a number as a key must not be changed in place */
        const char *from = luaL_tolstring(L, -1, NULL);
        if (lua_type(L, -3) != LUA_TSTRING)
            refuse(c, key, from, "is no text");
        tt_delta_spec_word(c->spec, role, from, lua_tostring(L, -3));
        lua_pop(L, 2);
    }
    lua_settop(L, table - 1);
}

static int spec_gc(lua_State *L)
{
    struct tt_delta_spec **holder = lua_touserdata(L, 1);
    tt_delta_spec_unref(*holder);
    *holder = NULL;
    return 0;
}

static struct tt_delta_spec **push_holder(lua_State *L)
{
    struct tt_delta_spec **holder = lua_newuserdatauv(L, sizeof(*holder), 0);
    *holder = NULL;
    if (luaL_newmetatable(L, SPEC_META)) {
        lua_pushcfunction(L, spec_gc);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    return holder;
}

/* Leaves the userdata on the stack. */
static struct tt_delta_spec *compile_spec(lua_State *L, int provider)
{
    struct tt_str framing = tt_value_field(L, provider, "framing");
    struct compiling c = {.L = L, .provider = tt_value_field(L, provider, "name").data};
    bool lines = tt_str_eq(framing, TT_STR("json_lines"));

    if (!c.provider)
        luaL_error(L, "a provider needs a 'name'");
    if (!lines && !tt_str_eq(framing, TT_STR("sse")))
        luaL_error(L, "provider '%s': 'framing' must be 'sse' or 'json_lines'", c.provider);
    const char *done = tt_value_field(L, provider, "done").data; /* kept alive by the table */
    struct tt_delta_spec **holder = push_holder(L);
    *holder = tt_delta_spec_new(lines ? TT_SSE_JSON_LINES : TT_SSE_EVENTS, done);
    c.spec = *holder;
    add_form(&c, provider, false);
    add_form(&c, provider, true);
    add_words(&c, provider, "finish_reasons", TT_DELTA_FINISH);
    add_words(&c, provider, "error_codes", TT_DELTA_ERROR_TYPE);
    if (lua_getfield(L, provider, "think_tags") != LUA_TNIL && lua_toboolean(L, -1))
        tt_delta_spec_think_tags(*holder);
    lua_pop(L, 1);
    return *holder;
}

struct tt_delta_spec *tt_tide_llm_provider_spec(lua_State *L, int provider)
{
    struct tt_delta_spec **holder;

    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &specs_key) == LUA_TNIL) {
        lua_pop(L, 1);
        lua_newtable(L);
        lua_createtable(L, 0, 1);
        lua_pushliteral(L, "k"); /* a provider table that is collected frees its spec too */
        lua_setfield(L, -2, "__mode");
        lua_setmetatable(L, -2);
        lua_pushvalue(L, -1);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &specs_key);
    }
    lua_pushvalue(L, provider);
    if (lua_rawget(L, -2) == LUA_TUSERDATA) {
        holder = lua_touserdata(L, -1);
        lua_pop(L, 2);
        return *holder;
    }
    lua_pop(L, 1);
    struct tt_delta_spec *spec = compile_spec(L, provider);
    lua_pushvalue(L, provider);
    lua_insert(L, -2);
    lua_rawset(L, -3);
    lua_pop(L, 1);
    return spec;
}

int tt_tide_llm_check_provider(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    tt_tide_llm_provider_spec(L, 1);
    if (lua_getfield(L, 1, "build") != LUA_TFUNCTION)
        luaL_error(L, "provider '%s': 'build' must be a function",
                   tt_value_field(L, 1, "name").data);
    return 0;
}
