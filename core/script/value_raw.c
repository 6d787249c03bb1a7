/* The document is a string of Lua, or a part of one, which counts and collects it; `set` replaces
 * it, and what `with` makes is in pieces until somebody looks into it (value_raw_change.c). Texts
 * that are looked into were valid once, so a walk that stops early means that something is absent.
 */
#include "script/task.h"
#include "script/value.h"
#include "script/value_raw_parts.h"

#define CLASS       "tide.Raw"
#define MEMBERS_MAX 16 /* that one call asks for */

/* ---- values ---- */

struct tt_raw *tt_raw_push_empty(lua_State *L, size_t spans)
{
    size_t size = sizeof(struct tt_raw) + spans * sizeof(struct tt_str);
    struct tt_raw *raw = lua_newuserdatauv(L, size, 2);

    *raw = (struct tt_raw){0};
    luaL_setmetatable(L, CLASS);
    return raw;
}

void tt_raw_set_text(lua_State *L, int index)
{
    struct tt_raw *raw = lua_touserdata(L, index);

    index = lua_absindex(L, index);
    raw->part.data = lua_tolstring(L, -1, &raw->part.len);
    raw->noted = raw->pieces = 0;
    lua_setiuservalue(L, index, 1);
    lua_pushnil(L);
    lua_setiuservalue(L, index, 2);
}

static void append_pieces(const struct tt_raw *raw, struct tt_buf *out)
{
    size_t sum = 0;

    for (size_t i = 0; i < raw->pieces; i++)
        sum += raw->spans[i].len;
    if (!tt_buf_reserve(out, sum))
        return;
    for (size_t i = 0; i < raw->pieces; i++)
        tt_buf_append_str(out, raw->spans[i]);
}

/* Makes one string of the value at index, which is in pieces. */
static void join(lua_State *L, int index, const struct tt_raw *raw)
{
    index = lua_absindex(L, index);
    struct tt_buf *whole = tt_value_push_buf(L, 0);
    append_pieces(raw, whole);
    lua_pushlstring(L, whole->data, whole->len);
    tt_raw_set_text(L, index);
    tt_buf_free(whole); /* now: Lua does not see how large it is */
    lua_pop(L, 1);
}

static struct tt_raw *open_raw(lua_State *L, int index, struct tt_raw *raw)
{
    if (raw && raw->pieces > 0)
        join(L, index, raw);
    return raw;
}

struct tt_raw *tt_raw_open(lua_State *L, int index)
{
    return open_raw(L, index, luaL_checkudata(L, index, CLASS));
}

void tt_value_raw_push(lua_State *L, struct tt_str json)
{
    tt_raw_push_empty(L, 0);
    tt_task_push_taken(L, json);
    tt_raw_set_text(L, -2);
}

void tt_value_raw_push_part(lua_State *L, int text, struct tt_str part)
{
    tt_value_raw_push_noted(L, text, part, NULL, 0);
}

void tt_value_raw_push_noted(lua_State *L, int text, struct tt_str whole,
                             const struct tt_raw_member *members, size_t count)
{
    text = lua_absindex(L, text);
    struct tt_raw *raw = tt_raw_push_empty(L, 2 * count);
    raw->part = whole;
    raw->noted = count;
    for (size_t i = 0; i < count; i++) {
        raw->spans[2 * i] = members[i].key;
        raw->spans[2 * i + 1] = members[i].value;
    }
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
    const struct tt_raw *raw = open_raw(L, index, luaL_testudata(L, index, CLASS));

    if (raw)
        *json = raw->part;
    return raw != NULL;
}

bool tt_value_raw_append(lua_State *L, int index, struct tt_buf *out)
{
    const struct tt_raw *raw = luaL_testudata(L, index, CLASS);

    if (raw && raw->pieces > 0)
        append_pieces(raw, out);
    else if (raw)
        tt_buf_append_str(out, raw->part);
    return raw != NULL;
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

bool tt_raw_next_member(const struct tt_raw *raw, const struct tt_json_value *object,
                        size_t *cursor, struct tt_str *key, struct tt_json_value *value)
{
    /* What is inside the document begins behind its first key. */
    if (raw->noted == 0 || object->raw.data > raw->spans[0].data)
        return tt_json_next_member(object, cursor, key, value);
    if (*cursor == raw->noted)
        return false;
    *key = raw->spans[2 * *cursor];
    *value = tt_json_value_of(raw->spans[2 * *cursor + 1]);
    ++*cursor;
    return true;
}

/* The part of a container that a step names; of equal keys the last one. */
static struct tt_json_value part_of(lua_State *L, const struct tt_raw *raw,
                                    const struct tt_json_value *container, struct tt_str step)
{
    struct tt_json_value found = {0}, value;
    struct tt_str key;
    size_t cursor = 0;
    uint64_t index;

    if (container->type == TT_JSON_OBJECT) {
        while (tt_raw_next_member(raw, container, &cursor, &key, &value))
            if (is_key(L, key, step))
                found = value;
    } else if (container->type == TT_JSON_ARRAY && tt_str_to_u64(step, &index) == 0) {
        while (tt_json_next(container, &cursor, &value))
            if (index-- == 0)
                return value;
    }
    return found;
}

struct tt_json_value tt_raw_walk(lua_State *L, const struct tt_raw *raw, struct tt_str *path)
{
    struct tt_json_value value = tt_raw_document(raw);
    struct tt_str step;
    ptrdiff_t dot;

    while ((dot = tt_str_find(*path, '.')) >= 0) {
        step = tt_str_of(path->data, (size_t)dot);
        *path = tt_str_of(path->data + dot + 1, path->len - (size_t)dot - 1);
        value = part_of(L, raw, &value, step);
    }
    return value;
}

/* What is at the path at 2 of the value at 1. */
static struct tt_json_value find(lua_State *L)
{
    const struct tt_raw *raw = tt_raw_open(L, 1);
    struct tt_str path = tt_raw_check_path(L, 2);
    struct tt_json_value container = tt_raw_walk(L, raw, &path);

    return part_of(L, raw, &container, path);
}

struct tt_str tt_raw_check_path(lua_State *L, int index)
{
    struct tt_str path;

    path.data = luaL_checklstring(L, index, &path.len);
    return path;
}

static int raw_get(lua_State *L)
{
    struct tt_json_value value = find(L);

    push_part(L, 1, &value);
    return 1;
}

/* Pushes members of an object, found in one pass. */
static int raw_members(lua_State *L)
{
    const struct tt_raw *raw = tt_raw_open(L, 1);
    struct tt_json_value object = tt_raw_document(raw), value, found[MEMBERS_MAX] = {{0}};
    struct tt_str key, name;
    size_t cursor = 0;
    int count = lua_gettop(L) - 1;

    luaL_argcheck(L, count <= MEMBERS_MAX, MEMBERS_MAX + 1, "too many names");
    for (int i = 0; i < count; i++)
        luaL_checkstring(L, i + 2);
    while (tt_raw_next_member(raw, &object, &cursor, &key, &value))
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
    struct tt_json_value value, container = tt_raw_document(tt_raw_open(L, 1));
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
    struct tt_json_value value = tt_raw_document(tt_raw_open(L, 1));

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

    struct tt_json_value value =
        lua_isnoneornil(L, 2) ? tt_raw_document(tt_raw_open(L, 1)) : find(L);
    lua_pushstring(L, names[value.type]);
    return 1;
}

static int raw_text(lua_State *L)
{
    const struct tt_raw *raw = tt_raw_open(L, 1);

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
