/* The document is a string of Lua, or a part of one, which counts and collects it; `set` replaces
 * it. Texts that are looked into were valid once, so a walk that stops early means that something
 * is absent. */
#include "script/value_raw.h"

#include "script/task.h"
#include "script/value_encode.h"

#define CLASS       "tide.Raw"
#define MEMBERS_MAX 16 /* that one call asks for */

/* ---- values ---- */

struct raw {
    struct tt_str part; /* of the string that is the user value */
    bool free;          /* its first decoding */
};

/* Pushes one without a document. */
static struct raw *push_empty(lua_State *L)
{
    struct raw *raw = lua_newuserdatauv(L, sizeof(*raw), 1);

    *raw = (struct raw){0};
    luaL_setmetatable(L, CLASS);
    return raw;
}

/* Makes the string on top the whole document of the value at index. */
static void set_text(lua_State *L, int index)
{
    struct raw *raw = lua_touserdata(L, index);

    index = lua_absindex(L, index);
    raw->part.data = lua_tolstring(L, -1, &raw->part.len);
    lua_setiuservalue(L, index, 1);
}

void tt_value_raw_push(lua_State *L, struct tt_str json)
{
    push_empty(L);
    tt_task_push_taken(L, json);
    set_text(L, -2);
}

void tt_value_raw_push_part(lua_State *L, int text, struct tt_str part)
{
    text = lua_absindex(L, text);
    push_empty(L)->part = part;
    lua_pushvalue(L, text);
    lua_setiuservalue(L, -2, 1);
}

void tt_value_raw_let_free(lua_State *L)
{
    ((struct raw *)lua_touserdata(L, -1))->free = true;
}

bool tt_value_raw_take_free(lua_State *L, int index)
{
    struct raw *raw = luaL_testudata(L, index, CLASS);
    bool free = raw && raw->free;

    if (free)
        raw->free = false;
    return free;
}

bool tt_value_raw(lua_State *L, int index, struct tt_str *json)
{
    const struct raw *raw = luaL_testudata(L, index, CLASS);

    if (raw)
        *json = raw->part;
    return raw != NULL;
}

static struct tt_json_value check_raw(lua_State *L, int index)
{
    const struct raw *raw = luaL_checkudata(L, index, CLASS);

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

/* Walks all steps of a path but the last one, which it leaves in `path`. */
static struct tt_json_value walk(lua_State *L, struct tt_json_value value, struct tt_str *path)
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

static struct tt_str check_path(lua_State *L, int index)
{
    struct tt_str path;

    path.data = luaL_checklstring(L, index, &path.len);
    return path;
}

static int raw_get(lua_State *L)
{
    struct tt_json_value value = check_raw(L, 1);
    struct tt_str path = check_path(L, 2);

    value = walk(L, value, &path);
    value = part_of(L, &value, path);
    push_part(L, 1, &value);
    return 1;
}

/* Pushes members of an object, found in one pass. */
static int raw_members(lua_State *L)
{
    struct tt_json_value object = check_raw(L, 1), value, found[MEMBERS_MAX] = {{0}};
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

/* ---- changes ---- */

static void put_raw_member(struct tt_json_writer *w, struct tt_str key, struct tt_str value)
{
    tt_json_raw_key(w, key);
    tt_json_raw_key(w, TT_STR(":"));
    tt_json_raw(w, value);
}

static bool is_in(lua_State *L, int table, int key)
{
    lua_pushvalue(L, key);
    bool there = lua_rawget(L, table) != LUA_TNIL;
    lua_pop(L, 1);
    return there;
}

/* Writes an object with its members in their order: those in the table at `changes` with the value
 * there, those in the table at `without` not at all. New members follow, sorted. */
static void write_object(lua_State *L, const struct tt_json_value *object, int changes, int without,
                         struct tt_value_encoder *encoder)
{
    struct tt_json_writer *w = &encoder->writer;
    struct tt_json_value value;
    struct tt_str key;
    size_t cursor = 0;
    int top = lua_gettop(L), left = top + 1, name = top + 2;

    luaL_checkstack(L, 8, "raw");
    lua_newtable(L); /* the changes that were not met yet */
    for (lua_pushnil(L); lua_next(L, changes); lua_pop(L, 1)) {
        lua_pushvalue(L, -2);
        lua_pushvalue(L, -2);
        lua_rawset(L, left);
    }
    tt_json_begin_object(w);
    while (tt_json_next_member(object, &cursor, &key, &value)) {
        tt_value_push_json_text(L, key);
        if (!is_in(L, changes, name)) {
            if (!is_in(L, without, name))
                put_raw_member(w, key, value.raw);
        } else if (is_in(L, left, name)) {
            put_raw_member(w, key, TT_STR(""));
            w->after_key = true;
            lua_pushvalue(L, name);
            lua_rawget(L, left);
            tt_value_encode_at(L, lua_gettop(L), encoder, 1);
            lua_pushvalue(L, name);
            lua_pushnil(L);
            lua_rawset(L, left);
        }
        lua_settop(L, left);
    }
    tt_value_encode_members(L, left, encoder, 1, NULL);
    tt_json_end_object(w);
    lua_settop(L, top);
}

/* The same of a list: the value at `value` becomes the item `index`, or nil removes it. False:
 * there is no such place. */
static bool write_array(lua_State *L, const struct tt_json_value *array, uint64_t index, int value,
                        struct tt_value_encoder *encoder)
{
    struct tt_json_writer *w = &encoder->writer;
    struct tt_json_value item;
    size_t cursor = 0;
    uint64_t i = 0;

    tt_json_begin_array(w);
    for (; tt_json_next(array, &cursor, &item); i++) {
        if (i != index)
            tt_json_raw(w, item.raw);
        else if (!lua_isnil(L, value))
            tt_value_encode_at(L, value, encoder, 1);
    }
    if (i == index && !lua_isnil(L, value))
        tt_value_encode_at(L, value, encoder, 1);
    tt_json_end_array(w);
    return index < i || (index == i && !lua_isnil(L, value));
}

static struct tt_value_encoder encoder_into(struct tt_buf *out)
{
    return (struct tt_value_encoder){.writer.buf = out};
}

/* Raises when what was written is no document any more: nested too deeply. */
static void check_written(lua_State *L, const struct tt_buf *out)
{
    struct tt_err err = {0};

    if (tt_json_check(tt_buf_str(out), TT_JSON_MAX_DEPTH, &err) != 0)
        luaL_error(L, "raw: %s", err.message);
}

/* The document at 1 with the part `step` of `container` changed to the value at 3, into `out`. */
static bool write_change(lua_State *L, struct tt_str whole, const struct tt_json_value *container,
                         struct tt_str step, struct tt_buf *out)
{
    struct tt_value_encoder encoder = encoder_into(out);
    bool removes = lua_isnil(L, 3), done = false;
    uint64_t index;

    if (container->type != TT_JSON_OBJECT && container->type != TT_JSON_ARRAY)
        return false;
    const char *rest = container->raw.data + container->raw.len;
    tt_buf_append(out, whole.data, (size_t)(container->raw.data - whole.data));
    if (container->type == TT_JSON_OBJECT) {
        int none = lua_gettop(L) + 1, change = none + 1;
        lua_newtable(L);
        lua_newtable(L);
        lua_pushlstring(L, step.data, step.len);
        lua_pushvalue(L, removes ? none : 3);
        lua_rawset(L, change);
        write_object(L, container, removes ? none : change, removes ? change : none, &encoder);
        done = true;
    } else if (container->type == TT_JSON_ARRAY && tt_str_to_u64(step, &index) == 0) {
        done = write_array(L, container, index, 3, &encoder);
    }
    tt_buf_append(out, rest, (size_t)(whole.data + whole.len - rest));
    return done;
}

static int raw_set(lua_State *L)
{
    struct tt_json_value value = check_raw(L, 1);
    struct tt_str path = check_path(L, 2), whole = value.raw;

    luaL_checkany(L, 3);
    lua_settop(L, 3);
    struct tt_buf *out = tt_value_push_buf(L, 0);
    value = walk(L, value, &path);
    bool done = write_change(L, whole, &value, path, out);
    if (done) {
        check_written(L, out);
        lua_pushlstring(L, out->data, out->len);
        set_text(L, 1);
        tt_value_raw_take_free(L, 1); /* it is not the client's any more */
    }
    lua_pushboolean(L, done);
    return 1;
}

static int raw_with(lua_State *L)
{
    struct tt_json_value value = check_raw(L, 1);

    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 3);
    lua_newtable(L); /* 4 = the names that go */
    if (!lua_isnil(L, 3)) {
        luaL_checktype(L, 3, LUA_TTABLE);
        for (lua_Integer i = 1; lua_rawgeti(L, 3, i) != LUA_TNIL; i++) {
            lua_pushboolean(L, true);
            lua_rawset(L, 4);
        }
        lua_settop(L, 4);
    }
    if (value.type != TT_JSON_OBJECT)
        return luaL_error(L, "raw: 'with' is for objects");
    struct tt_buf *out = tt_value_push_buf(L, 0);
    struct tt_value_encoder encoder = encoder_into(out);
    write_object(L, &value, 2, 4, &encoder);
    push_empty(L);
    lua_pushlstring(L, out->data, out->len);
    set_text(L, -2);
    tt_buf_free(out); /* now: Lua does not see how large it is */
    return 1;
}

/* ---- walking ---- */

/* Upvalues: a value with the text, where the walk is, the next index. */
static int next_part(lua_State *L)
{
    lua_settop(L, 0);
    lua_pushvalue(L, lua_upvalueindex(1));
    struct tt_json_value value, container = check_raw(L, 1);
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
    struct tt_json_value value = check_raw(L, 1);

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

    struct tt_json_value value = check_raw(L, 1);
    if (!lua_isnoneornil(L, 2)) {
        struct tt_str path = check_path(L, 2);
        value = walk(L, value, &path);
        value = part_of(L, &value, path);
    }
    lua_pushstring(L, names[value.type]);
    return 1;
}

static int raw_text(lua_State *L)
{
    const struct raw *raw = luaL_checkudata(L, 1, CLASS);

    lua_getiuservalue(L, 1, 1);
    if (lua_rawlen(L, -1) != raw->part.len)
        lua_pushlstring(L, raw->part.data, raw->part.len);
    return 1;
}

static const luaL_Reg methods[] = {
    {"get", raw_get},   {"set", raw_set},         {"with", raw_with}, {"each", raw_each},
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
