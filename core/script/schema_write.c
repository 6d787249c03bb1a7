/* Writes answers. A table is walked once, which finds the declared members by the addresses of
 * their names; keys are copied as they were escaped once. */
#include "script/schema.h"
#include "script/value_encode.h"

#define SHORT_MAX 40 /* of Lua's strings that are unique (LUAI_MAXSHORTLEN) */

/* Where in the answer something is. */
struct place {
    const struct place *outer; /* NULL: the answer itself */
    const struct tt_schema *schema;
};

struct writing {
    lua_State *L;
    const struct tt_schema_listener *listener;
    struct tt_value_encoder encoder;
};

struct undeclared {
    const struct writing *writing;
    const struct place *place;
};

static void put_place(const struct place *place, struct tt_buf *out)
{
    if (!place)
        return;
    put_place(place->outer, out);
    if (place->schema->name.len > 0) {
        if (out->len > 0)
            tt_buf_putc(out, '.');
        tt_buf_append_str(out, place->schema->name);
    }
    if (place->schema->type == TT_SCHEMA_ARRAY)
        tt_buf_append_z(out, "[]");
}

static void tell(const struct undeclared *undeclared, struct tt_str key)
{
    const struct tt_schema_listener *listener = undeclared->writing->listener;
    struct tt_buf place = {0};

    put_place(undeclared->place, &place);
    if (place.len > 0)
        tt_buf_putc(&place, '.');
    tt_buf_append_str(&place, key);
    listener->on_undeclared(listener->arg, tt_buf_str(&place));
    tt_buf_free(&place);
}

static bool is_undeclared(void *arg, struct tt_str key)
{
    const struct undeclared *undeclared = arg;
    const struct tt_schema *schema = undeclared->place->schema;

    for (size_t i = 0; i < schema->field_count; i++)
        if (tt_str_eq(schema->fields[i].name, key))
            return false;
    if (undeclared->writing->listener && !schema->open)
        tell(undeclared, key);
    return true;
}

static void write_value(struct writing *writing, const struct place *place, int index, int depth);

/* The field of a key, by its address: short strings are unique in a state. */
static const struct tt_schema *field_of(const struct tt_schema *schema, const char *key, size_t len)
{
    const struct tt_schema *end = schema->fields + schema->field_count;

    for (const struct tt_schema *field = schema->fields; field < end; field++)
        if (field->string == key)
            return field;
    for (const struct tt_schema *field = schema->fields; len > SHORT_MAX && field < end; field++)
        if (tt_str_eq(field->name, tt_str_of(key, len)))
            return field;
    return NULL;
}

/* Replaces the nils at `places` by the values of the declared members. Returns whether there are
 * others. */
static bool find_members(lua_State *L, const struct tt_schema *schema, int index, int places)
{
    bool others = false;

    lua_pushnil(L);
    while (lua_next(L, index)) {
        size_t len = 0;
        const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tolstring(L, -2, &len) : NULL;
        const struct tt_schema *field = key ? field_of(schema, key, len) : NULL;
        if (field) {
            lua_replace(L, places + (int)(field - schema->fields));
        } else {
            others = true;
            lua_pop(L, 1);
        }
    }
    return others;
}

/* Most members are texts. */
static void write_member(struct writing *writing, const struct place *place, int index, int depth)
{
    struct tt_json_writer *w = &writing->encoder.writer;
    struct tt_str text;

    switch (lua_type(writing->L, index)) {
    case LUA_TNIL:
        return;
    case LUA_TSTRING:
        text.data = lua_tolstring(writing->L, index, &text.len);
        tt_json_raw_key_str(w, place->schema->key, text);
        return;
    default:
        tt_json_raw_key(w, place->schema->key);
        write_value(writing, place, index, depth);
    }
}

static void write_object(struct writing *writing, const struct place *place, int index, int depth)
{
    const struct tt_schema *schema = place->schema;
    struct tt_json_writer *w = &writing->encoder.writer;
    lua_State *L = writing->L;
    int top = lua_gettop(L);

    luaL_checkstack(L, (int)schema->field_count + 8, "json.encode");
    lua_settop(L, top + (int)schema->field_count);
    bool others = find_members(L, schema, index, top + 1);
    tt_json_begin_object(w);
    for (int i = 0; i < (int)schema->field_count; i++)
        write_member(writing, &(struct place){place, &schema->fields[i]}, top + 1 + i, depth + 1);
    if (others) {
        struct undeclared undeclared = {writing, place};
        tt_value_encode_members(L, index, &writing->encoder, depth + 1,
                                &(struct tt_value_choice){is_undeclared, &undeclared});
    }
    tt_json_end_object(w);
    lua_settop(L, top);
}

static void write_array(struct writing *writing, const struct place *place, int index, int depth)
{
    const struct place items = {place, place->schema->items};
    struct tt_json_writer *w = &writing->encoder.writer;
    lua_State *L = writing->L;
    lua_Unsigned count = lua_rawlen(L, index);

    tt_json_begin_array(w);
    for (lua_Unsigned i = 1; i <= count; i++) {
        lua_rawgeti(L, index, (lua_Integer)i);
        write_value(writing, &items, lua_gettop(L), depth + 1);
        lua_pop(L, 1);
    }
    tt_json_end_array(w);
}

/* A value of another type than declared is written as it is: an answer that was made is better than
 * none. */
static void write_value(struct writing *writing, const struct place *place, int index, int depth)
{
    enum tt_schema_type type = place->schema->type;
    bool object = type == TT_SCHEMA_OBJECT && place->schema->field_count > 0;
    lua_State *L = writing->L;

    if ((object || type == TT_SCHEMA_ARRAY) && lua_type(L, index) == LUA_TTABLE &&
        tt_value_is_array(L, index) != object) {
        tt_value_check_depth(L, depth);
        if (object)
            write_object(writing, place, index, depth);
        else
            write_array(writing, place, index, depth);
    } else {
        tt_value_encode_at(L, index, &writing->encoder, depth);
    }
}

void tt_schema_put(lua_State *L, const struct tt_schema *schema, int index,
                   struct tt_json_writer *w)
{
    struct writing writing = {.L = L, .encoder.writer = *w};

    write_value(&writing, &(struct place){NULL, schema}, lua_absindex(L, index), w->depth);
    *w = writing.encoder.writer;
}

void tt_schema_write(lua_State *L, const struct tt_schema *schema, int index,
                     const struct tt_schema_listener *listener, struct tt_buf *out)
{
    struct writing writing = {.L = L, .listener = listener, .encoder.writer.buf = out};

    write_value(&writing, &(struct place){NULL, schema}, lua_absindex(L, index), 0);
    if (writing.encoder.writer.failed)
        tt_value_raise_full(L, out, "json.encode: the text would be too large");
}
