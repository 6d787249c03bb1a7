/* The document is a string of Lua, or a part of one, which counts and collects it; `set` replaces
 * it (value_raw_change.c). Texts that are looked into were valid once, so a walk that stops early
 * means that something is absent. */
#include "script/task.h"
#include "script/value.h"
#include "script/value_raw_parts.h"

#define CLASS       "tide.Raw"
#define MEMBERS_MAX 16 /* that one call asks for */

/* ---- values ---- */

struct tt_raw *tt_raw_push_empty(lua_State *L)
{
    struct tt_raw *raw = lua_newuserdatauv(L, sizeof(*raw), 1);

    *raw = (struct tt_raw){0};
    luaL_setmetatable(L, CLASS);
    return raw;
}

void tt_raw_set_text(lua_State *L, int index)
{
    struct tt_raw *raw = lua_touserdata(L, index);

    index = lua_absindex(L, index);
    raw->part.data = lua_tolstring(L, -1, &raw->part.len);
    lua_setiuservalue(L, index, 1);
}

void tt_value_raw_push(lua_State *L, struct tt_str json)
{
    tt_raw_push_empty(L);
    tt_task_push_taken(L, json);
    tt_raw_set_text(L, -2);
}

void tt_value_raw_push_part(lua_State *L, int text, struct tt_str part)
{
    text = lua_absindex(L, text);
    tt_raw_push_empty(L)->part = part;
    lua_pushvalue(L, text);
    lua_setiuservalue(L, -2, 1);
}

void tt_value_raw_let_free(lua_State *L)
{
    ((struct tt_raw *)lua_touserdata(L, -1))->free = true;
}

bool tt_value_raw_take_free(lua_State *L, int index)
{
    struct tt_raw *raw = luaL_testudata(L, index, CLASS);
    bool free = raw && raw->free;

    if (free)
        raw->free = false;
    return free;
}

bool tt_value_raw(lua_State *L, int index, struct tt_str *json)
{
    const struct tt_raw *raw = luaL_testudata(L, index, CLASS);

    if (raw)
        *json = raw->part;
    return raw != NULL;
}

struct tt_json_value tt_raw_check(lua_State *L, int index)
{
    const struct tt_raw *raw = luaL_checkudata(L, index, CLASS);

    return tt_json_value_of(raw->part);
}

/* Pushes what a script gets of a part of the value at `owner`: a scalar as itself, all else as
 * another raw value. */
static void push_part(lua_State *L, int owner, const struct tt_json_value *value)
{
    switch (value->type) {
    case TT_JSON_NONE:
        lua_pushnil(L);
        break;
    case TT_JSON_NULL:
        tt_value_push_null(L);
        break;
    case TT_JSON_TRUE:
    case TT_JSON_FALSE:
        lua_pushboolean(L, value->type == TT_JSON_TRUE);
        break;
    case TT_JSON_NUMBER:
        tt_value_push_json_number(L, value);
        break;
    case TT_JSON_STRING:
        tt_value_push_json_text(L, value->raw);
        break;
    default:
        lua_getiuservalue(L, owner, 1);
        tt_value_raw_push_part(L, -1, value->raw);
        lua_remove(L, -2);
    }
}

/* ---- paths ---- */

static bool is_key(lua_State *L, struct tt_str raw, struct tt_str name)
{
    if (!memchr(raw.data, '\\', raw.len))
        return tt_str_eq(tt_str_of(raw.data + 1, raw.len - 2), name);
    struct tt_buf *plain = tt_value_scratch(L);
    tt_json_unescape(raw, NULL, plain);
    return tt_str_eq(tt_buf_str(plain), name);
}

/* The part of a container that a step names; of equal keys the last one. */
static struct tt_json_value part_of(lua_State *L, const struct tt_json_value *container,
                                    struct tt_str step)
{
    struct tt_json_value found = {0}, value;
    struct tt_str key;
    size_t cursor = 0;
    uint64_t index;

    if (container->type == TT_JSON_OBJECT) {
        while (tt_json_next_member(container, &cursor, &key, &value))
            if (is_key(L, key, step))
                found = value;
    } else if (container->type == TT_JSON_ARRAY && tt_str_to_u64(step, &index) == 0) {
        while (tt_json_next(container, &cursor, &value))
            if (index-- == 0)
                return value;
    }
    return found;
}

struct tt_json_value tt_raw_walk(lua_State *L, struct tt_json_value value, struct tt_str *path)
{
    struct tt_str step;
    ptrdiff_t dot;

    while ((dot = tt_str_find(*path, '.')) >= 0) {
        step = tt_str_of(path->data, (size_t)dot);
        *path = tt_str_of(path->data + dot + 1, path->len - (size_t)dot - 1);
        value = part_of(L, &value, step);
    }
    return value;
}

struct tt_str tt_raw_check_path(lua_State *L, int index)
{
    struct tt_str path;

    path.data = luaL_checklstring(L, index, &path.len);
    return path;
}

static int raw_get(lua_State *L)
{
    struct tt_json_value value = tt_raw_check(L, 1);
    struct tt_str path = tt_raw_check_path(L, 2);

    value = tt_raw_walk(L, value, &path);
    value = part_of(L, &value, path);
    push_part(L, 1, &value);
    return 1;
}

/* Pushes members of an object, found in one pass. */
static int raw_members(lua_State *L)
{
    struct tt_json_value object = tt_raw_check(L, 1), value, found[MEMBERS_MAX] = {{0}};
    struct tt_str key, name;
    size_t cursor = 0;
    int count = lua_gettop(L) - 1;

    luaL_argcheck(L, count <= MEMBERS_MAX, MEMBERS_MAX + 1, "too many names");
    for (int i = 0; i < count; i++)
        luaL_checkstring(L, i + 2);
    while (tt_json_next_member(&object, &cursor, &key, &value))
        for (int i = 0; i < count; i++) {
            name.data = lua_tolstring(L, i + 2, &name.len);
            if (is_key(L, key, name))
                found[i] = value;
        }
    luaL_checkstack(L, count + 4, "raw");
    for (int i = 0; i < count; i++)
        push_part(L, 1, &found[i]);
    return count;
}

/* ---- walking ---- */

/* Upvalues: a value with the text, where the walk is, the next index. */
static int next_part(lua_State *L)
{
    lua_settop(L, 0);
    lua_pushvalue(L, lua_upvalueindex(1));
    struct tt_json_value value, container = tt_raw_check(L, 1);
    size_t cursor = (size_t)lua_tointeger(L, lua_upvalueindex(2));
    lua_Integer index = lua_tointeger(L, lua_upvalueindex(3));
    struct tt_str key;

    if (container.type == TT_JSON_OBJECT) {
        if (!tt_json_next_member(&container, &cursor, &key, &value))
            return 0;
        tt_value_push_json_text(L, key);
    } else {
        if (!tt_json_next(&container, &cursor, &value))
            return 0;
        lua_pushinteger(L, index);
    }
    lua_pushinteger(L, (lua_Integer)cursor);
    lua_replace(L, lua_upvalueindex(2));
    lua_pushinteger(L, index + 1);
    lua_replace(L, lua_upvalueindex(3));
    push_part(L, 1, &value);
    return 2;
}

static int raw_each(lua_State *L)
{
    struct tt_json_value value = tt_raw_check(L, 1);

    lua_getiuservalue(L, 1, 1);
    tt_value_raw_push_part(L, -1, value.raw); /* which `set` does not change */
    lua_pushinteger(L, 0);
    lua_pushinteger(L, 0);
    lua_pushcclosure(L, next_part, 3);
    return 1;
}

static int raw_type(lua_State *L)
{
    static const char *const names[] = {
        [TT_JSON_NONE] = NULL,       [TT_JSON_NULL] = "null",     [TT_JSON_TRUE] = "boolean",
        [TT_JSON_FALSE] = "boolean", [TT_JSON_NUMBER] = "number", [TT_JSON_STRING] = "string",
        [TT_JSON_ARRAY] = "array",   [TT_JSON_OBJECT] = "object",
    };

    struct tt_json_value value = tt_raw_check(L, 1);
    if (!lua_isnoneornil(L, 2)) {
        struct tt_str path = tt_raw_check_path(L, 2);
        value = tt_raw_walk(L, value, &path);
        value = part_of(L, &value, path);
    }
    lua_pushstring(L, names[value.type]);
    return 1;
}

static int raw_text(lua_State *L)
{
    const struct tt_raw *raw = luaL_checkudata(L, 1, CLASS);

    lua_getiuservalue(L, 1, 1);
    if (lua_rawlen(L, -1) != raw->part.len)
        lua_pushlstring(L, raw->part.data, raw->part.len);
    return 1;
}

static const luaL_Reg methods[] = {
    {"get", raw_get},   {"set", tt_raw_set},      {"with", tt_raw_with}, {"each", raw_each},
    {"type", raw_type}, {"members", raw_members}, {NULL, NULL},
};

void tt_value_raw_setup(lua_State *L)
{
    tt_value_new_class(L, CLASS, methods, NULL);
    luaL_getmetatable(L, CLASS);
    lua_pushcfunction(L, raw_text);
    lua_setfield(L, -2, "__tostring");
    lua_pop(L, 1);
}
